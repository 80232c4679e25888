# What prepare.R and scale.R share. Both run each contender in an R process of its own, by calling
# themselves.

# Options `--name value` over the defaults, which also tell whether a number is meant.
read_options <- function(arguments, defaults) {
  stopifnot("options come as --name value" = length(arguments) %% 2 == 0)
  for (at in seq_len(length(arguments) / 2)) {
    name <- sub("^--", "", arguments[2 * at - 1])
    if (!name %in% names(defaults)) stop("there is no option --", name)
    value <- arguments[2 * at]
    defaults[[name]] <- if (is.numeric(defaults[[name]])) as.numeric(value) else value
  }
  defaults
}

# MiB of a line of /proc/self/status; NA where there is no such file.
status_of <- function(name) {
  if (!file.exists("/proc/self/status")) return(NA_real_)
  line <- grep(paste0("^", name, ":"), readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

# The numbers that this script's child has printed behind "result".
result_of_child <- function(arguments) {
  rscript <- file.path(R.home("bin"), "Rscript")
  output <- system2(rscript, shQuote(c(script_path(), arguments)), stdout = TRUE)
  if (!is.null(attr(output, "status"))) stop("failed: ", paste(arguments, collapse = " "))
  as.numeric(strsplit(grep("^result", output, value = TRUE), " ")[[1]][-1])
}
