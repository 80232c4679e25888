# What the script writes, before canalR is loaded and after: the log's lines on stderr, and results
# on stdout.

# A line per event, whatever lines the text has. level: "INFO", "WARNING" or "ERROR".
log_line <- function(level, text) {
  text <- gsub("\\s*\n\\s*", " ", trimws(text))
  time <- format(Sys.time(), "%Y-%m-%d %H:%M:%S")
  unless_closed(cat(time, " ", level, " ", text, "\n", sep = "", file = stderr()))
}

# Runs code that writes to a stream. Whoever closes a pipe (`head`, say) has all that was wanted of
# it: the rest is not written, and the work goes on. R makes an error of the signal, in its own
# language. For nothing but writing, as a worker that is lost looks the same.
unless_closed <- function(code) {
  closed <- gettext("ignoring SIGPIPE signal", domain = "R")
  tryCatch(code, error = function(error) {
    if (!identical(conditionMessage(error), closed)) stop(error)
  })
  invisible()
}
