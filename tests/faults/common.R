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

# Those that use what is inside canalR.
helpers <- new.env(parent = asNamespace("canalR"))
for (name in c("10x", "counts", "exports", "h5ad")) {
  sys.source(sprintf("tests/testthat/helper-%s.R", name), helpers)
}

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

# That every exported function is among the cases, whose names begin with theirs, or among those
# without one. A row of the table: what it says is for a table of so many columns.
check_all_exported <- function(cases, without, columns) {
  if (length(commandArgs(trailingOnly = TRUE)) > 1) return(invisible())
  exported <- grep("^plot[.]", helpers$names_to_call(), invert = TRUE, value = TRUE)
  named <- c(sub("[(].*", "", cases), without)
  odd <- c(sprintf("%s has no case", setdiff(exported, named)),
           sprintf("%s is not exported", setdiff(named, exported)),
           sprintf("%s has a case", intersect(sub("[(].*", "", cases), without)))
  add_row(if (length(odd)) "failed" else "passed",
          c("all that are exported", rep("", columns - 2), paste(odd, collapse = "; ")))
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

# The whole state in a training's file, whatever the training.
state_in <- function(path) {
  if (length(path) != 1) stop(sprintf("%d states, not one", length(path)))
  identity <- inside("cpp_read_tree")(path, "/format", "raw")$identity
  inside("read_checkpoint")(path, identity)
}

file_bytes <- function(path) readBin(path, "raw", file.size(path))

# NumPy's format, version 1.
write_npy <- function(table, path) {
  text <- sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", nrow(table),
                  ncol(table))
  text <- paste0(formatC(text, width = -117), "\n")
  connection <- base::file(path, "wb")
  writeBin(c(as.raw(0x93), charToRaw("NUMPY"), as.raw(c(1, 0))), connection)
  writeBin(nchar(text), connection, size = 2, endian = "little")
  writeBin(charToRaw(text), connection)
  writeBin(as.vector(t(table)), connection, size = 4, endian = "little")
  close(connection)
}

# word2vec's text, but for its first line.
word2vec_lines <- function(genes, table) paste(genes, apply(table, 1, paste, collapse = " "))

new_folder <- function(name) {
  folder <- tempfile(paste0(name, "-"))
  dir.create(folder)
  folder
}
