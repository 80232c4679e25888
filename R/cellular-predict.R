#' Annotate or embed cells with CELLULAR
#'
#' `cellular_predict()` gives every cell the likeliest type of the classifier, its probability, and
#' a novelty; cells above the threshold of novelty become `"Unassigned"`. `cellular_embed()` gives
#' the embedding alone. Files are read in blocks of cells.
#'
#' @inheritParams canal_predict
#' @inheritParams cellular_train
#' @param model A [CellularModel-class], for predictions with a classifier.
#' @param novelty_threshold With K types and the highest probability p, a cell's certainty is
#'   `(p - 1/K) / (1 - 1/K)`, from 0 (all types alike) to 1. A cell of a certainty below this is
#'   novel. 0 calls no cell novel.
#' @param max_missing The largest share (0 to 1) of the model's genes that `x` may lack. They count
#'   as zeros.
#'
#' @details Every cell is scaled to the library size that the training cells had on average, so a
#' cell's result does not depend on the others. A cell without counts of the model's genes gets `NA`
#' and a reason.
#'
#' The published program judges a whole data set: novel types are said to be in it when cells are
#' below the threshold. That summary is kept in the record
#' (`metadata(x)$canal$cellular$prediction$novelty`): the share of novel cells, and the least,
#' median and mean certainty.
#'
#' @return What came in, with the columns `cellular_label` (a type, `"Unassigned"` or `NA`),
#'   `cellular_confidence` (p), `cellular_novelty` (1 - certainty), `cellular_pruned`,
#'   `cellular_reason` (`NA`, or why a cell has no label) and those asked for; or the embedding
#'   (cells x `latent_dim`) as `reducedDim(x, "CELLULAR")`, Seurat reduction `"cellular"` (key
#'   `cellular_`). For a matrix or a path a `DataFrame` with these columns, or the matrix column
#'   `embedding`.
#' @section Errors: `canalR_error_model` (a model without classifier), `canalR_error_overlap` (more
#'   than `max_missing` of the genes are missing), `canalR_error_argument`, `canalR_error_class` (an
#'   embedding into a SummarizedExperiment), and those of counts as in [canal_prepare()].
#' @source CELLULAR (Andrekson and Mercado 2024), Methods.
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' file <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
#' pancreas <- canal_read_h5ad(file)
#' train <- pancreas[, pancreas$batch %in% c("indrop", "celseq")]
#' query <- pancreas[, pancreas$batch == "fluidigmc1"]
#' model <- cellular_train(train, "celltype", "batch", latent_dim = 20, n_genes = 200, epochs = 10,
#'                         classifier = TRUE, hidden = 32, seed = 1, verbose = FALSE)
#' query <- cellular_predict(query, model, verbose = FALSE)
#' table(query$cellular_label, query$celltype)
#' query <- cellular_embed(query, model, verbose = FALSE)
#' dim(SingleCellExperiment::reducedDim(query, "CELLULAR"))
#' @export
cellular_predict <- function(x, model, novelty_threshold = 0.25,
                             probabilities = c("none", "columns", "assay"), prefix = "cellular",
                             clusters = NULL, prune_below = 0.5, top_k = 0, max_missing = 0.3,
                             num_threads = NULL, verbose = TRUE, assay.type = "counts",
                             BPPARAM = NULL, checkpoint = NULL) {
  check_cellular_model(model)
  if (!has_classifier(model)) {
    canal_abort("model", "model", "a model with a classifier", "one without",
                "Train one with cellular_classifier().")
  }
  check_number(novelty_threshold, "novelty_threshold", 0, 1)
  if (missing(probabilities)) probabilities <- probabilities[1]
  asked <- asked_results(x, prefix, probabilities, clusters, prune_below, top_k, model@labels)
  settings <- run_settings(num_threads, verbose, "Annotating", BPPARAM, checkpoint)
  query <- run_cellular(x, model, "probabilities", max_missing, assay.type, settings)
  answer <- cellular_calls(query$out$probabilities, model@labels, novelty_threshold)
  note <- cellular_record(model, list(
    novelty_threshold = novelty_threshold, max_missing = max_missing, prune_below = prune_below,
    assay.type = assay.type, cells = length(query$kept),
    dropped = length(query$cells) - length(query$kept)
  ))
  note$novelty <- novelty_summary(1 - answer$score, novelty_threshold)
  call <- logged_call("cellular_predict", sys.call())
  with_cell_results(x, label_findings(answer, query, model@labels, asked, note, call))
}

#' @rdname cellular_predict
#' @export
cellular_embed <- function(x, model, prefix = "cellular", max_missing = 0.3, num_threads = NULL,
                           verbose = TRUE, assay.type = "counts", BPPARAM = NULL,
                           checkpoint = NULL) {
  check_cellular_model(model)
  check_given(x, "x", "cells")
  check_prefix(prefix)
  check_free_names(x, prefix, "embedding")
  settings <- run_settings(num_threads, verbose, "Embedding", BPPARAM, checkpoint)
  query <- run_cellular(x, model, "embedding", max_missing, assay.type, settings)
  note <- cellular_record(model, list(width = ncol(query$out$embedding),
                                      max_missing = max_missing, assay.type = assay.type))
  call <- logged_call("cellular_embed", sys.call())
  with_cell_results(x, embedding_findings(query, prefix, note, call))
}

# probability: cells x types.
cellular_calls <- function(probability, labels, threshold) {
  best <- max.col(probability, ties.method = "first")
  highest <- probability[cbind(seq_along(best), best)]
  chance <- 1 / length(labels)
  certainty <- pmax(0, (highest - chance) / (1 - chance))
  list(label = as.character(ifelse(certainty < threshold, unassigned_label, labels[best])),
       confidence = highest, score = 1 - certainty, probability = probability)
}

novelty_summary <- function(certainty, threshold) {
  if (!length(certainty)) {
    return(list(novel = NA_real_, least = NA_real_, median = NA_real_, mean = NA_real_))
  }
  list(novel = mean(certainty < threshold), least = min(certainty),
       median = stats::median(certainty), mean = mean(certainty))
}

cellular_record <- function(model, parameters) {
  list(version = as.character(utils::packageVersion("canalR")),
       libtorch = cpp_runtime_info()$libtorch,
       model = list(id = model@provenance$id, types = model@labels), parameters = parameters,
       date = format(Sys.time(), "%Y-%m-%d %H:%M:%S UTC", tz = "UTC"))
}
