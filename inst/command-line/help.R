# What --help says, and what a wrong call is answered with; by the declarations in options.R.

# Lines. command: a name, or "" for the script as a whole. defaults: see defaults.R.
help_text <- function(command, commands, defaults = list()) {
  if (nzchar(command)) {
    more <- if (length(commands[[command]]$functions)) {
      ", and the help of the R function named above, which says more of each option"
    }
    more <- paste0("More: ?`canal-script` in R", more, ".")
    return(c(command_help(command, commands[[command]], defaults), "",
             status_text(commands[[command]]), "", strwrap(more, 96)))
  }
  c("canal: continual cell-type annotation of single-cell RNA-seq, in batch jobs", "",
    "Usage: canal COMMAND [options] FILE...",
    "       canal COMMAND --help",
    "       canal --help | --version", "", "Commands:",
    entries(names(commands), vapply(commands, `[[`, "", "summary")), "",
    strwrap(paste("Results go to files, whole or not at all, or to stdout where --out is \"-\";",
                  "the log goes to stderr, a line per event with its time and level (INFO,",
                  "WARNING or ERROR)."), 96), "",
    status_text(), "",
    "A job file (--job) has the options' names:", "", paste0("  ", job_example()))
}

job_example <- function() {
  c("# canal train --job train.txt", "model: compact", "labels: celltype", "out: model.h5",
    "checkpoint: state", "seed: 1", "input: batch1.h5ad", "  batch2.h5ad")
}

# What is true of the command; NULL: of any.
status_text <- function(command = NULL) {
  any <- is.null(command)
  has <- function(option) option %in% names(command$options)
  done <- if (any || length(command$to_stdout) || !has("out")) {
    "All is done, also where stdout was closed early, as head does it."
  } else {
    "All is done."
  }
  wrong <- paste0("A wrong call: an option that is unknown, missing, or no value of its kind",
                  if (any || has("out")) {
                    ", or an output that is there, or that would replace what is read"
                  }, ".")
  going_on <- if (any) {
    "Interrupted (SIGINT). Commands with --checkpoint go on by the same call."
  } else {
    paste0("Interrupted (SIGINT).",
           if (has("checkpoint")) " With --checkpoint the same call goes on.")
  }
  c("Exit status:", entries(c("0", "1", "2", "130"), c(
    done, "The work could not be done; the reason is on stderr.", wrong, going_on
  )))
}

command_help <- function(name, command, defaults) {
  options <- command$options
  needed <- vapply(options, `[[`, NA, "needed")
  many <- vapply(options, `[[`, NA, "many")
  words <- trimws(paste0("--", names(options), " ", vapply(options, `[[`, "", "value")))
  help <- paste0(vapply(options, `[[`, "", "help"), ifelse(needed, " Needed.", ""),
                 ifelse(many, " May be repeated.", ""),
                 vapply(names(options), function(option) {
                   default_sentence(option, options[[option]], command, defaults)
                 }, ""))
  c(paste0("canal ", name, ": ", command$summary), "", usage(name, command), "", "Options:",
    entries(words, help),
    if (!is.null(command$note)) c("", strwrap(command$note, 96)))
}

# " Default: 5.", or "" where there is none to tell. name: of the option.
default_sentence <- function(name, declared, command, defaults) {
  if (declared$unlike) return("")
  texts <- declared$default
  if (is.null(texts)) texts <- argument_defaults(name, declared, command, defaults)
  if (length(unique(texts)) > 1) texts <- sprintf("%s (%s)", texts, names(texts))
  if (length(texts)) sprintf(" Default: %s.", paste(unique(texts), collapse = ", ")) else ""
}

# Texts by function: of the command's that have the argument, or else of the one in `like`.
argument_defaults <- function(name, declared, command, defaults) {
  own <- lapply(defaults[intersect(command$functions, names(defaults))], function(arguments) {
    arguments[gsub("[._]", "-", names(arguments)) == name]
  })
  own <- Filter(length, own)
  like <- declared$like
  if (length(own)) return(unlist(lapply(own, function(found) default_text(found[[1]]))))
  if (length(like)) default_text(defaults[[like[1]]][[like[2]]])
}

# An expression in the words of the script; NULL for what it cannot say in short.
default_text <- function(value) {
  if (is.logical(value)) return(if (value) "yes" else "no")
  if (is.character(value) || is.numeric(value)) return(format(value))
  if (is.call(value)) switch(
    as.character(value[[1]])[1],
    # The first of the choices, or a configuration's name.
    c = , canal_config = default_text(value[[2]]),
    # config$epochs, or model@config$epochs.
    `$` = if (is.call(value[[2]])) "that of the model" else "that of --config"
  )
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
