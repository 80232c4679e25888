# Prepared tokens as cells: their labels are those of every cell that was given to canal_prepare().

# nolint start: object_name_linter.
#' @exportS3Method
cell_names.CanalTokens <- function(x) x@all_cells

#' @exportS3Method
cell_columns.CanalTokens <- function(x) NULL

#' @exportS3Method
with_cell_results.CanalTokens <- function(x, findings) {
  table_of_results(x@all_cells, length(x@all_cells), findings)
}
# nolint end
