# Prepared tokens as cells: their labels are those of every cell that was given to canal_prepare().

# nolint start: object_name_linter.
#' @exportS3Method
cell_names.CanalTokens <- function(x) x@all_cells

#' @exportS3Method
cell_columns.CanalTokens <- function(x) NULL
# nolint end
