# Plain matrices (genes x cells), every class of the Matrix package, and tables of results.

# The generics are in cells.R, where the linter does not look for them.
# nolint start: object_name_linter.

#' @exportS3Method
cells_of.matrix <- function(x, assay.type = "counts") cells_result(sparse_counts(x), NULL)

#' @exportS3Method
cells_of.Matrix <- function(x, assay.type = "counts") cells_result(sparse_counts(x), NULL)

#' @exportS3Method
cell_names.matrix <- function(x) colnames(x)

#' @exportS3Method
cell_names.Matrix <- function(x) colnames(x)

#' @exportS3Method
cell_columns.matrix <- function(x) NULL

#' @exportS3Method
cell_columns.Matrix <- function(x) NULL

#' @exportS3Method
with_cell_results.matrix <- function(x, results, embedding = NULL, record = NULL,
                                     name = "CANAL") {
  table_of_results(colnames(x), ncol(x), results, embedding, record)
}

#' @exportS3Method
with_cell_results.Matrix <- function(x, results, embedding = NULL, record = NULL,
                                     name = "CANAL") {
  table_of_results(colnames(x), ncol(x), results, embedding, record)
}

# Any matrix of numbers as a dgCMatrix; sparse ones on a way without a dense copy.
sparse_counts <- function(x) {
  if (methods::is(x, "dgCMatrix")) return(x)
  if (methods::is(x, "Matrix")) {
    # Through "generalMatrix": a symmetric or triangular matrix stores only a part of its values.
    return(methods::as(methods::as(methods::as(x, "dMatrix"), "generalMatrix"), "CsparseMatrix"))
  }
  if (!is.matrix(x)) return(sparse_foreign(x))
  if (!is.numeric(x) && !is.logical(x)) {
    canal_abort("class", "x", "a matrix of numbers", sprintf("one of type %s", typeof(x)))
  }
  sparse_counts(methods::as(x, "CsparseMatrix"))
}

# Matrices of other packages (DelayedArray, HDF5Array, BPCells) know how to become a dgCMatrix.
sparse_foreign <- function(x) {
  tryCatch(
    methods::as(x, "dgCMatrix"),
    error = function(e) {
      canal_abort("class", "x", "counts that can become a sparse matrix (dgCMatrix)",
                  paste("an object of class", class(x)[1]), conditionMessage(e))
    }
  )
}

# What comes back where `x` has no place for results: a DataFrame with a row per cell.
table_of_results <- function(cells, n_cells, results, embedding, record) {
  check_results(results, embedding, n_cells)
  table <- S4Vectors::make_zero_col_DFrame(n_cells)
  rownames(table) <- cells
  put_in_table(table, results, embedding, record)
}

put_in_table <- function(table, results, embedding, record) {
  for (column in names(results)) table[[column]] <- results[[column]]
  if (!is.null(embedding)) {
    rownames(embedding) <- rownames(table)
    table[["embedding"]] <- embedding
  }
  S4Vectors::metadata(table)$canal <- merged_record(cell_record(table), record, results)
  table
}

# A DataFrame is a prediction that came back: it can be evaluated, but holds no counts.
#' @exportS3Method
cell_names.DataFrame <- function(x) rownames(x)

#' @exportS3Method
cell_columns.DataFrame <- function(x) x

#' @exportS3Method
cell_record.DataFrame <- function(x) as.list(S4Vectors::metadata(x)$canal)

#' @exportS3Method
with_cell_results.DataFrame <- function(x, results, embedding = NULL, record = NULL,
                                        name = "CANAL") {
  check_results(results, embedding, nrow(x))
  put_in_table(x, results, embedding, record)
}
# nolint end
