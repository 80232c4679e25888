#' Train one stage
#'
#' Trains a model on one labelled data set. The first stage starts from a pre-trained or untrained
#' network and chooses the genes; every later stage goes on from the model of the stage before,
#' keeps what that one knew (with the example bank and representation distillation) and adds the
#' types that are new.
#'
#' @param x Cells: a SingleCellExperiment, SummarizedExperiment or Seurat object, a matrix or
#'   `dgCMatrix` (genes x cells, raw counts), the path of an `.h5ad`, or of a 10x `.h5` file or
#'   folder (see [canal_read_10x()]), or [CanalTokens-class].
#' @param labels The cells' types: the name of a column of `x`, or a vector with one per cell.
#' @param model A [CanalModel-class]: [canal_model()] or [canal_import()] for stage 1, then the
#'   model that the stage before returned.
#' @param recipe A [canal_recipe()], changed or not, or its name: settings that replace those of the
#'   model's configuration, for this stage, later ones and prediction. Arguments of this call come
#'   before it. `NULL` leaves the model's own.
#' @param epochs The most epochs, a whole number from 1.
#' @param batch_size Cells of a mini-batch, a whole number from 1.
#' @param accumulation Mini-batches per step of the optimiser, whose gradients are averaged; a whole
#'   number from 1.
#' @param clip_norm Longest gradient of a step (Euclidean norm over all that learns); longer ones
#'   are scaled down. 0: no limit.
#' @param learning_rate Highest learning rate of the schedule (cosine with warm restarts, see
#'   [canal_config()]), 0 to 1.
#' @param lambda Weight of the distillation loss, 0 or more, which is scaled by old types / all
#'   types. 0 turns it off.
#' @param bank_size Cells in the example bank, of all types together. 0 turns it off.
#' @param new_genes The most genes that may join the sequence in this stage: of the stage's own most
#'   variable genes (as many as the model has) those that the model lacks; in the first stage, of
#'   those that the vocabulary lacks. 0 fixes the genes, as the published program does. `NULL`: at
#'   a later stage `new_genes` of the configuration; in the first stage of a model of
#'   [canal_pretrain()] its `outside_genes`, or more where the vocabulary has fewer than `n_genes`
#'   genes that vary in these cells; of any other model none, as its vocabulary was chosen for it.
#'   See Details.
#' @param patience Stop after so many validations (one an epoch) in a row without a better accuracy;
#'   a whole number from 1, or `Inf`.
#' @param validation Share of each type's cells held out, from 0 to 0.9. A type with one cell is
#'   trained on and not validated. With 0 every epoch is run and the last one kept.
#' @param label_smoothing Share of a target spread over all types, 0 to 0.99.
#' @param oversample `TRUE` repeats training cells of rarer types until every type has as many as
#'   the largest. Held-out cells are set aside first. `NULL`: as the model's recipe says, else
#'   `FALSE`.
#' @param trainable `"all"` parameters, `"stage"` (final norm, last layer but one, head) or
#'   `"head"`. `NULL`: as the model's recipe says, else all of an untrained network, `"stage"` of a
#'   pre-trained one.
#' @param redraw_interval Batches between two draws of the attention's random features; 0 keeps
#'   them. `NULL`: as the configuration says where all parameters are trained, else 0. New features
#'   change what the frozen layers make of a cell, while those layers cannot learn to go with them,
#'   and everything that was kept of them (`cache`) has to be computed anew.
#' @param seed One whole number, 0 or more; `NULL` takes one from R's random numbers without using
#'   them up. It governs held-out cells, new weights and the order of the cells.
#' @param num_threads Threads; `NULL` for every core this process may use, or as many as the
#'   environment variable `OMP_NUM_THREADS` says.
#' @param device `"cpu"`, or `"cuda"` where LibTorch has it.
#' @param precision Numbers that products are computed with, see [canal_predict()].
#' @param cache What frozen layers make of a cell is the same in every epoch, so it is kept:
#'   `"auto"` uses half of the memory that is free, a number is that many bytes; what is more goes
#'   to a file in [tempdir()] that is gone with the stage. `FALSE` computes it anew every time. A
#'   cell takes N x `dim` numbers of four bytes, or two where products are in bfloat16. Where
#'   tokens are dropped in training (`dropped_tokens`, the compact preset), a training cell is
#'   another one in every step, and only held-out cells are kept. With `trainable = "all"` nothing
#'   is frozen.
#' @param checkpoint A folder, or `NULL`. After every epoch the whole state of the training
#'   (weights, optimiser, place in the schedule, random numbers, best model) is kept there, in a
#'   file per stage that is replaced whole or not at all. When the same call is made again after
#'   the run was stopped, in whatever way, it goes on after the last whole epoch and ends with the
#'   model of a run that was never stopped, to the last bit on the same machine. So a script of
#'   several stages that uses one folder can simply be run again. The folder may be removed when
#'   the model is saved. A state of other cells, labels or settings, or a damaged one, is refused.
#'   With
#'   `seed = NULL` the call goes on with the seed of the state that is there.
#'   More `epochs` are no other training; with fewer than it has behind it, it ends at once.
#' @param team `NULL`, or a team of processes (see [canal_team()]) that train together: each makes
#'   this same call with the same cells, computes its share of every step, and adds up gradients of
#'   the trained weights with the others. All get the model that one process alone would have
#'   trained, but for the rounding of sums in another order. Only rank 0 reads and writes
#'   `checkpoint`, and shows progress. When a worker is lost, all end with `canalR_error_team`; with
#'   `checkpoint`, a new team goes on from the last whole epoch.
#' @param verbose `TRUE` shows progress and says what is done; `FALSE` does neither. Warnings come
#'   either way.
#' @param assay.type Name of the assay (Seurat: layer, which may be split; `.h5ad`: layer, or `"X"`;
#'   10x `.h5` of several genomes: one of them) with raw counts.
#' @param min_genes Leave out cells with fewer detected genes, see [canal_prepare()].
#'
#' @details The loss is the label-smoothed cross-entropy, from stage 2 on plus `lambda * K_old /
#' K_new` times the mean squared difference of the embedding from that of the stage before. The
#' optimiser is Adam with amsgrad. The model with the best validation accuracy (among equals, the
#' smaller validation loss) is returned.
#'
#' A gene that joins gets a row of the position table: the vocabulary's own vector (gene2vec, or
#' what pre-training has learned) where it has one, else the mean of the vectors of the ten genes
#' whose tokens correlate best with its own in the stage's cells, which training then goes on
#' from. The classifier's first layer gets a column of zeros for it, so that it starts without
#' influence on the types. Cells of the bank and held-out cells keep, beside the model's genes, the
#' tokens of the
#' `kept_genes` next most variable ones (see [canal_config()]); a gene that was not among them is
#' silent (0) in those old cells. Cells of all stages are scaled to their total over the genes of
#' the vocabulary before any joined. In the first stage, genes that the vocabulary lacks join in the
#' same way, as far as they are among the `n_genes` most variable ones (beside the whole vocabulary
#' where that has no more than `n_genes`). Where a joining gene has no
#' vector of its own and not everything is trained, gradients have to pass the frozen layers too:
#' nothing is kept in `cache` and an epoch takes longer.
#'
#' Ctrl-C stops within a second and returns the best model so far, as does a loss that is no longer
#' finite, or an error once an epoch is behind it, with a warning. The cells of such a stage are
#' ranked for the bank when the next one starts.
#'
#' Held-out cells never enter the bank: they stay in the model (at most `history_size` per stage) so
#' that [canal_stream()] can tell what later stages do to them. They choose the best epoch, so their
#' accuracy is a little kinder than that on cells never seen.
#'
#' Where more than half of the sequence comes from outside a pre-trained vocabulary, a warning
#' (`canalR_warning_overlap`) says so: an untrained model of the cells' own genes mostly does
#' better.
#'
#' @return A new [CanalModel-class]; `model` is not changed.
#' @section Errors: `canalR_error_labels` (wrong length, missing, one single type),
#'   `canalR_error_team` (a worker was lost, or was given something else than the others),
#'   `canalR_error_checkpoint` (a state of another training in the folder),
#'   `canalR_error_argument`, those of [canal_prepare()].
#' @source CANAL, Methods; deviations from the published program are listed in `internals.md`.
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' file <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
#' pancreas <- canal_read_h5ad(file)
#' indrop <- pancreas[, pancreas$batch == "indrop"]
#' model <- canal_model(canal_config("compact", n_genes = 50), rownames(pancreas), seed = 1)
#' model <- canal_train(indrop, "celltype", model, epochs = 2, seed = 1, verbose = FALSE)
#' model
#' @export
canal_train <- function(x, labels, model,
                        recipe = NULL,
                        epochs = model@config$epochs,
                        batch_size = model@config$batch_size,
                        accumulation = model@config$accumulation,
                        learning_rate = model@config$learning_rate,
                        lambda = model@config$lambda,
                        bank_size = model@config$bank_size,
                        new_genes = NULL,
                        patience = model@config$patience,
                        validation = model@config$validation,
                        label_smoothing = model@config$label_smoothing,
                        clip_norm = model@config$clip_norm,
                        oversample = NULL,
                        trainable = NULL,
                        redraw_interval = NULL,
                        seed = NULL, num_threads = NULL, device = "cpu", precision = "auto",
                        cache = "auto", checkpoint = NULL, team = NULL, verbose = TRUE,
                        assay.type = "counts", min_genes = NULL) {
  check_cells_and_labels(x, labels)
  check_model(model)
  model <- with_recipe(up_to_date(model), recipe)
  check_optional_team(team)
  check_flag(verbose, "verbose")
  if (!is.null(min_genes)) check_number(min_genes, "min_genes", 0, .Machine$integer.max)
  settings <- training_settings(
    model, epochs = epochs, batch_size = batch_size, accumulation = accumulation,
    learning_rate = learning_rate, clip_norm = clip_norm, lambda = lambda, bank_size = bank_size,
    new_genes = new_genes, oversample = oversample, patience = patience, validation = validation,
    label_smoothing = label_smoothing, trainable = trainable, redraw_interval = redraw_interval,
    seed = from_rank_0(team, checkpoint_seed(seed, checkpoint, stage_state(model))),
    num_threads = num_threads,
    compute = compute_on(device, precision), cache = cache_options(cache), checkpoint = checkpoint,
    team = team, verbose = verbose && is_rank_0(team)
  )
  started <- proc.time()[["elapsed"]]
  model <- settle_bank(model, num_threads, settings$compute)
  data <- stage_cells(x, labels, model, settings, assay.type, min_genes)
  stage <- begin_stage(model, data, settings)
  check_quota(bank_size, stage$labels)
  suspendInterrupts({
    run <- run_epochs(stage, settings)
    seconds <- proc.time()[["elapsed"]] - started
    model <- from_rank_0(team, end_stage(stage, run, settings, seconds))
    tell_stage(model, settings$verbose)
    take_late_interrupt(settings$verbose)
    model
  })
}

