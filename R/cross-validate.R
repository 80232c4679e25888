#' Cross-validate on labelled cells
#'
#' Splits labelled cells into folds that have the types in the same shares, trains on all folds but
#' one, annotates that one, and measures it, for every fold in turn.
#'
#' @param x Labelled cells: a SingleCellExperiment, SummarizedExperiment or Seurat object, a matrix
#'   or `dgCMatrix` (genes x cells, raw counts), or the path of an `.h5ad`, or of a 10x `.h5` file
#'   or folder (read once). Not [CanalTokens-class]: their genes were chosen on all cells, those of
#'   the tested fold too.
#' @param labels The cells' types: the name of a column of `x`, or a vector with one per cell.
#' @param model The [CanalModel-class] that every fold starts from, as [canal_train()] takes it:
#'   an untrained, pre-trained or imported one. One that was trained on cells of `x` knows them.
#' @param k Folds, from 2 to the number of cells that can be tested.
#' @param seed One whole number, 0 or more; `NULL` takes one from R's random numbers without using
#'   them up. It governs the folds, and the training in each.
#' @param ... More arguments for [canal_train()], such as `epochs` or `num_threads`. Of a
#'   `checkpoint` folder every fold has a folder of its own, `fold-1`, `fold-2`, ...: the same call
#'   made again, with a `seed`, goes on where it was stopped. Those that [canal_predict()] has too
#'   go to it as well. The processes of a `team` must be given the same `seed`.
#' @param verbose `TRUE` shows progress and says what is done; `FALSE` does neither. Warnings come
#'   either way. Each fold is told as it is done.
#' @param assay.type Name of the assay (Seurat: layer, which may be split; `.h5ad`: layer, or `"X"`;
#'   10x `.h5` of several genomes: one of them) with raw counts.
#'
#' @details Folds are drawn type by type: the sizes of folds differ by at most one cell, in every
#'   type and in all. A type with fewer cells than folds is tested in as many folds as it has cells.
#'   Of a type with one cell that cell is trained on in every fold and never tested; it is told.
#'
#'   Each fold's training chooses its genes and holds out its own validation cells among those it is
#'   given; nothing of the tested cells enters it. Unknown types are not looked for.
#'
#'   Ctrl-C ends the fold that is running; those done are returned with the warning
#'   `canalR_warning_stopped`, as they are after an error in a later fold.
#'
#' @return An object of class `canal_cv`, a list of
#'   * `folds`: a data frame with a row per fold done: `fold`, `cells` (tested), `trained_on`
#'     (cells), `accuracy`, `macro_f1`, `ari` (at most 1, as [canal_evaluate()] has them), `epochs`,
#'     `stopped` (why training ended: `"epochs"`, `"patience"`, `"error"` or `"diverged"`) and
#'     `seconds`, for training and annotating;
#'   * `labels`: a data frame with a row per cell of `x`: `truth`, `predicted` (`NA` where it was
#'     not tested or had too few genes) and `fold` (`NA` for cells that are only trained on);
#'   * `k` and `seed`.
#'
#'   `as.data.frame()` gives either; printing shows mean and standard deviation over the folds.
#' @section Errors: `canalR_error_class` (CanalTokens and other `x`), `canalR_error_labels`,
#'   `canalR_error_argument` (a `k` with nothing to test in a fold; an argument that [canal_train()]
#'   does not have), and those of [canal_train()] in the first fold.
#' @source TransAnno-Net's five-fold cross-validation.
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' file <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
#' pancreas <- canal_read_h5ad(file)
#' celseq2 <- pancreas[, pancreas$batch == "celseq2"]
#' model <- canal_model(canal_config("compact", n_genes = 500), rownames(pancreas), seed = 1)
#' validated <- canal_cross_validate(celseq2, "celltype", model, k = 2, epochs = 10, seed = 1,
#'                                   verbose = FALSE)
#' validated
#' as.data.frame(validated)
#' @export
canal_cross_validate <- function(x, labels, model, k = 5, seed = NULL, ..., verbose = TRUE,
                                 assay.type = "counts") {
  check_raw_input(x)
  check_model(model)
  check_flag(verbose, "verbose")
  training <- training_arguments(...)
  seed <- resolve_seed(seed)
  x <- told(cells_of(x, assay.type), verbose)
  types <- labels_of(x, labels, "labels")
  check_counts(x$counts, thread_count(training$num_threads), raw_hint(x$others))
  check_types(types, model)
  check_folds(k, types)
  fold <- stratified_folds(types, k, derive_seed(seed, 1))
  tell_untested(types, fold, verbose)
  data <- list(counts = x$counts, types = types, fold = fold, k = k, seed = seed)
  run_folds(data, model, training, verbose)
}

