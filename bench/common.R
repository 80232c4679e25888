# What the benchmarks share: options, the machine, time and memory. Sourced by the scripts beside it;
# as lintr does not see that, .lintr leaves out its check of names for this folder.

suppressPackageStartupMessages(library(canalR))

# ---- Options -------------------------------------------------------------------------------------

# `--name value` on the command line, or `--name` alone where the default is FALSE. A default that
# is a number wants a number.
parse_options <- function(defaults, given = commandArgs(trailingOnly = TRUE)) {
  options <- defaults
  at <- 1
  while (at <= length(given)) {
    name <- option_name(given[at], names(defaults))
    flag <- is.logical(defaults[[name]])
    options[[name]] <- if (flag) TRUE else option_value(given[at + 1], name, defaults[[name]])
    at <- at + if (flag) 1 else 2
  }
  options
}

option_name <- function(word, known) {
  name <- sub("^--", "", word)
  if (!startsWith(word, "--") || !name %in% known) {
    stop(sprintf("There is no option \"%s\"; there are: %s.", word,
                 paste0("--", known, collapse = ", ")), call. = FALSE)
  }
  name
}

option_value <- function(word, name, default) {
  if (is.na(word)) stop(sprintf("--%s: expected a value.", name), call. = FALSE)
  if (!is.numeric(default)) return(word)
  value <- suppressWarnings(as.numeric(word))
  if (is.na(value) || value < 1 || value != round(value)) {
    stop(sprintf("--%s: expected a whole number from 1; got \"%s\".", name, word), call. = FALSE)
  }
  value
}

# What every measurement of the network takes.
network_options <- function(cells, ...) {
  parse_options(list(tokens = 1001, cells = cells, threads = canalR:::cpp_runtime_info()$cores,
                     precision = "auto", ...))
}

# ---- The machine ---------------------------------------------------------------------------------

cpu_model <- function() {
  if (file.exists("/proc/cpuinfo")) {
    lines <- grep("^model name", readLines("/proc/cpuinfo"), value = TRUE)
    if (length(lines)) return(sub("^[^:]*: *", "", lines[1]))
  }
  if (Sys.info()[["sysname"]] == "Darwin") {
    return(system2("sysctl", c("-n", "machdep.cpu.brand_string"), stdout = TRUE))
  }
  R.version$arch
}

# Numbers mean little without these.
machine_text <- function() {
  info <- canalR:::cpp_runtime_info()
  sprintf("%s, %d cores, kernels %s; R %s, LibTorch %s, BLAS %s; OMP_WAIT_POLICY=%s",
          cpu_model(), info$cores, paste(info$kernels, collapse = ", "), getRversion(),
          info$libtorch, info$blas, Sys.getenv("OMP_WAIT_POLICY", "not set"))
}

# What the engine takes for a precision.
kernels <- function(precision) {
  paste(canalR:::cpp_kernels(canalR:::compute_on("cpu", precision)), collapse = ", ")
}

# The most memory this process ever held, in MiB; NA where the system does not tell.
peak_memory <- function() {
  if (!file.exists("/proc/self/status")) return(NA_real_)
  line <- grep("^VmHWM:", readLines("/proc/self/status"), value = TRUE)
  if (length(line)) as.numeric(gsub("[^0-9]", "", line)) / 1024 else NA_real_
}

# ---- Time ----------------------------------------------------------------------------------------

seconds_of <- function(code) {
  start <- proc.time()[["elapsed"]]
  force(code)
  proc.time()[["elapsed"]] - start
}

# A call to warm up, then the median of the repeats. work: a function.
median_seconds <- function(work, repeats) {
  work()
  stats::median(vapply(seq_len(repeats), function(i) seconds_of(work()), numeric(1)))
}

# The end of every report; others read its last line.
tell_result <- function(seconds_per_cell) {
  cat(sprintf("Peak memory: %.0f MiB\n", peak_memory()))
  cat("seconds_per_cell", format(seconds_per_cell, digits = 6), "\n")
}

# ---- Networks and cells --------------------------------------------------------------------------

# The published network at full size with a head of random weights. The public way to a head is to
# train a stage, which takes hours at 16,907 tokens and changes nothing of the speed; so the same
# internal functions are called that canal_train() calls.
random_classifier <- function(tokens, types) {
  genes <- paste0("GENE", seq_len(tokens - 1))
  model <- canal_model(canal_config("scbert"), genes, seed = 1)
  weights <- canalR:::cpp_add_head(model@weights, model@config$fc1, model@config$fc2,
                                   length(types), TRUE, 2)
  model <- canalR:::with_weights(model, weights)
  model@labels <- types
  methods::validObject(model)
  model
}

# One like it out of a file, as a user would have it.
saved_classifier <- function(tokens) {
  file <- tempfile(fileext = ".h5")
  on.exit(unlink(file))
  status <- system2(file.path(R.home("bin"), "Rscript"),
                    shQuote(c(file.path(here, "make_model.R"), "--tokens", tokens, "--file", file)))
  if (status != 0) stop("No model was made.", call. = FALSE)
  canal_load(file)
}

# As canal_prepare() returns them: 1 to 5 for about 15 % of the genes, 0 for the others.
random_tokens <- function(cells, model) {
  genes <- model@genes
  size <- cells * length(genes)
  values <- sample.int(model@config$n_bins, size, replace = TRUE) * (stats::runif(size) < 0.15)
  names <- paste0("cell", seq_len(cells))
  methods::new("CanalTokens",
    tokens = matrix(as.raw(values), length(genes), cells, dimnames = list(genes, names)),
    genes = genes, n_bins = model@config$n_bins, target_sum = model@config$target_sum,
    min_genes = 0, overlap = list(measured = length(genes), vocabulary = length(genes),
                                  missing = character()),
    dropped = data.frame(cell = character(), detected = integer(), reason = character()),
    all_cells = names)
}