training_settings <- function(model, ...) {
  settings <- list(...)
  if (is.null(settings$trainable)) {
    usual <- if (isTRUE(model@provenance$pretrained)) "stage" else "all"
    settings["trainable"] <- recipe_entry(model, "trainable", usual)
  }
  if (is.null(settings$new_genes) && has_genes(model)) {
    settings["new_genes"] <- model@config$new_genes
  }
  if (is.null(settings$oversample)) {
    settings["oversample"] <- as.logical(recipe_entry(model, "oversample", FALSE))
  }
  if (is.null(settings$redraw_interval)) {
    settings["redraw_interval"] <- if (identical(settings$trainable, "all")) {
      model@config$redraw_interval
    } else {
      0
    }
  }
  check_settings(settings)
  settings
}

# `new_genes` may be left open until the cells are seen.
check_settings <- function(settings) {
  check_flag(settings$oversample, "oversample")
  check_choice(settings$trainable, c("all", "stage", "head"), "trainable")
  entries <- config_entries()
  given <- names(settings)[!vapply(settings, is.null, NA)]
  for (name in intersect(c(given, setdiff(names(settings), "new_genes")), names(entries))) {
    entry <- entries[[name]]
    check_number(settings[[name]], name, entry[[3]], entry[[4]], entry[[5]])
  }
}