check_raw_input <- function(x) {
  if (!is(x, "CanalTokens")) return(invisible())
  canal_abort("class", "x", "cells with raw counts", "CanalTokens", paste(
    "Their genes were chosen on all cells, those to be tested too: give the object that",
    "canal_prepare() was given."
  ))
}

# What canal_train() gets beside what every fold has of its own.
training_arguments <- function(...) {
  given <- list(...)
  known <- setdiff(names(formals(canal_train)),
                   c("x", "labels", "model", "seed", "verbose", "assay.type", "..."))
  wrong <- if (is.null(names(given))) rep("", length(given)) else setdiff(names(given), known)
  if (length(wrong)) {
    canal_abort("argument", "...", "named arguments of canal_train()",
                if (all(nzchar(wrong))) some_of(wrong) else "one without a name")
  }
  if (!is.null(given$checkpoint)) {
    given$checkpoint <- check_text_path(given$checkpoint, "checkpoint")
  }
  given
}

check_folds <- function(k, types) {
  counts <- label_counts(types)
  tested <- sum(counts[counts > 1])
  if (tested < 2) {
    canal_abort("labels", "labels", "a type with at least two cells", "none",
                "The only cell of a type cannot be tested.")
  }
  check_number(k, "k", from = 2, to = tested, whole = TRUE)
}

# The fold, 1 to k, in which each cell is tested; NA for the only cell of a type. The folds are
# dealt out in turn, on from one type to the next, so that no fold has two cells more than another.
stratified_folds <- function(types, k, seed) {
  fold <- rep(NA_integer_, length(types))
  dealt <- 0
  with_seed(seed, {
    # Sorted by bytes: the draws must not depend on the user's language.
    for (type in sort(unique(types), method = "radix")) {
      cells <- which(types == type)
      if (length(cells) < 2L) next
      cells <- cells[sample.int(length(cells))]
      fold[cells] <- as.integer((dealt + seq_along(cells) - 1) %% k + 1)
      dealt <- dealt + length(cells)
    }
  })
  fold
}

tell_untested <- function(types, fold, verbose) {
  if (!anyNA(fold)) return(invisible())
  canal_inform("single_cell", sprintf(
    "One cell only of %s: trained on in every fold, never tested.",
    some_of(sort(types[is.na(fold)]))
  ), verbose)
}

# Ctrl-C is held back and let in while a fold is at work, so that it cannot take along those done.
run_folds <- function(data, model, training, verbose) {
  cv <- new_cv(data)
  suspendInterrupts({
    for (fold in seq_len(data$k)) {
      outcome <- tryCatch(until_interrupt(run_fold(fold, data, model, training, verbose)),
                          error = function(error) error)
      if (inherits(outcome, "error")) {
        if (fold == 1) stop(outcome)
        warn_folds(fold, data$k, conditionMessage(outcome))
        break
      }
      if (is.null(outcome)) {
        warn_folds(fold, data$k, "it was interrupted")
        break
      }
      cv$folds <- rbind(cv$folds, outcome$row)
      cv$labels$predicted[which(data$fold == fold)] <- outcome$labels
      canal_inform("fold", fold_text(outcome, data$k), verbose)
    }
    take_late_interrupt(verbose)
    cv
  })
}

new_cv <- function(data) {
  labels <- data.frame(truth = data$types, predicted = NA_character_, fold = data$fold,
                       row.names = colnames(data$counts), stringsAsFactors = FALSE)
  folds <- data.frame(fold = integer(), cells = integer(), trained_on = integer(),
                      accuracy = numeric(), macro_f1 = numeric(), ari = numeric(),
                      epochs = integer(), stopped = character(), seconds = numeric(),
                      stringsAsFactors = FALSE)
  structure(list(folds = folds, labels = labels, k = as.integer(data$k), seed = data$seed),
            class = "canal_cv")
}

