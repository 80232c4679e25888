# Conditions: every error canalR raises names the argument, what was expected, what came, and what
# to do about it. Classes: `canalR_error_<kind>`, `canalR_error`; warnings and messages likewise.

canal_abort <- function(kind, argument, expected, got, hint = NULL, call = sys.call(-1)) {
  stop(canal_condition("error", kind, problem_text(argument, expected, got, hint), call))
}

canal_warn <- function(kind, argument, expected, got, hint = NULL, call = sys.call(-1)) {
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

problem_text <- function(argument, expected, got, hint) {
  text <- sprintf("`%s`: expected %s; got %s.", argument, expected, got)
  if (is.null(hint)) text else paste0(text, "\n", hint)
}

canal_condition <- function(type, kind, text, call) {
  structure(
    class = c(paste0("canalR_", type, "_", kind), paste0("canalR_", type), type, "condition"),
    list(message = text, call = call)
  )
}

# Called by glue when the engine has thrown: the engine's text is already complete.
engine_error <- function(kind, text) {
  stop(canal_condition("error", kind, text, NULL))
}

# Errors of the engine know the file, not the argument that named it; here the one is put to the
# other. expected: "a model that canal_save() wrote".
about_argument <- function(argument, expected, code, call = sys.call(-1)) {
  tryCatch(code, canalR_error = function(error) {
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
