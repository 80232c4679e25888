#' Annotate cells
#'
#' Gives every cell the most probable of the model's types, a confidence and a novelty score, and
#' calls cells that look like none of the types "Unassigned".
#'
#' @inheritParams canal_train
#' @param x Cells: a SingleCellExperiment, SummarizedExperiment or Seurat object, a matrix or
#'   `dgCMatrix` (genes x cells, raw counts), or the path of an `.h5ad`, or of a 10x `.h5`
#'   file or folder (see [canal_read_10x()]); for CANAL's models also the [CanalTokens-class] that
#'   [canal_prepare()] made for this model.
#' @param model A trained [CanalModel-class].
#' @param novelty How cells of unknown types are found: `"none"`; `"canal"`, the energy score of
#'   CANAL with a threshold learned from mixtures of the cells at hand; `"threshold"`, scBERT's:
#'   unassigned where the confidence is below `threshold`. Without a choice, what the model's recipe
#'   says (see [canal_recipe()]), else `"none"`.
#' @param probabilities Where the probabilities of all types go: `"none"`; `"columns"`, a column
#'   `<prefix>_prob_<type>` each; `"assay"`, one matrix (types x cells): the alternative experiment
#'   `<prefix>_scores` of a SingleCellExperiment, the assay of that name of a Seurat object (whose
#'   features have `-` for `_`), the matrix column (cells x types) of a table.
#' @param prefix What the names of all results start with: letters and digits. Results of another
#'   prefix stay, so that several models' stand side by side.
#' @param clusters Clusters of the cells: the name of a column, or a vector with one per cell, `NA`
#'   for a cell of none. Adds `<prefix>_cluster`, the label that most cells of the cluster got
#'   ("Unassigned" among them; equal numbers are decided by the sum of confidences), and
#'   `<prefix>_cluster_share`, their share of the cluster's labelled cells (0 to 1).
#' @param prune_below `<prefix>_pruned` is the label, but `NA` where it is "Unassigned" or the
#'   confidence is below this (0 to 1).
#' @param top_k Add the most probable types, so many of them (a whole number from 0):
#'   `<prefix>_top_1`, `<prefix>_top_1_confidence`, `<prefix>_top_2` and so on. A model of fewer
#'   types has fewer.
#' @param threshold Threshold, 0 to 1: of the score for `"canal"` (cells above it are "Unassigned"),
#'   of the confidence for `"threshold"` (cells below it are). `NULL` is CANAL's own for `"canal"`,
#'   `unsure_below` of the configuration for `"threshold"`.
#' @param temperature Temperature T of CANAL's energy, above 0: `-T log(sum(exp(logits / T)))`.
#' @param precision Numbers that the network's products are computed with. `"float32"`;
#'   `"bfloat16"`: products of numbers with 8 bits of precision, everything else (sums, norms,
#'   softmax) in float32, about twice as fast on CPUs that multiply such numbers and an error on
#'   others; `"auto"`: `"bfloat16"` on such CPUs, else `"float32"`. The answer to one choice is
#'   always the same; confidences of the two differ by less than 0.02.
#' @param seed One whole number, 0 or more; `NULL` takes one from R's random numbers without using
#'   them up. It governs CANAL's mixtures, and is used with `novelty = "canal"` only.
#' @param BPPARAM Workers of BiocParallel, [BiocParallel::SnowParam()] say, that share the cells out
#'   among them, or `NULL` for this process alone. They are given paths and a saved model, and the
#'   results are the same, bit for bit. A chunk of cells that fails is tried again, twice. Each
#'   computes on `num_threads`; without it on one thread (forks, [BiocParallel::MulticoreParam()],
#'   always), on its share of this machine's cores (sockets), or on all that its job has
#'   ([BiocParallel::BatchtoolsParam()]). Ctrl-C leaves workers that you started with
#'   [BiocParallel::bpstart()] in the middle of their work: start others in their place. While
#'   BiocParallel starts sockets itself, Ctrl-C can leave one of their processes waiting.
#' @param checkpoint A folder in which finished chunks of cells are kept: the same call, made again
#'   after it was stopped, goes on from there, with its `seed`. The folder is this call's alone:
#'   one with other files in it is refused. Workers on other machines need one that they see too.
#'   What the network reads of cells in memory is in it as long as the work goes on: a byte per
#'   cell and gene. It may be deleted afterwards.
#'
#' @details
#' With `"canal"` the score is `(energy + 1 - confidence) / 2`, the energy rescaled to 0..1 over the
#' cells of this call. One cell, or cells of equal energy, have no range: their energy counts as
#' 0.5, and the score then goes by the confidence. So with `"canal"` a cell's score, and whether it
#' is called "Unassigned", depend on the cells it is annotated with, and the threshold, a little, on
#' their order, in which mixtures are drawn; its most probable type, its confidence and its
#' probabilities never do. With the other choices the score is `1 - confidence`,
#' and nothing depends on other cells.
#'
#' A 10x `.h5` file, an `.h5ad` whose matrix lies by cells (CSR, or dense), and an assay that lies
#' on disk (HDF5Array, TENxMatrix and every other DelayedArray; BPCells) are read in blocks of
#' cells, twice: once to look at all values, once to annotate. So a file may be larger than
#' memory, which holds a block and the results: about 0.5 GB per million cells with ten types.
#' `novelty = "canal"` mixes cells all over the file and needs the first layer of the head (`fc1`)
#' of all of them, about 5 GB more per million cells with the 128 units of the presets. The results
#' are those of the same counts in memory, bit for bit. An `.h5ad` whose matrix lies by genes (CSC)
#' is read whole.
#'
#' @return What came in, with these columns in `colData` or `meta.data` (`canal` being the
#'   `prefix`): `canal_label`, `canal_confidence` (largest softmax, 0 to 1), `canal_novelty`,
#'   `canal_pruned` and `canal_reason` (why a cell has no label, else `NA`), and those asked for;
#'   for a matrix, a path or tokens a `DataFrame` with a row per cell. All columns that an earlier
#'   call with the same prefix wrote are replaced or removed, and nobody else's: where another's
#'   column or scores stand in the way, there is an error. A cell with too few genes gets `NA`
#'   and the reason. `metadata(x)$canal$canal$prediction` (`Misc(x, "canal")$canal$prediction` of
#'   a Seurat object, whose command log has the call too) tells model, version and parameters.
#' @section Errors: `canalR_error_model` for a model without types, `canalR_error_argument` for
#'   names of results that `x` has for something else, `canalR_error_class` for
#'   probabilities as an assay of a SummarizedExperiment, which has no place for them,
#'   `canalR_error_chunk` where a chunk of cells failed again and again, `canalR_error_checkpoint`
#'   for a folder with another call's chunks, and those of [canal_prepare()].
#' @source CANAL, Methods (novelty); scBERT (Yang et al. 2022), Methods (threshold).
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' file <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
#' pancreas <- canal_read_h5ad(file)
#' indrop <- pancreas[, pancreas$batch == "indrop"]
#' model <- canal_model(canal_config("compact", n_genes = 50), rownames(pancreas), seed = 1)
#' model <- canal_train(indrop, "celltype", model, epochs = 2, seed = 1, verbose = FALSE)
#' annotated <- canal_predict(indrop, model, novelty = "canal", seed = 1, verbose = FALSE)
#' table(annotated$canal_label, annotated$celltype)
#' @export
canal_predict <- function(x, model, novelty = c("none", "canal", "threshold"),
                          probabilities = c("none", "columns", "assay"), prefix = "canal",
                          clusters = NULL, prune_below = 0.5, top_k = 0, threshold = NULL,
                          temperature = model@config$temperature, seed = NULL,
                          num_threads = NULL, device = "cpu", precision = "auto", verbose = TRUE,
                          assay.type = "counts", min_genes = NULL, BPPARAM = NULL,
                          checkpoint = NULL) {
  check_trained(model)
  if (missing(novelty)) novelty <- recipe_entry(model, "novelty", novelty[1])
  check_choice(novelty, c("none", "canal", "threshold"), "novelty")
  if (missing(probabilities)) probabilities <- probabilities[1]
  asked <- asked_results(x, prefix, probabilities, clusters, prune_below, top_k, model@labels)
  check_number(temperature, "temperature", from = 1e-6, to = 1e6)
  if (!is.null(threshold)) check_number(threshold, "threshold", from = 0, to = 1)
  if (!is.null(seed)) seed <- resolve_seed(seed)
  warn_unused(novelty, threshold, !missing(temperature))
  compute <- compute_on(device, precision)
  settings <- run_settings(num_threads, verbose, "Annotating", BPPARAM, checkpoint)
  query <- run_query(x, model, c("logits", if (novelty == "canal") "manifold"), assay.type,
                     min_genes, compute, settings)
  warn_none_kept(query)
  seed <- kept_seed(seed, settings$checkpoint)
  call <- novelty_calls(model, query$out, novelty, threshold, temperature, seed, compute)
  parameters <- list(novelty = novelty, threshold = call$threshold, temperature = temperature,
                     min_genes = query$min_genes, prune_below = prune_below, top_k = top_k,
                     probabilities = probabilities, seed = seed,
                     computed = compute$name, assay.type = assay.type, cells = length(query$kept),
                     dropped = nrow(query$dropped))
  with_cell_results(x, label_findings(call, query, model@labels, asked,
                                      model_record(model, parameters),
                                      logged_call("canal_predict", sys.call())))
}