# list(row, labels, evaluation) of a fold; NULL where the user interrupted it.
run_fold <- function(fold, data, model, training, verbose) {
  started <- proc.time()[["elapsed"]]
  late <- FALSE
  trained <- withCallingHandlers(train_fold(fold, data, model, training, verbose),
                                 canalR_late_interrupt = function(condition) late <<- TRUE)
  record <- trained@history[[length(trained@history)]]
  # Cells still wait for the bank where Ctrl-C came as they were ranked.
  if (late || record$stopped == "interrupt" || length(trained@pending)) return(NULL)
  tested <- which(data$fold == fold)
  labels <- fold_labels(tested, data, trained, training, fold_seed(data, fold))
  evaluation <- evaluate_labels(labels, data$types[tested], character())
  row <- data.frame(fold = fold, cells = length(tested),
                    trained_on = ncol(data$counts) - length(tested),
                    accuracy = evaluation$accuracy, macro_f1 = evaluation$macro_f1,
                    ari = evaluation$ari, epochs = record$epochs, stopped = record$stopped,
                    seconds = proc.time()[["elapsed"]] - started, stringsAsFactors = FALSE)
  list(row = row, labels = labels, evaluation = evaluation)
}

train_fold <- function(fold, data, model, training, verbose) {
  if (!is.null(training$checkpoint)) {
    training$checkpoint <- file.path(training$checkpoint, paste0("fold-", fold))
  }
  others <- which(!data$fold %in% fold)
  own <- list(x = to_its_end(data$counts[, others, drop = FALSE]),
              labels = data$types[others], model = model, seed = fold_seed(data, fold),
              verbose = verbose)
  quietly_but_progress(call_by_names("canal_train", c(own, training)))
}

fold_labels <- function(tested, data, trained, training, seed) {
  # A checkpoint here is the training's.
  both <- setdiff(intersect(names(training), names(formals(canal_predict))), "checkpoint")
  both <- training[both]
  # Every cell's type is known, whatever the recipe would do with others.
  own <- list(x = to_its_end(data$counts[, tested, drop = FALSE]), model = trained,
              seed = seed, novelty = "none", verbose = FALSE)
  predicted_labels(quietly_but_progress(call_by_names("canal_predict", c(own, both))))
}

# As do.call(), but with names for the values, so that no error shows a matrix in its call.
call_by_names <- function(name, values) {
  names <- stats::setNames(lapply(names(values), as.name), names(values))
  do.call(name, names, envir = list2env(values, parent = environment()))
}

fold_seed <- function(data, fold) derive_seed(data$seed, 1 + fold)

# Of what a fold's training says, its epochs and where it goes on; what is wrong with gene names was
# told of all cells already.
quietly_but_progress <- function(code) {
  withCallingHandlers(code, canalR_message = function(message) {
    if (!inherits(message, c("canalR_message_epoch", "canalR_message_resume"))) {
      tryInvokeRestart("muffleMessage")
    }
  }, canalR_warning_duplicates = function(warning) tryInvokeRestart("muffleWarning"))
}

fold_text <- function(outcome, k) {
  row <- outcome$row
  sprintf("Fold %d of %d: %s; epochs: %d (%s), %.1f s.", row$fold, k,
          headline(outcome$evaluation), row$epochs, stop_reasons[[row$stopped]], row$seconds)
}

warn_folds <- function(fold, k, why) {
  canal_warn("stopped", "x", sprintf("all %d folds to be run", k),
             sprintf("an end in fold %d: %s", fold, why),
             sprintf("The %d folds before it are returned.", fold - 1), call = NULL)
}

#' @rdname canal_cross_validate
#' @method print canal_cv
#' @export
print.canal_cv <- function(x, ...) {
  cat(sprintf("<canal_cv> %d of %d folds, %s cells, %d types\n", nrow(x$folds), x$k,
              thousands(nrow(x$labels)), length(unique(x$labels$truth))))
  if (!nrow(x$folds)) return(invisible(x))
  table <- x$folds
  measures <- c(accuracy = "accuracy", "macro F1" = "macro_f1", ARI = "ari")
  for (name in names(measures)) {
    values <- table[[measures[[name]]]]
    cat(sprintf("  %-9s %s (sd %s)\n", name, share(mean(values, na.rm = TRUE)),
                share(stats::sd(values, na.rm = TRUE))))
    table[[measures[[name]]]] <- share(values, "-")
  }
  table$seconds <- sprintf("%.1f", table$seconds)
  print(table, row.names = FALSE)
  invisible(x)
}

#' @rdname canal_cross_validate
#' @param row.names,optional As in [as.data.frame()].
#' @param what `"folds"`, a row per fold; or `"labels"`, a row per cell.
#' @method as.data.frame canal_cv
#' @export
as.data.frame.canal_cv <- function(x, row.names = NULL, optional = FALSE, ...,
                                   what = c("folds", "labels")) {
  if (missing(what)) what <- what[1]
  check_choice(what, c("folds", "labels"), "what")
  table <- if (what == "labels") x$labels else x$folds
  as.data.frame(table, row.names = row.names, optional = optional)
}
