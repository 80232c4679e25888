# What --help says, and what a wrong call is answered with; by the declarations in options.R.

# Lines. command: a name, or "" for the script as a whole.
help_text <- function(command, commands) {
  if (nzchar(command)) {
    more <- paste("More: ?`canal-script` in R, and the help of the R function named above, which",
                  "says what an option does and its default.")
    return(c(command_help(command, commands[[command]]), "", status_text(), "", strwrap(more, 96)))
  }
  c("canal: continual cell-type annotation of single-cell RNA-seq, in batch jobs", "",
    "Usage: canal COMMAND [options] FILE...",
    "       canal COMMAND --help",
    "       canal --help | --version", "", "Commands:",
    entries(names(commands), vapply(commands, `[[`, "", "summary")), "",
    strwrap(paste("Results go to files, whole or not at all, or to stdout where --out is \"-\";",
                  "the log goes to stderr, a line per event with its time."), 96), "",
    status_text(), "",
    "A job file (--job) has the options' names:", "", paste0("  ", job_example()))
}

job_example <- function() {
  c("# canal train --job train.txt", "model: compact", "labels: celltype", "out: model.h5",
    "checkpoint: state", "seed: 1", "input: batch1.h5ad", "  batch2.h5ad")
}

status_text <- function() {
  c("Exit status:", entries(c("0", "1", "2", "130"), c(
    "All is done.",
    "The work could not be done; the reason is on stderr.",
    "A wrong call: an option that is unknown, missing, or no value of its kind.",
    "Interrupted (SIGINT). With --checkpoint the same call goes on."
  )))
}

command_help <- function(name, command) {
  options <- command$options
  needed <- vapply(options, `[[`, NA, "needed")
  many <- vapply(options, `[[`, NA, "many")
  words <- trimws(paste0("--", names(options), " ", vapply(options, `[[`, "", "value")))
  help <- paste0(vapply(options, `[[`, "", "help"), ifelse(needed, " Needed.", ""),
                 ifelse(many, " May be repeated.", ""))
  c(paste0("canal ", name, ": ", command$summary), "", usage(name, command), "", "Options:",
    entries(words, help),
    if (!is.null(command$note)) c("", strwrap(command$note, 96)))
}

usage <- function(name, command) {
  needed <- command$options[vapply(command$options, `[[`, NA, "needed")]
  words <- sprintf(" --%s %s", names(needed), vapply(needed, `[[`, "", "value"))
  sprintf("Usage: canal %s [options]%s %s%s", name, paste(words, collapse = ""), command$inputs,
          if (command$most > 1) "..." else "")
}

# For stderr, behind what is wrong.
short_usage <- function(command, commands) {
  if (nzchar(command)) {
    return(c(usage(command, commands[[command]]),
             sprintf("'canal %s --help' tells all options.", command)))
  }
  c(sprintf("Usage: canal COMMAND [options] FILE..., with one of the commands %s.",
            paste(names(commands), collapse = ", ")), "'canal --help' tells more.")
}

# Words at the left and what they mean, from the same column on.
entries <- function(words, help, column = 30) {
  unlist(Map(function(word, help) {
    lines <- strwrap(help, 96 - column)
    left <- paste0("  ", word)
    if (nchar(left) >= column) return(c(left, entries("", help, column)))
    paste0(formatC(c(left, rep("", length(lines) - 1)), width = -column), lines)
  }, words, help), use.names = FALSE)
}
