# SummarizedExperiment and SingleCellExperiment.

# The generics are in cells.R, where the linter does not look for them.
# nolint start: object_name_linter.

#' @exportS3Method
cells_of.SummarizedExperiment <- function(x, assay.type = "counts") {
  cells_result(joined_parts(cell_parts(x, assay.type)), cell_columns(x))
}

#' @exportS3Method
cell_parts.SummarizedExperiment <- function(x, assay.type) {
  need_experiment()
  check_assay_type(assay.type)
  assays <- SummarizedExperiment::assayNames(x)
  if (!assay.type %in% assays) {
    abort_assay(assay.type, setdiff(assays, ""), "an assay",
                "Assays are named with `assayNames(x) <-`.")
  }
  one_part(SummarizedExperiment::assay(x, assay.type))
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
cell_record.SummarizedExperiment <- function(x) metadata_record(x)

#' @exportS3Method
with_cell_record.SummarizedExperiment <- function(x, record) {
  with_metadata_record(x, merged_record(cell_record(x), record))
}

#' @exportS3Method
with_cell_results.SummarizedExperiment <- function(x, findings) {
  need_experiment()
  check_findings(findings, ncol(x))
  for (column in stale_columns(x, findings)) {
    SummarizedExperiment::colData(x)[[column]] <- NULL
  }
  for (column in names(findings$columns)) {
    SummarizedExperiment::colData(x)[[column]] <- findings$columns[[column]]
  }
  if (!is.null(findings$embedding)) x <- with_reduced_dim(x, findings)
  x <- with_score_experiment(x, findings)
  with_metadata_record(x, record_with(cell_record(x), findings))
}

with_reduced_dim <- function(x, findings) {
  need_room(x, "an embedding (reducedDims)")
  embedding <- findings$embedding
  rownames(embedding) <- colnames(x)
  SingleCellExperiment::reducedDim(x, embedding_name(findings)) <- embedding
  x
}

# Scores as an alternative experiment of types x cells.
with_score_experiment <- function(x, findings) {
  name <- scores_name(findings)
  if (is.null(findings$scores)) {
    if (replaces_labels(findings) && name %in% written_scores(x, findings$prefix)) {
      SingleCellExperiment::altExp(x, name) <- NULL
    }
    return(x)
  }
  need_room(x, "scores (altExps)")
  scores <- t(findings$scores)
  colnames(scores) <- colnames(x)
  SingleCellExperiment::altExp(x, name) <- SummarizedExperiment::SummarizedExperiment(
    list(probabilities = scores)
  )
  x
}

need_room <- function(x, what) {
  if (!methods::is(x, "SingleCellExperiment")) {
    canal_abort("class", "x", paste("an object with room for", what),
                paste("an object of class", class(x)[1]),
                "Convert it first: as(x, \"SingleCellExperiment\").")
  }
  need_package("SingleCellExperiment", "x", "which `x` is an object of")
}

need_experiment <- function() {
  need_package("SummarizedExperiment", "x", "which `x` is an object of")
}
# nolint end
