#' Vectors of cell types
#'
#' One vector per type, in the embedding of a CELLULAR model: for comparing types across data sets,
#' or as features of types elsewhere.
#'
#' @inheritParams cellular_predict
#' @param labels The cells' types: the name of a column of `x`, or a vector with one per cell.
#' @param method `"centroid"`: the mean of the type's cells. `"median"`: the median of each
#'   coordinate. `"medoid"`: the embedding of the type's cell with the smallest sum of Euclidean
#'   distances to the others (the first of several).
#'
#' @return A matrix, types (sorted) x `latent_dim`, with the number of cells as the attribute
#'   `cells`. Cells without counts of the model's genes take no part; a type of such cells alone has
#'   a row of `NA`.
#' @section Errors: `canalR_error_labels`, and those of [cellular_embed()].
#' @source CELLULAR (Andrekson and Mercado 2024), Methods.
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' file <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
#' pancreas <- canal_read_h5ad(file)
#' train <- pancreas[, pancreas$batch %in% c("indrop", "celseq")]
#' model <- cellular_train(train, "celltype", "batch", latent_dim = 20, n_genes = 200, epochs = 3,
#'                         seed = 1, verbose = FALSE)
#' types <- cellular_representations(train, model, "celltype", verbose = FALSE)
#' round(as.matrix(dist(types)), 2)
#' @export
cellular_representations <- function(x, model, labels,
                                     method = c("centroid", "median", "medoid"),
                                     max_missing = 0.3, num_threads = NULL, verbose = TRUE,
                                     assay.type = "counts") {
  check_cellular_model(model)
  if (missing(method)) method <- method[1]
  check_choice(method, eval(formals(cellular_representations)$method), "method")
  cells <- if (is.character(x)) told(cells_of(x, assay.type), verbose) else x
  types <- labels_of(cells, labels, "labels")
  query <- run_cellular(cells, model, "embedding", max_missing, assay.type,
                        run_settings(num_threads, verbose, "Embedding"))
  represented(query$out$embedding, types[query$kept], sort(unique(types), method = "radix"), method)
}

# embedding: cells x width; types: one per cell; labels: the rows that come out.
represented <- function(embedding, types, labels, method) {
  middle <- switch(method, centroid = colMeans, medoid = medoid,
                   median = function(rows) apply(rows, 2, stats::median))
  rows <- vapply(labels, function(label) {
    rows <- embedding[types == label, , drop = FALSE]
    if (nrow(rows)) middle(rows) else rep(NA_real_, ncol(embedding))
  }, numeric(ncol(embedding)))
  rows <- matrix(rows, length(labels), byrow = TRUE,
                 dimnames = list(labels, paste0("cellular_", seq_len(ncol(embedding)))))
  structure(rows, cells = vapply(labels, function(label) sum(types == label), 0L))
}

# The row with the smallest sum of distances to all rows. Distances are taken row by row: all pairs
# at once would take the square of the cells.
medoid <- function(rows) {
  across <- t(rows)
  sums <- vapply(seq_len(nrow(rows)), function(i) sum(sqrt(colSums((across - across[, i])^2))), 0)
  rows[which.min(sums), ]
}
