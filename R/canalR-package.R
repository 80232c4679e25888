#' canalR: continual cell-type annotation of single-cell RNA-seq
#'
#' Train on a labelled data set with [canal_train()], go on training the same model on the next
#' one, and annotate unlabelled cells with [canal_predict()]; labels land in your own Seurat or
#' SingleCellExperiment object. `vignette("canalR")` shows it.
#'
#' @section Functions by topic:
#' Data
#' * [canal_read_h5ad()], [canal_read_10x()]: files of AnnData and folders of Cell Ranger as
#'   objects;
#' * [canal_update_symbols()]: old symbols, Ensembl ids and genes of other species as current
#'   human symbols;
#' * [canal_merge()], [canal_quality_filter()]: several sources as one; cells of low quality out;
#' * [canal_vocabulary()], [canal_prepare()]: the genes of a network; counts as tokens.
#'
#' Models and training
#' * [canal_pretrained()], [canal_pretrain()]: a network that knows gene expression and no types;
#' * [canal_config()], [canal_model()], [canal_recipe()]: hyper-parameters, an untrained network,
#'   the published trainings;
#' * [canal_train()]: one stage, the first or the next.
#'
#' Annotation
#' * [canal_predict()], [canal_embed()]: labels, confidence, novelty; the embedding;
#' * [canal_gene_importance()]: the genes that the model attends to in each type;
#' * [canal_forward()]: raw outputs of the network.
#'
#' Evaluation
#' * [canal_evaluate()], [canal_stream()]: against the truth, and over the stages;
#' * [canal_compare()], [canal_cross_validate()]: established methods on the same cells; folds.
#'
#' CELLULAR
#' * [cellular_train()], [cellular_classifier()], [cellular_embed()], [cellular_predict()],
#'   [cellular_representations()];
#' * [cellular_qc()], [cellular_normalize()]: its preparation.
#'
#' Pictures
#' * `plot()` of a model, an evaluation, a stream and of gene importance: [canal-plots];
#' * [canal_plot_scores()], [canal_plot_novelty()], [canal_plot_flow()], [canal_plot_embedding()]:
#'   probabilities, novelty, labels against the truth, and the embedding.
#'
#' Files and several machines
#' * [canal_save()], [canal_load()]: a model in one file;
#' * [canal_import()], [canal_export()]: checkpoints of the published programs and `.safetensors`;
#' * [canal_launch()], [canal_team()], [canal_leave()]: processes that train one model together.
#'
#' @section Names of results:
#' Results go into the object that came in, or into a `DataFrame` with a row per cell for a matrix
#' or a path. `<prefix>` is `canal` (`cellular` for CELLULAR) unless `prefix =` says otherwise, so
#' that results of several models stand side by side.
#'
#' * In `colData(x)` (SingleCellExperiment) or `x[[]]` (Seurat): `<prefix>_label`,
#'   `<prefix>_confidence` and `<prefix>_novelty` (0 to 1), `<prefix>_pruned` (the label, `NA`
#'   where it is doubtful) and `<prefix>_reason` (why there is no label); with `clusters`
#'   `<prefix>_cluster` and `<prefix>_cluster_share`; with `top_k` `<prefix>_top_1`,
#'   `<prefix>_top_1_confidence`, ...; with `probabilities = "columns"` `<prefix>_prob_<type>`.
#' * Probabilities of all types, with `probabilities = "assay"` (types x cells): `altExp(x,
#'   "<prefix>_scores")`, or the Seurat assay `x[["<prefix>_scores"]]`.
#' * The embedding (cells x dimensions): `reducedDim(x, "CANAL")`, the prefix in capitals, or the
#'   Seurat reduction `x[["canal"]]`, the prefix in small letters.
#'
#' Cells without a type have `"Unassigned"` as label ([canal_predict()]: only where `novelty` is
#' asked for); cells with too few genes have `NA` and a reason.
#'
#' @section The record:
#' What made a result stays with it: `metadata(x)$canal$<prefix>` of a SingleCellExperiment or
#' `DataFrame`, `Seurat::Misc(x, "canal")$<prefix>` of a Seurat object, is a list of `prediction`
#' and `embedding`, as far as there were any. Each has the versions of canalR and LibTorch, the
#' model (`id`, `stages`, `types`), the `parameters` (`novelty`, `threshold`, `seed`, ...) and the
#' date; that of a prediction has the names of its `columns` and `scores`, which alone the next
#' prediction of the prefix replaces or removes. Evaluations, one for each column of labels, are
#' got by [canal_evaluation()].
#'
#' Objects that were bound together (`cbind()`) have a record each. canalR reads them as one, of
#' the first record that has an entry, and its next call writes one; `metadata(x)$canal$merged`
#' then is a list of what the others say otherwise, until new results of the same prefix, which are
#' of all cells, end that. `merge()` of Seurat objects drops records.
#'
#' @section Threads and workers:
#' * `num_threads = NULL` uses every core this process may run on, or as many threads as the
#'   environment variable `OMP_NUM_THREADS` says. A number takes so many. No result depends on it,
#'   bit for bit.
#' * `BPPARAM = BiocParallel::SnowParam(4)`, say, shares the cells of [canal_predict()],
#'   [canal_embed()] and their like of CELLULAR out among R processes, on this machine or (by
#'   batchtools) on others. Each computes on `num_threads` of its own; the labels are the same. On
#'   one machine threads alone are enough.
#' * `team =` of [canal_train()] and [canal_pretrain()] shares out a training, see [canal_team()].
#'
#' @section Random numbers:
#' `seed =` is one whole number: the same seed gives the same result. With `seed = NULL` one is
#' taken from R's random numbers, so that `set.seed()` before the call fixes it; your random
#' stream is left as it was. Only the second of two normals that R has ready under
#' `RNGkind(normal.kind = "Box-Muller")` is lost where other packages set seeds: with `BPPARAM`,
#' and by SingleR and Seurat in [canal_compare()].
#'
#' @section If it is slow: OpenMP's threads spin while they wait. Beside another busy program, or
#'   a BLAS with a pool of threads of its own (`libopenblas0-pthread`), they take the cores from
#'   those that work, and everything becomes many times slower. Set the environment variable
#'   `OMP_WAIT_POLICY=passive` before R starts, in the shell or in `~/.profile` (it is read only
#'   then: `Sys.setenv()` and `~/.Renviron` come too late), prefer OpenBLAS' OpenMP build (Debian
#'   and Ubuntu: `libopenblas0-openmp`), or take fewer threads.
#'
#' Once per session, when a network is first made, canalR says with a message of class
#' `canalR_message_slow_blas` if LibTorch runs on a slow BLAS such as Debian's reference BLAS, and
#' how to get a fast one.
#'
#' @section Conditions:
#' Every error is of class `canalR_error` and of one of its own, `canalR_error_<kind>`, which the
#' help pages name; warnings (`canalR_warning_<kind>`) and messages (`canalR_message_<kind>`)
#' likewise. `verbose = FALSE` silences messages and progress, never warnings.
#'
#' @section Guides:
#' `vignette("canalR")`: quick start. `vignette("streams")`: stages, the bank, forgetting.
#' `vignette("novelty")`: cells of no known type. `vignette("methods")`: which method.
#' `vignette("cellular")`: batches. `vignette("checkpoints")`: published weights and gene2vec.
#' `vignette("measured")`: figures. `system.file("several-machines.md", package = "canalR")`:
#' teams.
#'
#' @references Wan et al. (2024) Continually adapting pre-trained language model to universal
#'   annotation of single-cell RNA-seq data (CANAL). *Briefings in Bioinformatics* 25:bbae047,
#'   \doi{10.1093/bib/bbae047}. Yang et al. (2022) scBERT. *Nature Machine Intelligence* 4:852,
#'   \doi{10.1038/s42256-022-00534-z}. Andrekson and Mercado (2024) CELLULAR.
#'
#' @useDynLib canalR, .registration = TRUE
#' @importFrom Rcpp evalCpp
#' @import methods
#' @importFrom stats setNames
"_PACKAGE"