warn_none_kept <- function(query) {
  if (length(query$kept)) return(invisible())
  canal_warn("dropped", "x", sprintf("cells with at least %g detected genes", query$min_genes),
             sprintf("none among %d: no cell has a label", length(query$cells)),
             "A smaller `min_genes` keeps shallower cells.")
}

# Whoever sets a threshold takes it for used.
warn_unused <- function(novelty, threshold, has_temperature) {
  unused <- c(if (!is.null(threshold) && novelty == "none") "threshold",
              if (has_temperature && novelty != "canal") "temperature")
  if (!length(unused)) return(invisible())
  canal_warn("argument", unused[1], "a `novelty` that it is for",
             sprintf("`novelty` \"%s\", which takes no %s", novelty, some_of(unused)),
             "novelty = \"canal\" or \"threshold\" finds cells of unknown types.")
}

check_trained <- function(model) {
  check_model(model)
  if (length(model@labels) == 0) {
    canal_abort("model", "model", "a model that knows cell types", "an untrained one",
                "Train a stage with canal_train() first.")
  }
}

# Label, confidence, score and threshold per cell. out: logits (cells x types) and, for "canal",
# manifold (cells x fc1).
novelty_calls <- function(model, out, novelty, threshold, temperature, seed, compute) {
  probability <- softmax(out$logits)
  best <- max.col(out$logits, ties.method = "first")
  call <- list(label = model@labels[best], probability = probability,
               confidence = probability[cbind(seq_along(best), best)])
  call$label[!is.finite(call$confidence)] <- NA
  call$score <- 1 - call$confidence
  unsure <- FALSE
  if (novelty == "threshold") {
    call$threshold <- if (is.null(threshold)) model@config$unsure_below else threshold
    unsure <- call$confidence < call$threshold
  }
  if (novelty == "canal" && length(call$label) > 0) {
    draws <- cpp_draw_mixing(nrow(out$manifold), ncol(out$manifold), seed)
    scored <- cpp_novelty(native_network(model, compute), out$logits, out$manifold, draws$partner0,
                          draws$weight, temperature)
    call$score <- scored$score
    call$threshold <- if (is.null(threshold)) scored$threshold else threshold
    unsure <- call$score > call$threshold
  }
  call$label[unsure] <- "Unassigned"
  call
}

# Softmax over the columns. logits: cells x types.
softmax <- function(logits) {
  largest <- logits[cbind(seq_len(nrow(logits)), max.col(logits, ties.method = "first"))]
  raised <- exp(logits - largest)
  raised / rowSums(raised)
}
