# Progress of long work, by cells and epochs: a bar on a terminal that can redraw a line, elsewhere
# (a batch log, say) a line now and then. Quiet functions get the same shape that does nothing.

# name: of the training. cells: of an epoch. text(run): where it stands. every: so many epochs make
# a line of a log.
epoch_progress <- function(name, cells, text, settings, every = 10) {
  if (!settings$verbose) {
    return(list(cells = NULL, epoch = function(run) NULL, close = function() NULL))
  }
  if (cli::is_dynamic_tty()) return(epoch_bar(name, cells, text, settings$epochs))
  epoch_lines(name, text, every)
}

epoch_bar <- function(name, cells, text, epochs) {
  done <- 0
  status <- ""
  bar <- cli::cli_progress_bar(
    total = cells * epochs, clear = TRUE, .auto_close = FALSE,
    format = paste(name, "{cli::pb_bar} {cli::pb_percent} {cli::pb_status} | ETA {cli::pb_eta}")
  )
  list(
    cells = function(now, total) {
      cli::cli_progress_update(set = done + now, id = bar, status = status)
    },
    epoch = function(run) {
      done <<- nrow(run$losses) * cells
      status <<- text(run)
    },
    close = function() cli::cli_progress_done(id = bar)
  )
}

epoch_lines <- function(name, text, every) {
  list(
    cells = NULL,
    epoch = function(run) {
      if (nrow(run$losses) %% every == 0) {
        canal_inform("epoch", sprintf("%s, %s", name, text(run)))
      }
    },
    close = function() NULL
  )
}

cell_progress <- function(name, total, verbose) {
  if (!verbose || !cli::is_dynamic_tty()) return(NULL)
  bar <- cli::cli_progress_bar(name, total = total, clear = TRUE, .envir = parent.frame())
  function(done, total) cli::cli_progress_update(set = done, id = bar)
}
