# Checks of plain arguments. Each returns its value invisibly or raises `canalR_error_argument`.

check_number <- function(value, argument, from = -Inf, to = Inf, whole = FALSE) {
  if (!is_number(value) || !in_range(value, from, to, whole)) {
    kind <- if (whole) "one whole number" else "one number"
    canal_abort("argument", argument, sprintf("%s from %s to %s", kind, from, to),
                describe_value(value))
  }
  invisible(value)
}

is_number <- function(value) is.numeric(value) && length(value) == 1L && !is.na(value)

in_range <- function(value, from, to, whole) {
  value >= from && value <= to && (!whole || value == round(value))
}

check_flag <- function(value, argument) {
  if (!is.logical(value) || length(value) != 1L || is.na(value)) {
    canal_abort("argument", argument, "TRUE or FALSE", describe_value(value))
  }
  invisible(value)
}

check_choice <- function(value, choices, argument) {
  if (!is.character(value) || length(value) != 1L || !value %in% choices) {
    canal_abort("argument", argument, paste("one of", paste0("\"", choices, "\"", collapse = ", ")),
                describe_value(value))
  }
  invisible(value)
}

# Of an argument without a default.
check_given <- function(value, argument, expected) {
  if (missing(value)) canal_abort("argument", argument, expected, "nothing")
}

check_model <- function(model, argument = "model") {
  check_given(model, argument, "a CanalModel")
  if (!is(model, "CanalModel")) {
    canal_abort("argument", argument, "a CanalModel", describe_value(model),
                "Make one with canal_model(), canal_import() or canal_load().")
  }
  invisible(model)
}

describe_value <- function(value) {
  if (is.null(value)) return("NULL")
  if (!is.atomic(value) || length(value) != 1L) {
    return(sprintf("an object of class %s and length %d", class(value)[1], length(value)))
  }
  if (is.character(value) && !is.na(value)) describe_name(value) else format(value)
}

# 0 lets the engine take every core.
thread_count <- function(num_threads) {
  if (is.null(num_threads)) return(0L)
  check_number(num_threads, "num_threads", from = 1, to = 4096, whole = TRUE)
  as.integer(num_threads)
}

check_device <- function(device) {
  check_choice(device, c("cpu", "cuda"), "device")
  if (device == "cuda" && !cpp_runtime_info()$cuda) {
    canal_abort("device", "device", "\"cpu\"", "\"cuda\"",
                "The LibTorch that canalR was built with has no CUDA device here.")
  }
  device
}
