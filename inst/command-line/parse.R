# From the words of a command line to a call: a list of
#   command   its name, or ""
#   show      "help", "version" or "" (do the work)
#   options   values by name, as declared in options.R
#   inputs    the other words
# A wrong call is a condition of class `wrong_call`, with the name of its `command`.

wrong_call <- function(command, text) {
  where <- if (nzchar(command)) paste("canal", command) else "canal"
  stop(structure(class = c("wrong_call", "error", "condition"),
                 list(message = paste0(where, ": ", text), call = NULL, command = command)))
}

parse_call <- function(words, commands) {
  first <- if (length(words)) words[1] else ""
  call <- list(command = "", show = "", options = list(), inputs = character())
  if (first == "--version") return(replace(call, "show", "version"))
  if (first %in% c("--help", "-h")) return(replace(call, "show", "help"))
  if (!nzchar(first)) wrong_call("", "no command")
  if (!first %in% names(commands)) {
    wrong_call("", sprintf("unknown command \"%s\"%s", first, nearest(first, names(commands))))
  }
  call$command <- first
  # Help is given for a call that is not whole, too.
  if (any(c("--help", "-h") %in% words[cumsum(words == "--") == 0])) {
    return(replace(call, "show", "help"))
  }
  given <- parse_words(words[-1], commands[[first]], first)
  if (!is.null(given$options$job)) given <- with_job(given, commands[[first]], first)
  check_call(given, commands[[first]], first)
  call$options <- with_defaults(given$options, commands[[first]])
  call$inputs <- given$inputs
  call
}

# Those that the script has of its own.
with_defaults <- function(options, command) {
  defaults <- Filter(length, lapply(command$options, `[[`, "default"))
  c(options, defaults[setdiff(names(defaults), names(options))])
}

# Options and inputs of the words after the command. Behind "--" all are inputs.
parse_words <- function(words, command, name) {
  given <- list(options = list(), inputs = character())
  while (length(words)) {
    word <- words[1]
    words <- words[-1]
    if (word == "--") return(replace(given, "inputs", list(c(given$inputs, words))))
    if (!startsWith(word, "-") || word == "-") {
      given$inputs <- c(given$inputs, word)
      next
    }
    option <- split_option(word, command, name)
    if (is.na(option$value)) {
      option$value <- next_value(words, option$name, name)
      words <- words[-1]
    }
    given$options <- with_value(given$options, option, command, name)
  }
  given
}

next_value <- function(words, option, name) {
  if (!length(words) || startsWith(words[1], "--")) {
    wrong_call(name, sprintf("--%s needs a value", option))
  }
  words[1]
}

# "--name=value", "--name", "--no-name" as a list(name, value); NA: the value is the next word.
split_option <- function(word, command, name) {
  has_value <- grepl("=", word, fixed = TRUE)
  option <- gsub("_", "-", sub("^--", "", sub("=.*", "", word)), fixed = TRUE)
  kind <- vapply(command$options, `[[`, "", "kind")
  flags <- names(kind)[kind == "flag"]
  if (!has_value && option %in% c(flags, paste0("no-", flags))) {
    return(list(name = sub("^no-", "", option), value = if (option %in% flags) "yes" else "no"))
  }
  if (!startsWith(word, "--") || !option %in% names(kind)) {
    wrong_call(name, sprintf("unknown option \"%s\"%s", sub("=.*", "", word),
                             nearest(option, names(kind), "--")))
  }
  list(name = option, value = if (has_value) sub("^[^=]*=", "", word) else NA)
}

# The options with one more value, converted and checked.
with_value <- function(options, option, command, name) {
  declared <- command$options[[option$name]]
  value <- converted(option$value, declared)
  if (is.null(value)) {
    wrong_call(name, sprintf("--%s must be %s, not \"%s\"", option$name, described(declared),
                             option$value))
  }
  if (!is.null(options[[option$name]]) && !declared$many) {
    wrong_call(name, sprintf("--%s is given twice", option$name))
  }
  options[[option$name]] <- c(options[[option$name]], value)
  options
}