# Where the frozen layers' output is kept: memory in bytes, and a folder for what is more. "auto" is
# half of the memory that is free now.
cache_options <- function(cache) {
  if (identical(cache, FALSE)) return(list(enabled = FALSE, memory = 0, folder = tempdir()))
  if (identical(cache, "auto")) cache <- cpp_free_memory() / 2
  if (!is_number(cache) || cache < 0) {
    canal_abort("argument", "cache", "\"auto\", a number of bytes, or FALSE", describe_value(cache))
  }
  list(enabled = TRUE, memory = min(cache, 2^62), folder = tempdir())
}

# Tokens and types of the cells that can be trained on, the genes that join with them, and tokens of
# others that may join later.
stage_cells <- function(x, labels, model, settings, assay.type, min_genes) {
  verbose <- settings$verbose
  if (is(x, "CanalTokens")) {
    tokens <- x
    check_prepared(min_genes, settings)
    check_token_genes(tokens, model)
    types <- labels_of(x, labels, "labels")
    genes <- list(sequence = tokens@genes, joined = character(), outside = character())
    spare <- no_spare(nrow(tokens))
  } else {
    x <- told(cells_of(x, assay.type), verbose)
    types <- labels_of(x, labels, "labels")
    genes <- stage_genes(x$counts, model, settings$new_genes, min_genes,
                         thread_count(settings$num_threads), raw_hint(x$others))
    vocabulary <- longer_vocabulary(model@vocabulary, genes$outside)
    tokens <- stage_tokens(x, model, vocabulary, genes$sequence, min_genes, settings, verbose)
    every <- longer_vocabulary(vocabulary, setdiff(genes$spare, vocabulary$genes))
    spare <- stage_spare(x, model, every, genes$spare, rownames(tokens), settings)
    tell_joined(genes, model, verbose)
  }
  types <- types[match(rownames(tokens), tokens@all_cells)]
  check_types(types, model)
  tell_single_cells(types, verbose)
  list(tokens = tokens, types = types, genes = genes, spare = spare)
}

