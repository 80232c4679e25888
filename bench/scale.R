# Annotating an .h5ad file that need not fit into memory: cells per second from the file and from
# memory, and the peak of the process by number of cells. From the clone, with canalR and
# SingleCellExperiment installed:
#
#   Rscript bench/scale.R [--cells 1000000] [--genes 500] [--threads 2] [--file FILE.h5ad]
#                         [--memory 100000] [--verb predict] [--python /usr/bin/python3]
#
# The files are made by bench/make_h5ad.py, for which Python needs h5py: one of all cells, kept as
# --file or used again if it is there, and smaller ones. From memory `--memory` cells are annotated,
# a dgCMatrix. `--verb embed` takes canal_embed() instead. Every run has an R process of its own;
# "added" is its peak less what R and canalR took before. The last line is `seconds_per_cell X`,
# from the file of all cells.

options(warn = 1)
script_path <- function() sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])
source(file.path(dirname(script_path()), "prepare-common.R"))

defaults <- list(cells = 1e6, genes = 500, threads = 2, file = "", memory = 1e5, verb = "predict",
                 python = "/usr/bin/python3", run = "", counts = "", model = "")

whole <- function(number) format(number, scientific = FALSE, trim = TRUE)

# ---- A run, in a process of its own --------------------------------------------------------------

counts_of <- function(path) SummarizedExperiment::assay(canal_read_h5ad(path), "counts")

# The compact network, trained for an epoch on made-up types: its pace does not depend on them.
save_model <- function(options) {
  counts <- counts_of(options$counts)
  counts <- counts[, seq_len(min(400, ncol(counts)))]
  config <- canal_config("compact", n_genes = options$genes)
  model <- canal_model(config, rownames(counts), seed = 1)
  types <- paste0("type", rep_len(1:10, ncol(counts)))
  model <- canal_train(counts, types, model, epochs = 1, seed = 1, verbose = FALSE)
  saveRDS(model, options$model)
  cat("result\n")
}

annotate <- function(options) {
  model <- readRDS(options$model)
  before <- status_of("VmRSS")
  x <- if (options$run == "memory") counts_of(options$counts) else options$counts
  verb <- if (options$verb == "embed") canal_embed else canal_predict
  seconds <- system.time(
    result <- verb(x, model, num_threads = options$threads, verbose = FALSE)
  )["elapsed"]
  peak <- status_of("VmHWM")
  cat(sprintf("result %.6g %.6g %.6g %.6g\n", nrow(result), seconds, peak, peak - before))
}

# ---- All runs ------------------------------------------------------------------------------------

make_file <- function(path, cells, options) {
  maker <- file.path(dirname(script_path()), "make_h5ad.py")
  arguments <- c(maker, path, whole(cells), whole(options$genes))
  if (system2(options$python, shQuote(arguments)) != 0) stop("no file could be made")
}

in_child <- function(run, counts, model, options) {
  result_of_child(c("--run", run, "--counts", counts, "--model", model, "--genes",
                    whole(options$genes), "--threads", options$threads, "--verb", options$verb))
}

# The files by number of cells, made where they are not there; `file` is of all of them.
files_of_cells <- function(folder, options) {
  cells <- sort(unique(pmin(c(options$memory, 1e5, 3e5, options$cells), options$cells)))
  paths <- file.path(folder, paste0(whole(cells), ".h5ad"))
  if (nzchar(options$file)) paths[length(paths)] <- options$file
  for (at in seq_along(cells)) {
    if (!file.exists(paths[at])) make_file(paths[at], cells[at], options)
  }
  list(cells = cells, paths = paths)
}

tell <- function(name, result) {
  cat(sprintf("%-8s %9s %9.1f %9.0f %9.0f %9.0f\n", name, whole(result[1]), result[2],
              result[1] / result[2], result[3], result[4]))
}

main <- function(options) {
  folder <- tempfile("scale")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  model <- file.path(folder, "model.rds")
  files <- files_of_cells(folder, options)
  in_memory <- files$paths[match(min(options$memory, options$cells), files$cells)]
  in_child("model", in_memory, model, options)
  cat(sprintf("%-8s %9s %9s %9s %9s %9s\n", "", "cells", "seconds", "cells/s", "peak MiB",
              "added MiB"))
  memory <- in_child("memory", in_memory, model, options)
  tell("memory", memory)
  for (path in files$paths) {
    result <- in_child("file", path, model, options)
    tell("file", result)
  }
  cat(sprintf("pace from the file / from memory: %.3f\n",
              (result[1] / result[2]) / (memory[1] / memory[2])))
  cat(sprintf("seconds_per_cell %.4g\n", result[2] / result[1]))
}

options <- read_options(commandArgs(TRUE), defaults)
if (nzchar(options$run)) suppressPackageStartupMessages(library(canalR))
switch(options$run, model = save_model(options), file = , memory = annotate(options), main(options))
