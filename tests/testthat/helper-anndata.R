# Files that Python wrote: AnnData's (fixtures/anndata/make-anndata.py), Cell Ranger's
# (fixtures/tenx/make-tenx.py).

unpacked <- function(folder, name) {
  connection <- gzfile(testthat::test_path("fixtures", folder, paste0(name, ".gz")), "rb")
  on.exit(close(connection))
  path <- tempfile(fileext = sub(".*[.]", ".", name))
  writeBin(readBin(connection, "raw", 1e6), path)
  path
}

anndata_file <- function(name) unpacked("anndata", paste0(name, ".h5ad"))

tenx_file <- function(name) unpacked("tenx", paste0(name, ".h5"))

# What both scripts fill a matrix with, as genes x cells; the third cell is empty.
written_values <- function(n_genes, n_cells, plus, genes, cells) {
  counts <- outer(seq_len(n_genes) - 1, seq_len(n_cells) - 1,
                  function(gene, cell) (5 * cell + 3 * gene) %% 7 - 3)
  counts[counts < 0] <- 0
  counts[, 3] <- 0
  counts <- ifelse(counts > 0, counts + plus, 0)
  dimnames(counts) <- list(genes, cells)
  counts
}

anndata_values <- function(n_genes = 5, plus = 0, genes = "GENE") {
  written_values(n_genes, 6, plus, paste0(genes, seq_len(n_genes)), paste0("cell", 1:6))
}

tenx_values <- function(genes, n_cells = 6, plus = 0, suffix = "-1") {
  cells <- paste0(c("AAAAA", "CCCCA", "GGGGA", "TTTTA", "AAAAC", "CCCCC"), suffix)
  written_values(length(genes), n_cells, plus, genes, cells[seq_len(n_cells)])
}
