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
    # What is cut off where a terminal is narrow stands last.
    format = paste(name, "{cli::pb_bar} {cli::pb_percent} | {cli::pb_rate} | ETA {cli::pb_eta} |",
                   "{cli::pb_status}")
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

# Of cells whose way through a network is all there is to do. A log gets a line each half a minute.
cell_progress <- function(name, total, verbose) {
  if (!verbose) return(NULL)
  if (!cli::is_dynamic_tty()) return(cell_lines(name, total))
  bar <- cli::cli_progress_bar(
    total = total, clear = TRUE, .envir = parent.frame(),
    format = paste(name, "{cli::pb_bar} {cli::pb_percent} | {cli::pb_rate} | ETA {cli::pb_eta}")
  )
  function(done, total) cli::cli_progress_update(set = done, id = bar)
}

cell_lines <- function(name, total, every = 30, now = function() proc.time()[[3]]) {
  start <- told <- now()
  function(done, ...) {
    if (now() - told < every || !done) return(invisible())
    told <<- now()
    rate <- done / (told - start)
    canal_inform("progress", sprintf(
      "%s: %s of %s cells, %s a second, about %s to go.", name, thousands(done), thousands(total),
      format(signif(rate, 3)), duration((total - done) / rate)
    ))
  }
}

# "45 s", "12 min", "3 h 20 min".
duration <- function(seconds) {
  if (seconds < 90) return(sprintf("%.0f s", seconds))
  minutes <- round(seconds / 60)
  if (minutes < 90) return(sprintf("%d min", minutes))
  sprintf("%d h %d min", minutes %/% 60, minutes %% 60)
}
