# What the fault tests share: quick or whole, small data, and the record of what happened.
#
# Every file beside this one is run by tools/faults.sh in a process of its own:
#   Rscript tests/faults/<part>.R <folder of the results> [name of a writer or function ...]
# It writes <part>.txt there, "passed failed skipped", and <part>.md, its table.

suppressMessages(library(canalR))

results_folder <- commandArgs(trailingOnly = TRUE)[1]
quick <- nzchar(Sys.getenv("FAULTS_QUICK"))

# How many times something is tried: of the whole run, or of the quick one.
times <- function(whole, short) if (quick) short else whole

# Those of the names that the command has after the folder; all, where it has none.
chosen <- function(names) {
  wanted <- commandArgs(trailingOnly = TRUE)[-1]
  if (length(wanted)) wanted else names
}

inside <- function(name) get(name, asNamespace("canalR"))

source("tests/testthat/helper-binding.R")

# What is tried, and what came out of it -----------------------------------------------------------

record <- new.env()
record$outcomes <- character()
record$rows <- list()

# outcome: "passed", "failed" or "skipped". cells: what the table says before it.
add_row <- function(outcome, cells) {
  row <- c(cells, outcome)
  record$outcomes <- c(record$outcomes, outcome)
  record$rows <- c(record$rows, list(row))
  cat(paste(row, collapse = " | "), "\n")
}

# Writes the table and the sums, the sums last: without them the part counts as crashed.
write_results <- function(part, title, columns, notes = character()) {
  line <- function(cells) paste0("| ", paste(cells, collapse = " | "), " |")
  header <- c(columns, "outcome")
  text <- c(paste("##", title), "", line(header), line(rep("---", length(header))),
            vapply(record$rows, line, ""), "", notes, "")
  writeLines(text, file.path(results_folder, paste0(part, ".md")))
  counts <- table(factor(record$outcomes, c("passed", "failed", "skipped")))
  writeLines(paste(counts, collapse = " "), file.path(results_folder, paste0(part, ".txt")))
}

# Data and models ----------------------------------------------------------------------------------

fault_seed <- 20250101

panc_file <- system.file("extdata", "panc8_small.h5ad", package = "canalR")

# Counts of the 200 genes with the highest totals, types and batches.
panc <- local({
  cells <- inside("cells_of")(panc_file, "counts")
  highest <- sort(utils::head(order(-Matrix::rowSums(cells$counts)), 200))
  list(counts = cells$counts[highest, ], types = as.character(cells$obs$celltype),
       batch = as.character(cells$obs$batch))
})

small_config <- function(...) {
  settings <- list(n_genes = 40, dim = 8, depth = 2, heads = 2, head_width = 4, features = 8,
                   warm_up = 0, epochs = 3, new_genes = 0)
  do.call(canal_config, c("compact", utils::modifyList(settings, list(...))))
}

small_model <- function(..., seed = 1) {
  canal_model(small_config(...), rownames(panc$counts), seed = seed)
}

trained_model <- function(epochs = 2, seed = 1) {
  some <- seq_len(ncol(panc$counts)) %% 4 == 0
  quietly(canal_train(panc$counts[, some], panc$types[some], small_model(), epochs = epochs,
                      seed = seed, verbose = FALSE))
}

cellular_small <- function(seed = 1, ...) {
  some <- seq_len(ncol(panc$counts)) %% 3 == 0
  quietly(cellular_train(panc$counts[, some], panc$types[some], panc$batch[some], latent_dim = 8,
                         n_genes = 60, epochs = 2, batch_size = 32, seed = seed, verbose = FALSE,
                         ...))
}

quietly <- function(code) suppressMessages(suppressWarnings(code))

# All that a model is but its cache.
plain_model <- function(model) {
  slots <- setdiff(methods::slotNames(model), "cache")
  stats::setNames(lapply(slots, methods::slot, object = model), slots)
}

# What files of models hold.
loaded <- function(path) plain_model(canal_load(path))
imported <- function(path) {
  model <- plain_model(canal_import(path, verbose = FALSE))
  model$provenance <- NULL  # when it was read
  model
}

file_bytes <- function(path) readBin(path, "raw", file.size(path))

new_folder <- function(name) {
  folder <- tempfile(paste0(name, "-"))
  dir.create(folder)
  folder
}