# NULL where the text is no value of that kind.
converted <- function(text, declared) {
  if (text %in% declared$words) return(text)
  switch(declared$kind,
         flag = switch(tolower(text), yes = , true = TRUE, no = , false = FALSE, NULL),
         text = if (is_choice(text, declared$choices)) text,
         number = as_number(text),
         whole = if (isTRUE(as_number(text) %% 1 == 0)) as_number(text))
}

is_choice <- function(text, choices) if (is.null(choices)) nzchar(text) else text %in% choices

as_number <- function(text) {
  number <- suppressWarnings(as.numeric(text))
  if (!is.na(number)) number
}

described <- function(declared) {
  what <- switch(declared$kind, flag = "yes or no", number = "a number", whole = "a whole number",
                 text = "a text")
  if (!is.null(declared$choices)) what <- paste("one of", paste(declared$choices, collapse = ", "))
  paste(c(what, declared$words), collapse = " or ")
}

# "; did you mean --labels?", or "" where nothing is near.
nearest <- function(name, known, dashes = "") {
  distance <- utils::adist(name, known, partial = FALSE)[1, ]
  begins <- startsWith(known, name) & nchar(name) > 2
  distance[begins] <- 1
  if (!length(known) || min(distance) > max(2, nchar(name) / 3)) return("")
  sprintf("; did you mean %s%s?", dashes, known[which.min(distance)])
}

# A job file: what the command line does not say.
with_job <- function(given, command, name) {
  file <- given$options$job
  values <- read_job(file, name)
  unknown <- setdiff(names(values), c(setdiff(names(command$options), c("job", "help")), "input"))
  if (length(unknown)) {
    wrong_call(name, sprintf("%s: unknown name \"%s\"%s", file, unknown[1],
                             nearest(unknown[1], c(names(command$options), "input"))))
  }
  if (!length(given$inputs)) given$inputs <- as.character(values$input)
  options <- list()
  for (option in setdiff(names(values), c("input", names(given$options)))) {
    for (value in values[[option]]) {
      options <- with_value(options, list(name = option, value = value), command, name)
    }
  }
  given$options <- c(given$options, options)
  given
}

# A list of texts by name, of "name: value" lines as R's own DESCRIPTION has them. An indented line
# is one more value of the name above it, a line of # a comment.
read_job <- function(file, name) {
  lines <- tryCatch(readLines(file, warn = FALSE, encoding = "UTF-8"),
                    warning = function(w) NULL, error = function(e) NULL)
  if (is.null(lines)) wrong_call(name, sprintf("--job: \"%s\" cannot be read", file))
  lines <- lines[!grepl("^\\s*(#|$)", lines)]
  if (!length(lines)) return(list())
  connection <- textConnection(lines)
  on.exit(close(connection))
  values <- tryCatch(read.dcf(connection)[1, ], error = function(e) {
    wrong_call(name, sprintf("%s: a line must be \"name: value\" (%s)", file, conditionMessage(e)))
  })
  keys <- gsub("[_.]", "-", sub("\\s*:.*", "", lines[!grepl("^\\s", lines)]))
  if (anyDuplicated(keys)) {
    wrong_call(name, sprintf("%s: \"%s\" is there twice", file, keys[duplicated(keys)][1]))
  }
  stats::setNames(strsplit(values, "\n", fixed = TRUE), keys)
}

# What is missing, too much or does not go together.
check_call <- function(given, command, name) {
  needed <- names(command$options)[vapply(command$options, `[[`, NA, "needed")]
  missing <- setdiff(needed, names(given$options))
  if (length(missing)) wrong_call(name, sprintf("--%s is missing", missing[1]))
  count <- length(given$inputs)
  if (count < command$fewest) wrong_call(name, sprintf("%s is missing", command$inputs))
  if (count > command$most) {
    wrong_call(name, sprintf("%d inputs where one is taken: %s", count,
                             paste(given$inputs, collapse = ", ")))
  }
  if (isTRUE(given$options$quiet) && isTRUE(given$options$verbose)) {
    wrong_call(name, "--quiet and --verbose exclude each other")
  }
  check_files(given, command, name)
  problem <- command$check(given$options, given$inputs)
  if (!is.null(problem)) wrong_call(name, problem)
}