stage_tokens <- function(x, model, vocabulary, genes, min_genes, settings, verbose) {
  canal_prepare(x, vocabulary, genes = genes, min_genes = min_genes, verbose = verbose,
                n_bins = model@config$n_bins, target_sum = model@config$target_sum,
                num_threads = settings$num_threads)
}

# Raw, spare genes x the stage's cells.
stage_spare <- function(x, model, vocabulary, genes, cells, settings) {
  if (!length(genes)) return(no_spare(length(cells)))
  tokens <- suppressWarnings(stage_tokens(x, model, vocabulary, genes, 0, settings, FALSE),
                             classes = "canalR_warning")
  unname_cells(tokens@tokens[, cells, drop = FALSE])
}

unname_cells <- function(tokens) `colnames<-`(tokens, NULL)

check_prepared <- function(min_genes, settings) {
  if (isTRUE(settings$new_genes > 0)) {
    canal_abort("argument", "new_genes", "0, as `x` is CanalTokens, whose genes are fixed",
                format(settings$new_genes), "Give the counts instead.")
  }
  if (!is.null(min_genes)) {
    canal_abort("argument", "min_genes", "NULL, as `x` is CanalTokens", describe_value(min_genes),
                "Give it to canal_prepare().")
  }
}

# Before the first stage the genes are still to be chosen; a vocabulary that is shorter is taken
# whole.
stage_n_genes <- function(model) {
  n_genes <- model@config$n_genes
  if (n_genes >= length(model@vocabulary$genes)) NULL else n_genes
}

check_token_genes <- function(tokens, model, argument = "x") {
  known <- if (has_genes(model)) model@genes else model@vocabulary$genes
  if (!all(tokens@genes %in% known) || (has_genes(model) && !identical(tokens@genes, known))) {
    canal_abort("genes", argument, "tokens of the model's genes", "tokens of others",
                "Prepare the cells with canal_prepare(x, model).")
  }
  prepared <- c(tokens@n_bins, tokens@target_sum)
  expected <- c(model@config$n_bins, model@config$target_sum)
  if (any(prepared != expected)) {
    canal_abort("genes", argument,
                sprintf("tokens of %g bins, cells scaled to %g", expected[1], expected[2]),
                sprintf("%g bins and %g", prepared[1], prepared[2]))
  }
}

# The genes are fixed by the first stage, or by an imported checkpoint with a classification head.
has_genes <- function(model) length(model@labels) > 0

check_types <- function(types, model) {
  if (any(types == unassigned_label)) {
    canal_abort("labels", "labels", "names of cell types", "\"Unassigned\"",
                "That name is kept for cells of no known type.")
  }
  all_types <- union(model@labels, types)
  if (length(all_types) < 2L) {
    canal_abort("labels", "labels", "at least two types", paste("only", some_of(all_types)),
                "A classifier needs types to tell apart.")
  }
}

check_quota <- function(bank_size, labels) {
  if (bank_size > 0 && bank_size < length(labels)) {
    canal_warn("bank", "bank_size", sprintf("at least a cell for each of the %d types, or 0",
                                            length(labels)),
               format(bank_size), "The bank will be empty.")
  }
}

tell_single_cells <- function(types, verbose) {
  counts <- label_counts(types)
  single <- names(counts)[counts == 1L]
  if (length(single)) {
    canal_inform("single_cell", sprintf(
      "One cell only of %s: trained on, not validated.", some_of(single)), verbose)
  }
}

stop_reasons <- c(epochs = "all of them", patience = "no better since", interrupt = "interrupted",
                  error = "an error", diverged = "diverged")

tell_stage <- function(model, verbose) {
  record <- model@history[[length(model@history)]]
  new <- if (length(record$new_types)) some_of(record$new_types, 8) else "none"
  canal_inform("stage", sprintf(
    "Stage %d: %d cells; new types: %s; epochs: %d (%s), best validation accuracy %s; %.1f s.",
    record$stage, record$cells, new, record$epochs, stop_reasons[[record$stopped]],
    format(round(record$best_accuracy, 3)), record$seconds), verbose)
}
