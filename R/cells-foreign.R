# Matrices of other packages (genes x cells) whose values may lie on disk: DelayedMatrix and all
# that is one (HDF5Array, TENxMatrix), and BPCells' IterableMatrix. Alone they are treated as any
# matrix; cell-source.R reads them block by block, wherever they are.

# The generics are in cells.R, where the linter does not look for them.
# nolint start: object_name_linter.

#' @exportS3Method
cells_of.DelayedMatrix <- function(x, assay.type = "counts") cells_result(sparse_counts(x), NULL)

#' @exportS3Method
cells_of.IterableMatrix <- function(x, assay.type = "counts") cells_result(sparse_counts(x), NULL)

#' @exportS3Method
cell_parts.DelayedMatrix <- function(x, assay.type) one_part(x)

#' @exportS3Method
cell_parts.IterableMatrix <- function(x, assay.type) one_part(x)

#' @exportS3Method
cell_names.DelayedMatrix <- function(x) colnames(x)

#' @exportS3Method
cell_names.IterableMatrix <- function(x) colnames(x)

#' @exportS3Method
cell_columns.DelayedMatrix <- function(x) NULL

#' @exportS3Method
cell_columns.IterableMatrix <- function(x) NULL

#' @exportS3Method
with_cell_results.DelayedMatrix <- function(x, findings) {
  table_of_results(colnames(x), ncol(x), findings)
}

#' @exportS3Method
with_cell_results.IterableMatrix <- function(x, findings) {
  table_of_results(colnames(x), ncol(x), findings)
}
# nolint end
