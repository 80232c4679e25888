# Progress of long work, by cells and epochs: a bar on a terminal that can redraw a line, elsewhere
# (a batch log, say) a line now and then. Quiet functions get the same shape that does nothing.

epoch_progress <- function(stage, settings) {
  if (!settings$verbose) {
    return(list(cells = NULL, epoch = function(run) NULL, close = function() NULL))
  }
  if (cli::is_dynamic_tty()) epoch_bar(stage, settings) else epoch_lines(stage)
}

epoch_bar <- function(stage, settings) {
  cells <- length(stage$train$types)
  done <- 0
  status <- ""
  bar <- cli::cli_progress_bar(
    total = cells * settings$epochs, clear = TRUE, .auto_close = FALSE,
    format = paste0("Stage ", length(stage$model@history) + 1L,
                    " {cli::pb_bar} {cli::pb_percent} {cli::pb_status} | ETA {cli::pb_eta}")
  )
  list(
    cells = function(now, total) {
      cli::cli_progress_update(set = done + now, id = bar, status = status)
    },
    epoch = function(run) {
      done <<- nrow(run$losses) * cells
      status <<- epoch_text(run)
    },
    close = function() cli::cli_progress_done(id = bar)
  )
}

epoch_lines <- function(stage, every = 10) {
  name <- sprintf("Stage %d", length(stage$model@history) + 1L)
  list(
    cells = NULL,
    epoch = function(run) {
      if (nrow(run$losses) %% every == 0) {
        canal_inform("epoch", sprintf("%s, %s", name, epoch_text(run)))
      }
    },
    close = function() NULL
  )
}

epoch_text <- function(run) {
  last <- run$losses[nrow(run$losses), ]
  sprintf("epoch %d: loss %.3f, validation accuracy %.3f (best %.3f)", last$epoch, last$total,
          last$validation_accuracy, run$best_accuracy)
}

cell_progress <- function(name, total, verbose) {
  if (!verbose || !cli::is_dynamic_tty()) return(NULL)
  bar <- cli::cli_progress_bar(name, total = total, clear = TRUE, .envir = parent.frame())
  function(done, total) cli::cli_progress_update(set = done, id = bar)
}

# The progress of pre-training, in the shape of epoch_progress().
pretraining_progress <- function(cells, settings) {
  quiet <- list(cells = NULL, epoch = function(run) NULL, close = function() NULL)
  if (!settings$verbose) return(quiet)
  text <- function(run) {
    last <- run$losses[nrow(run$losses), ]
    sprintf("epoch %d: loss %.3f, held out %.3f, masked accuracy %.3f", last$epoch, last$loss,
            last$validation_loss, last$validation_accuracy)
  }
  if (!cli::is_dynamic_tty()) {
    quiet$epoch <- function(run) canal_inform("epoch", paste0("Pre-training, ", text(run)))
    return(quiet)
  }
  total <- cells$count
  done <- 0
  status <- ""
  bar <- cli::cli_progress_bar(
    total = total * settings$epochs, clear = TRUE, .auto_close = FALSE,
    format = "Pre-training {cli::pb_bar} {cli::pb_percent} {cli::pb_status} | ETA {cli::pb_eta}"
  )
  list(
    cells = function(now, all) {
      cli::cli_progress_update(set = done + now, id = bar, status = status)
    },
    epoch = function(run) {
      done <<- nrow(run$losses) * total
      status <<- text(run)
    },
    close = function() cli::cli_progress_done(id = bar)
  )
}
