# Progress of long work, by cells and epochs. Quiet functions get the same shape that does nothing.

epoch_progress <- function(stage, settings) {
  if (!settings$verbose) return(list(cells = NULL, epoch = function(run) NULL, close = function() NULL))
  cells <- length(stage$train$types)
  state <- new.env(parent = emptyenv())
  state$done <- 0
  state$status <- ""
  bar <- cli::cli_progress_bar(
    total = cells * settings$epochs, clear = TRUE, .auto_close = FALSE,
    format = paste0("Stage ", length(stage$model@history) + 1L,
                    " {cli::pb_bar} {cli::pb_percent} {cli::pb_status} | ETA {cli::pb_eta}")
  )
  list(
    cells = function(done, total) {
      cli::cli_progress_update(set = state$done + done, id = bar, status = state$status)
    },
    epoch = function(run) {
      last <- run$losses[nrow(run$losses), ]
      state$done <- last$epoch * cells
      state$status <- sprintf("epoch %d, loss %.3f, validation accuracy %.3f (best %.3f)", last$epoch,
                              last$total, last$validation_accuracy, run$best_accuracy)
    },
    close = function() cli::cli_progress_done(id = bar)
  )
}

cell_progress <- function(name, total, verbose) {
  if (!verbose) return(NULL)
  bar <- cli::cli_progress_bar(name, total = total, clear = TRUE, .envir = parent.frame())
  function(done, total) cli::cli_progress_update(set = done, id = bar)
}
