# How fast and in how little memory canal_prepare() prepares cells, beside scuttle with scran and
# Seurat doing the like: normalise, take logarithms, choose variable genes. From the clone, with
# canalR installed:
#
#   Rscript bench/prepare.R [--cells 100000] [--genes 20000] [--filled 0.05] [--threads 2]
#                           [--repeat 3] [--chosen 1000] [--peers scuttle,seurat]
#
# Every contender runs in an R process of its own on the same counts, so that peaks of memory are
# its own. Of the peers, only scuttle takes threads; it was faster without, so `scuttle` has one
# and `scuttle-threads`, to be named in --peers, has them all. "added" is the peak of the process
# less what R and the packages took before the counts came, so the counts are part of it. The last
# line is `seconds X`, canalR's median.

options(warn = 1)
script_path <- function() sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])
source(file.path(dirname(script_path()), "prepare-common.R"))

defaults <- list(cells = 1e5, genes = 2e4, filled = 0.05, threads = 2, `repeat` = 3, chosen = 1000,
                 peers = "scuttle,seurat", contender = "", counts = "")

# ---- Counts --------------------------------------------------------------------------------------

# Genes x cells. Genes differ a thousandfold in their means, cells about threefold in their depth.
# Which genes a cell has is drawn at evenly spread places of the genes' cumulated weights, so they
# come in order; a gene that is met twice counts once.
random_counts <- function(n_genes, n_cells, filled, seed = 1) {
  set.seed(seed)
  level <- rlnorm(n_genes, 0, 1.5)
  weight <- 1 - exp(-level)
  gene_at <- findInterval(seq(0, sum(weight), length.out = 2^20 + 1)[-1], cumsum(weight),
                          left.open = TRUE)
  depth <- rlnorm(n_cells, 0, 0.4)
  depth <- depth / mean(depth)
  noise <- rexp(1e6 + 3)
  drawn <- pmax(1, round(filled * n_genes * depth))
  blocks <- split(seq_len(n_cells), (seq_len(n_cells) - 1) %/% 2000)
  pieces <- lapply(blocks, function(cells) {
    cells_of_block(drawn[cells], depth[cells], gene_at, level, noise, n_genes)
  })
  join_pieces(pieces, n_genes, n_cells)
}

cells_of_block <- function(drawn, depth, gene_at, level, noise, n_genes) {
  cell <- rep.int(seq_along(drawn), drawn)
  place <- (sequence(drawn) - runif(length(cell))) / rep.int(drawn, drawn)
  gene <- pmin(gene_at[ceiling(place * length(gene_at))], as.integer(n_genes) - 1L)
  first <- !duplicated_in_row(gene, cell)
  gene <- gene[first]
  cell <- cell[first]
  spread <- noise[(seq_along(gene) + sum(drawn)) %% length(noise) + 1]
  list(n = tabulate(cell, length(drawn)), i = gene,
       x = 1 + floor(level[gene + 1] * depth[cell] * spread))
}

duplicated_in_row <- function(gene, cell) {
  c(FALSE, gene[-1] == gene[-length(gene)] & cell[-1] == cell[-length(cell)])
}

join_pieces <- function(pieces, n_genes, n_cells) {
  part <- function(name) unlist(lapply(pieces, `[[`, name), use.names = FALSE)
  methods::new("dgCMatrix", i = part("i"), p = as.integer(c(0, cumsum(part("n")))), x = part("x"),
               Dim = as.integer(c(n_genes, n_cells)),
               Dimnames = list(paste0("GENE", seq_len(n_genes)), paste0("cell", seq_len(n_cells))))
}

# ---- Contenders ----------------------------------------------------------------------------------

bioconductor <- c("SingleCellExperiment", "scuttle", "scran")

run_scuttle <- function(counts, options, workers) {
  cells <- SingleCellExperiment(list(counts = counts))
  cells <- logNormCounts(cells, BPPARAM = workers)
  getTopHVGs(modelGeneVar(cells, BPPARAM = workers), n = options$chosen)
}

contenders <- list(
  canalR = list(packages = c("Matrix", "canalR"), run = function(counts, options) {
    canal_prepare(counts, rownames(counts), n_genes = options$chosen,
                  num_threads = options$threads, verbose = FALSE)
  }),
  scuttle = list(packages = bioconductor, run = function(counts, options) {
    run_scuttle(counts, options, BiocParallel::SerialParam())
  }),
  "scuttle-threads" = list(packages = bioconductor, run = function(counts, options) {
    run_scuttle(counts, options, BiocParallel::MulticoreParam(options$threads))
  }),
  seurat = list(packages = "Seurat", run = function(counts, options) {
    cells <- NormalizeData(CreateSeuratObject(counts), verbose = FALSE)
    VariableFeatures(FindVariableFeatures(cells, nfeatures = options$chosen, verbose = FALSE))
  })
)

# What a child process does: reads the counts, runs its contender, prints seconds and megabytes.
run_contender <- function(options) {
  contender <- contenders[[options$contender]]
  for (package in contender$packages) {
    suppressPackageStartupMessages(library(package, character.only = TRUE))
  }
  before <- status_of("VmRSS")
  counts <- readRDS(options$counts)
  seconds <- vapply(seq_len(options$`repeat`), function(time) {
    unname(system.time(contender$run(counts, options))["elapsed"])
  }, 0)
  cat(sprintf("result %.6g %.6g\n", stats::median(seconds), status_of("VmHWM") - before))
}

in_child <- function(name, options, file) {
  # Seconds of the peers are so many that one run tells.
  times <- if (name == "canalR") options$`repeat` else 1
  result_of_child(c("--contender", name, "--counts", file, "--repeat", times,
                    "--threads", options$threads, "--chosen", options$chosen))
}

missing_package <- function(name) {
  packages <- contenders[[name]]$packages
  packages[!vapply(packages, requireNamespace, NA, quietly = TRUE)]
}

main <- function(options) {
  peers <- strsplit(options$peers, ",")[[1]]
  unknown <- setdiff(peers, names(contenders))
  if (length(unknown)) stop("there is no peer ", paste(unknown, collapse = ", "))
  suppressPackageStartupMessages(library(Matrix))
  counts <- random_counts(options$genes, options$cells, options$filled)
  size <- as.numeric(utils::object.size(counts)) / 2^20
  cat(sprintf("%d genes x %d cells, %.2f %% filled, %.0f MiB\n", nrow(counts), ncol(counts),
              100 * length(counts@x) / prod(dim(counts)), size))
  file <- tempfile(fileext = ".rds")
  on.exit(unlink(file))
  saveRDS(counts, file, compress = FALSE)
  rm(counts)
  gc(FALSE)
  cat(sprintf("%-15s %9s %8s %12s %8s\n", "", "seconds", "ratio", "added MiB", "x input"))
  own <- NULL
  for (name in c("canalR", peers)) {
    absent <- missing_package(name)
    if (length(absent)) {
      cat(sprintf("%-15s not installed: %s\n", name, paste(absent, collapse = ", ")))
      next
    }
    result <- in_child(name, options, file)
    if (is.null(own)) own <- result[1]
    cat(sprintf("%-15s %9.2f %8.1f %12.0f %8.2f\n", name, result[1], result[1] / own, result[2],
                result[2] / size))
  }
  cat(sprintf("seconds %.4g\n", own))
}

options <- read_options(commandArgs(TRUE), defaults)
if (nzchar(options$contender)) run_contender(options) else main(options)
