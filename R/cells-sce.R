# SummarizedExperiment and SingleCellExperiment.

# The generics are in cells.R, where the linter does not look for them.
# nolint start: object_name_linter.

#' @exportS3Method
cells_of.SummarizedExperiment <- function(x, assay.type = "counts") {
  need_experiment()
  check_assay_type(assay.type)
  assays <- SummarizedExperiment::assayNames(x)
  if (!assay.type %in% assays) {
    abort_assay(assay.type, setdiff(assays, ""), "an assay",
                "Assays are named with `assayNames(x) <-`.")
  }
  cells_result(sparse_counts(SummarizedExperiment::assay(x, assay.type)), cell_columns(x))
}

#' @exportS3Method
cell_names.SummarizedExperiment <- function(x) {
  need_experiment()
  colnames(x)
}

#' @exportS3Method
cell_columns.SummarizedExperiment <- function(x) {
  need_experiment()
  SummarizedExperiment::colData(x)
}

#' @exportS3Method
cell_record.SummarizedExperiment <- function(x) as.list(S4Vectors::metadata(x)$canal)

#' @exportS3Method
with_cell_results.SummarizedExperiment <- function(x, results, embedding = NULL, record = NULL,
                                                   name = "CANAL") {
  need_experiment()
  check_results(results, embedding, ncol(x))
  stale <- stale_columns(colnames(SummarizedExperiment::colData(x)), results)
  for (column in stale) SummarizedExperiment::colData(x)[[column]] <- NULL
  for (column in names(results)) {
    SummarizedExperiment::colData(x)[[column]] <- results[[column]]
  }
  if (!is.null(embedding)) x <- with_reduced_dim(x, embedding, name)
  S4Vectors::metadata(x)$canal <- merged_record(cell_record(x), record, results)
  x
}

with_reduced_dim <- function(x, embedding, name) {
  if (!methods::is(x, "SingleCellExperiment")) {
    canal_abort("class", "x", "an object with room for an embedding (reducedDims)",
                paste("an object of class", class(x)[1]),
                "Convert it first: as(x, \"SingleCellExperiment\").")
  }
  need_package("SingleCellExperiment", "x", "which `x` is an object of")
  rownames(embedding) <- colnames(x)
  SingleCellExperiment::reducedDim(x, name) <- embedding
  x
}

need_experiment <- function() {
  need_package("SummarizedExperiment", "x", "which `x` is an object of")
}
# nolint end
