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
with_cell_results.matrix <- function(x, findings) table_of_results(colnames(x), ncol(x), findings)

#' @exportS3Method
with_cell_results.Matrix <- function(x, findings) table_of_results(colnames(x), ncol(x), findings)

# Matrix takes longer to load than canalR, which does so only when counts come.
load_matrix <- function() invisible(loadNamespace("Matrix"))

# Runs what Matrix does in C to its end. Ctrl-C at a garbage collection would leave it by a jump,
# and what it holds beside R's own memory, as much as its result, would be lost. It is heard
# afterwards.
to_its_end <- function(code) suspendInterrupts(code)

# Any matrix of numbers as a dgCMatrix; sparse ones on a way without a dense copy.
sparse_counts <- function(x) {
  load_matrix()
  check_slots(x)
  if (methods::is(x, "dgCMatrix")) return(x)
  if (methods::is(x, "Matrix")) {
    # Through "generalMatrix": a symmetric or triangular matrix stores only a part of its values.
    return(to_its_end(
      methods::as(methods::as(methods::as(x, "dMatrix"), "generalMatrix"), "CsparseMatrix")
    ))
  }
  if (!is.matrix(x)) return(sparse_foreign(x))
  if (!is.numeric(x) && !is.logical(x)) {
    canal_abort("class", "x", "a matrix of numbers", sprintf("one of type %s", typeof(x)))
  }
  sparse_counts(to_its_end(methods::as(x, "CsparseMatrix")))
}

# The engine, and what Matrix has in C, follow the slots wherever they point: they may come from an
# .rds of anybody's, or from code that set them one by one.
check_slots <- function(x) {
  if (!methods::is(x, "Matrix")) return(invisible())
  problem <- to_its_end(methods::validObject(x, test = TRUE))
  if (isTRUE(problem)) return(invisible())
  canal_abort("counts", "x", "a matrix whose slots agree (methods::validObject())",
              sprintf("a %s that is broken: %s", class(x)[1], paste(problem, collapse = "; ")),
              "Matrix::sparseMatrix(i, j, x = ) makes one that is whole.")
}

# What comes back where `x` has no place for results: a DataFrame with a row per cell.
table_of_results <- function(cells, n_cells, findings) {
  table <- S4Vectors::make_zero_col_DFrame(n_cells)
  rownames(table) <- cells
  with_cell_results(table, findings)
}

# A DataFrame is a prediction that came back: it can be evaluated, but holds no counts.
#' @exportS3Method
cell_names.DataFrame <- function(x) rownames(x)

#' @exportS3Method
cell_columns.DataFrame <- function(x) x

#' @exportS3Method
cell_record.DataFrame <- function(x) metadata_record(x)

#' @exportS3Method
with_cell_record.DataFrame <- function(x, record) {
  with_metadata_record(x, merged_record(cell_record(x), record))
}

#' @exportS3Method
with_cell_results.DataFrame <- function(x, findings) {
  check_findings(findings, nrow(x))
  for (column in names(findings$columns)) x[[column]] <- findings$columns[[column]]
  matrices <- stats::setNames(findings[c("embedding", "scores")],
                              c("embedding", scores_name(findings)))
  for (name in names(matrices)) {
    # The rows have names already, or none.
    if (!is.null(matrices[[name]])) x[[name]] <- `rownames<-`(matrices[[name]], rownames(x))
  }
  with_metadata_record(x, record_with(cell_record(x), findings))
}

# So is a data frame, or a tibble, that was read from a file: only canalR's record has no place of
# its own there, and is an attribute.
#' @exportS3Method
cell_names.data.frame <- function(x) named_rows(x)

#' @exportS3Method
cell_columns.data.frame <- function(x) x

#' @exportS3Method
cell_record.data.frame <- function(x) as.list(attr(x, "canal", exact = TRUE))

#' @exportS3Method
with_cell_record.data.frame <- function(x, record) {
  attr(x, "canal") <- merged_record(cell_record(x), record)
  x
}

# Annotations without counts.
is_table <- function(x) is.data.frame(x) || methods::is(x, "DataFrame")
# nolint end
