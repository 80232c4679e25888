# Conditions: every error canalR raises names the argument, what was expected, what came, and what
# to do about it. Classes: `canalR_error_<kind>`, `canalR_error`; warnings and messages likewise.

canal_abort <- function(kind, argument, expected, got, hint = NULL, call = public_call()) {
  stop(canal_condition("error", kind, problem_text(argument, expected, got, hint), call))
}

canal_warn <- function(kind, argument, expected, got, hint = NULL, call = public_call()) {
  warning(canal_condition("warning", kind, problem_text(argument, expected, got, hint), call))
}

# Says something worth knowing that is no problem; `verbose = FALSE` silences it.
canal_inform <- function(kind, text, verbose = TRUE) {
  if (verbose) message(canal_condition("message", kind, paste0(text, "\n"), NULL))
}

# Runs code that has no `verbose` of its own: its messages are silenced where that is FALSE.
told <- function(code, verbose) {
  withCallingHandlers(code, canalR_message = function(said) {
    if (!verbose) invokeRestart("muffleMessage")
  })
}

# The call that people know: of the innermost function on the way here that they can call.
public_call <- function() {
  public <- public_functions()
  for (frame in rev(seq_len(sys.nframe()))) {
    called <- sys.function(frame)
    for (name in names(public)) {
      if (identical(called, public[[name]])) return(short_call(name, sys.call(frame)))
    }
  }
  NULL
}

# Exports, and methods of generics that are other packages'.
public_functions <- function() {
  space <- environment(public_functions)
  table <- getNamespaceInfo(space, "S3methods")
  # A list, where somebody has registered a method in the session.
  generics <- unlist(table[, 1])
  ours <- vapply(generics, exists, NA, envir = space, mode = "function", inherits = FALSE)
  methods <- paste(generics, unlist(table[, 2]), sep = ".")
  found <- mget(c(getNamespaceExports(space), methods[!ours]), space, mode = "function",
                ifnotfound = list(NULL))
  found[!vapply(found, is.null, NA)]
}

# A call by the name of the function: where objects themselves stand in it, as do.call() puts them
# there, their class.
short_call <- function(name, call) {
  plain <- function(part) is.symbol(part) || is.call(part) || (is.atomic(part) && length(part) < 20)
  arguments <- lapply(as.list(call)[-1], function(part) {
    if (plain(part)) part else as.name(sprintf("<%s>", class(part)[1]))
  })
  as.call(c(as.name(name), arguments))
}

problem_text <- function(argument, expected, got, hint) {
  text <- sprintf("`%s`: expected %s; got %s.", argument, expected, got)
  if (is.null(hint)) text else paste0(text, "\n", hint)
}

canal_condition <- function(type, kind, text, call) {
  structure(
    class = c(paste0("canalR_", type, "_", kind), paste0("canalR_", type), type, "condition"),
    list(message = shown_text(text), call = call)
  )
}

# Bytes that are no text, of a path or a label, as <ff>: much of R stops at a message that has them.
shown_text <- function(text) {
  if (all(validEnc(text))) text else iconv(text, "UTF-8", "UTF-8", sub = "byte")
}

# Called by glue when the engine has thrown: the engine's text is already complete.
engine_error <- function(kind, text) {
  stop(canal_condition("error", kind, text, NULL))
}

# What R says where it has no memory; it has no class for that.
memory_texts <- c(
  "cannot allocate vector of size %0.1f Gb", "cannot allocate vector of size %0.1f Mb",
  "cannot allocate vector of size %0.f Kb", "cannot allocate vector of length %lld",
  "memory exhausted (limit reached?)", "cons memory exhausted (limit reached?)",
  "vector memory exhausted (limit reached?)",
  "vector memory limit of %0.1f Gb reached, see mem.maxVSize()",
  "could not allocate memory (%u Mb) in C function 'R_AllocStringBuffer'",
  "'R_Calloc' could not allocate memory (%.0f of %u bytes)",
  "'R_Realloc' could not re-allocate memory (%.0f bytes)"
)

# In the session's language.
tells_of_memory <- function(text) {
  forms <- gsub("%[0-9.]*(f|lld|u)", "\\\\E.*\\\\Q", gettext(memory_texts, domain = "R"))
  any(vapply(paste0("\\Q", forms, "\\E"), grepl, NA, text, perl = TRUE))
}

# For handlers that say what a failure means: want of memory means only itself, whatever was tried.
pass_on_memory <- function(error) {
  if (inherits(error, "canalR_error_memory")) stop(error)
  text <- conditionMessage(error)
  if (tells_of_memory(text)) {
    stop(canal_condition("error", "memory", sprintf("Not enough memory: %s.", text), NULL))
  }
}

# Errors of the engine know the file, not the argument that named it; here the one is put to the
# other. expected: "a model that canal_save() wrote".
about_argument <- function(argument, expected, code, call = public_call()) {
  tryCatch(code, canalR_error = function(error) {
    pass_on_memory(error)
    if (startsWith(conditionMessage(error), "`")) stop(error)
    error$message <- sprintf("`%s`: expected %s. %s", argument, expected, conditionMessage(error))
    error$call <- call
    stop(error)
  })
}

# "a, b, c, ... (12 in all)": examples for a message.
some_of <- function(values, most = 3) {
  shown <- paste(utils::head(values, most), collapse = ", ")
  if (length(values) > most) sprintf("%s, ... (%d in all)", shown, length(values)) else shown
}
