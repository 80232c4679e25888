#' Embed cells
#'
#' The last hidden layer of the classification head: an embedding in which a type's cells gather
#' round that type's prototype. Files are read in blocks, as by [canal_predict()]; a million cells
#' took 1.3 GB with 64 columns.
#'
#' @inheritParams canal_predict
#'
#' @param prefix What the embedding is called: letters and digits. In capitals it is the name in a
#'   SingleCellExperiment, in small letters the name and the key in a Seurat object. Another's
#'   embedding of that name is never replaced.
#'
#' @return What came in, with the embedding (cells x `fc2`, 64 in CANAL) as `reducedDim(x, "CANAL")`
#'   or Seurat reduction `"canal"` (key `canal_`); for a matrix or a path a `DataFrame` with the
#'   matrix column `embedding`. A cell with too few genes has a row of `NA`, of which there is a
#'   warning: neighbours and UMAPs are for the other cells,
#'   `x[, !is.na(reducedDim(x, "CANAL")[, 1])]` or `x[, !is.na(Embeddings(x, "canal")[, 1])]`.
#'   The columns are no map, and some are 0 in every cell: draw a UMAP of them
#'   ([canal_plot_embedding()]), not the first two.
#'   `metadata(x)$canal$canal$embedding` tells model, version and parameters.
#' @section Errors: `canalR_error_model` for a model without types, `canalR_error_class` for a
#'   SummarizedExperiment, which has no place for an embedding, and those of [canal_prepare()].
#' @source CANAL, Methods.
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' file <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
#' pancreas <- canal_read_h5ad(file)
#' indrop <- pancreas[, pancreas$batch == "indrop"]
#' model <- canal_model(canal_config("compact", n_genes = 50), rownames(pancreas), seed = 1)
#' model <- canal_train(indrop, "celltype", model, epochs = 2, seed = 1, verbose = FALSE)
#' indrop <- canal_embed(indrop, model, verbose = FALSE)
#' dim(SingleCellExperiment::reducedDim(indrop, "CANAL"))
#' @export
canal_embed <- function(x, model, prefix = "canal", num_threads = NULL, device = "cpu",
                        precision = "auto", verbose = TRUE, assay.type = "counts",
                        min_genes = NULL, BPPARAM = NULL, checkpoint = NULL) {
  check_trained(model)
  check_given(x, "x", "cells")
  check_prefix(prefix)
  check_free_names(x, prefix, "embedding")
  compute <- compute_on(device, precision)
  settings <- run_settings(num_threads, verbose, "Embedding", BPPARAM, checkpoint)
  query <- run_query(x, model, "embedding", assay.type, min_genes, compute, settings)
  parameters <- list(width = ncol(query$out$embedding), min_genes = query$min_genes,
                     computed = compute$name, assay.type = assay.type)
  with_cell_results(x, embedding_findings(query, prefix, model_record(model, parameters),
                                          logged_call("canal_embed", sys.call())))
}

# Rows of NA for cells that were left out.
embedding_findings <- function(query, prefix, note, call) {
  embedding <- query$out$embedding
  left_out <- length(query$cells) - length(query$kept)
  if (left_out > 0) {
    embedding <- embedding[query_rows(query), , drop = FALSE]
    warn_left_out(left_out, length(query$cells))
  }
  dimnames(embedding) <- list(query$cells, paste0(prefix, "_", seq_len(ncol(embedding))))
  cell_findings(prefix, embedding = embedding, record = list(embedding = note), call = call)
}

# Seurat's FindNeighbors() takes a row of NA for a cell like any other, and most others stop at it.
warn_left_out <- function(left_out, cells) {
  canal_warn("embedding", "x", "cells with enough genes",
             sprintf("%d of %d with too few, which have rows of NA", left_out, cells),
             paste("Find neighbours and UMAPs without them: x[, !is.na(embedding[, 1])], where",
                   "`embedding` is reducedDim(x, ...) or Embeddings(x, ...)."))
}
