# Small counts for tests, and the embedded real ones.

toy_counts <- function(n_genes = 60, n_cells = 40, seed = 1) {
  set.seed(seed)
  level <- rep(stats::rexp(n_genes, 0.2), n_cells)
  values <- stats::rnbinom(n_genes * n_cells, mu = level, size = 0.7)
  matrix(values, n_genes,
         dimnames = list(paste0("GENE", seq_len(n_genes)), paste0("cell", seq_len(n_cells))))
}

sparse <- function(counts) {
  dense <- Matrix::Matrix(counts * 1, sparse = TRUE, doDiag = FALSE)
  result <- methods::as(methods::as(dense, "generalMatrix"), "CsparseMatrix")
  dimnames(result) <- dimnames(counts)
  result
}

# Counts and technology of the embedded pancreas cells, genes x cells.
pancreas <- function() {
  path <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
  if (!nzchar(path)) testthat::skip("the embedded cells are not installed")
  file <- cpp_read_tree(path, "/", "numeric")
  n_cells <- length(file$X$indptr) - 1
  counts <- Matrix::sparseMatrix(
    i = file$X$indices, p = file$X$indptr, x = as.vector(file$X$data), index1 = FALSE,
    dims = c(length(file$var$gene), n_cells),
    dimnames = list(as.vector(file$var$gene), as.vector(file$obs$cell))
  )
  batch <- file$obs$batch
  list(counts = counts, batch = as.vector(batch$categories)[as.integer(batch$codes) + 1])
}

# Every cell scaled to `total` and put through `logarithm`.
log_normalised <- function(counts, total = 1e4, logarithm = log1p) {
  sums <- Matrix::colSums(counts)
  sums[sums == 0] <- 1
  counts@x <- logarithm(counts@x * rep(total / sums, diff(counts@p)))
  counts
}

# With an assay of the class that Seurat's versions 3 and 4 make by default. Version 4 warns that it
# completes the assay's key.
older_seurat <- function(counts) {
  suppressWarnings(SeuratObject::CreateSeuratObject(SeuratObject::CreateAssayObject(counts)))
}