# Before anything is read: outputs of no known kind, or that are there, or would replace what is
# read or each other, and "-" where it is no file. One that is really called so is "./-".
check_files <- function(given, command, name) {
  roles <- vapply(command$options[names(given$options)], `[[`, "", "file")
  check_dashes(given, given$options[roles %in% c("in", "out", "folder")], command, name)
  outputs <- Filter(function(value) value != "-", given$options[roles %in% c("out", "folder")])
  inputs <- stats::setNames(as.list(given$inputs), rep("", length(given$inputs)))
  read <- c(inputs, given$options[roles %in% c("in", "column")])
  for (i in seq_along(outputs)) {
    check_apart(outputs[i], c(lapply(read, places_read), lapply(outputs[seq_len(i - 1)], place_of)),
                name)
  }
  files <- outputs[names(outputs) %in% names(roles)[roles == "out"]]
  check_endings(files, given$options$format, command, name)
  if (!isTRUE(given$options$force)) check_new(files, name)
}

# outputs: paths by option. format: what --format says --out is.
check_endings <- function(outputs, format, command, name) {
  for (option in setdiff(names(outputs), if (!is.null(format)) "out")) {
    endings <- command$options[[option]]$endings
    if (is.null(endings) || ending_of(outputs[[option]]) %in% endings) next
    wrong_call(name, sprintf("--%s must end in %s, not \"%s\"", option,
                             paste0(".", endings, collapse = ", "), outputs[[option]]))
  }
}

# The name itself where there is none.
ending_of <- function(path) tolower(sub("^.*\\.", "", basename(path)))

# outputs: paths by option.
check_new <- function(outputs, name) {
  there <- Filter(function(path) file.exists(path) && !dir.exists(path), outputs)
  if (!length(there)) return(invisible())
  wrong_call(name, sprintf("--%s: \"%s\" is there; --force replaces it", names(there)[1],
                           there[[1]]))
}

# output: a list of one path by its option. others: places by option, "" for inputs.
check_apart <- function(output, others, name) {
  same <- vapply(others, function(places) place_of(output[[1]]) %in% places, NA)
  if (!any(same)) return(invisible())
  option <- names(others)[same][1]
  wrong_call(name, sprintf("--%s and %s are one file, \"%s\"", names(output),
                           if (nzchar(option)) paste0("--", option) else "an input", output[[1]]))
}

# values: of the options that are files.
check_dashes <- function(given, values, command, name) {
  if ("-" %in% given$inputs) wrong_call(name, "stdin is not read: \"-\" is no input")
  dashes <- names(values)[vapply(values, function(value) "-" %in% value, NA)]
  if (!length(dashes)) return(invisible())
  if (dashes[1] != "out") wrong_call(name, sprintf("--%s cannot be \"-\"", dashes[1]))
  if (!length(command$to_stdout)) {
    wrong_call(name, "--out must be a file: a model is not written to stdout")
  }
  format <- given$options$format
  if (!is.null(format) && !format %in% command$to_stdout) {
    wrong_call(name, sprintf("--out must be a file for --format %s: \"-\" takes %s", format,
                             paste(command$to_stdout, collapse = ", ")))
  }
}

# Paths by which files are told apart, be they there or not.
place_of <- function(paths) {
  whole <- file.path(normalizePath(dirname(paths), mustWork = FALSE), basename(paths))
  ifelse(file.exists(paths), normalizePath(paths, mustWork = FALSE), whole)
}

# With the files of Cell Ranger's folders.
places_read <- function(paths) {
  inside <- list.files(paths[dir.exists(paths)],
                       "(matrix|barcodes|features|genes)[.](mtx|tsv)([.]gz)?$", full.names = TRUE)
  place_of(c(paths, inside))
}
