# One of the types, endothelial, has a single cell.
cv_cells <- function() panc_cells("indrop", most = 9)

validated <- function(cells = cv_cells(), ..., k = 3, epochs = 2, verbose = FALSE) {
  canal_cross_validate(cells$counts, cells$types, untrained(), k = k, seed = 4, epochs = epochs,
                       ..., verbose = verbose)
}

kept_cv <- function() once("cv", validated)

test_that("folds are stratified, and every cell with a like is tested once", {
  types <- rep(c("a", "b", "c", "d", "e"), c(23, 7, 3, 2, 1))
  for (k in 2:6) {
    fold <- stratified_folds(types, k, seed = k)
    expect_identical(which(is.na(fold)), which(types == "e"))
    expect_setequal(fold[types != "e"], seq_len(k))
    expect_lte(diff(range(tabulate(fold, k))), 1)
    for (type in c("a", "b", "c", "d")) {
      by_fold <- tabulate(fold[types == type], k)
      expect_lte(diff(range(by_fold)), 1)
      # So some cell of the type is left to train on, always.
      expect_lt(max(by_fold), sum(types == type))
    }
    expect_identical(stratified_folds(types, k, seed = k), fold)
    expect_false(identical(stratified_folds(types, k, seed = k + 1), fold))
  }
})

test_that("every fold is what canal_train() and canal_predict() make of the other cells", {
  cells <- cv_cells()
  cv <- kept_cv()
  labels <- as.data.frame(cv, what = "labels")
  folds <- as.data.frame(cv)
  expect_s3_class(cv, "canal_cv")
  expect_identical(rownames(labels), colnames(cells$counts))
  expect_identical(labels$truth, cells$types)
  expect_identical(folds$fold, 1:3)
  for (fold in 1:3) {
    test <- labels$fold %in% fold
    model <- canal_train(cells$counts[, !test], cells$types[!test], untrained(), epochs = 2,
                         seed = derive_seed(4, 1 + fold), verbose = FALSE)
    expected <- predict_quietly(cells$counts[, test], model)$canal_label
    expect_identical(labels$predicted[test], expected)
    evaluation <- canal_evaluate(expected, cells$types[test])
    for (name in c("accuracy", "macro_f1", "ari", "cells")) {
      expect_identical(folds[[name]][fold], evaluation[[name]], info = name)
    }
    expect_identical(folds$trained_on[fold], sum(!test))
  }
  expect_identical(folds$epochs, rep(2L, 3))
})

test_that("the only cell of a type is trained on, never tested, and told", {
  cells <- cv_cells()
  single <- which(cells$types == "endothelial")
  expect_length(single, 1)
  told <- testthat::capture_messages(cv <- validated(k = 2, epochs = 1, verbose = TRUE))
  expect_length(told, 3)
  expect_match(told[1], "One cell only of endothelial: trained on in every fold, never tested")
  expect_match(told[2:3], "Fold [12] of 2: accuracy")
  expect_identical(which(is.na(cv$labels$fold)), single)
  expect_identical(which(is.na(cv$labels$predicted)), single)
  expect_identical(sum(cv$folds$cells), length(cells$types) - 1L)
  expect_identical(cv$folds$trained_on + cv$folds$cells, rep(length(cells$types), 2))
})

test_that("the seed decides, and the user's random numbers stay", {
  again <- validated()
  same <- c("folds", "labels", "seed")
  drop_time <- function(cv) {
    cv$folds$seconds <- NULL
    unclass(cv)[same]
  }
  expect_identical(drop_time(again), drop_time(kept_cv()))
  cells <- cv_cells()
  set.seed(8)
  before <- .Random.seed
  one <- canal_cross_validate(cells$counts, cells$types, untrained(), k = 2, epochs = 1,
                              verbose = FALSE)
  expect_identical(.Random.seed, before)
  set.seed(9)
  other <- canal_cross_validate(cells$counts, cells$types, untrained(), k = 2, epochs = 1,
                                verbose = FALSE)
  expect_false(identical(one$labels$fold, other$labels$fold))
})

test_that("objects and files give what their matrix gives", {
  cells <- cv_cells()
  expected <- kept_cv()$labels
  expect_identical(validated(list(counts = as.matrix(cells$counts), types = cells$types))$labels,
                   expected)
  run <- function(x, labels) {
    canal_cross_validate(x, labels, untrained(), k = 3, seed = 4, epochs = 2, verbose = FALSE)
  }
  if (requireNamespace("SingleCellExperiment", quietly = TRUE)) {
    x <- SingleCellExperiment::SingleCellExperiment(
      list(counts = cells$counts), colData = S4Vectors::DataFrame(type = factor(cells$types))
    )
    expect_identical(run(x, "type")$labels, expected)
  }
  if (requireNamespace("SeuratObject", quietly = TRUE)) {
    x <- suppressWarnings(SeuratObject::CreateSeuratObject(cells$counts))
    x$type <- cells$types
    expect_identical(run(x, "type")$labels, expected)
  }
  path <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
  whole <- cells_of(path)
  reads <- 0
  own <- cells_of.character
  with_binding("cells_of.character", function(x, ...) {
    reads <<- reads + 1
    own(x, ...)
  }, {
    registerS3method("cells_of", "character", cells_of.character, asNamespace("canalR"))
    on.exit(registerS3method("cells_of", "character", own, asNamespace("canalR")))
    cv <- canal_cross_validate(path, "celltype", untrained(), k = 2, seed = 4, epochs = 1,
                               verbose = FALSE)
  })
  expect_identical(reads, 1)
  expect_identical(cv$labels$truth, as.character(whole$obs$celltype))
})

test_that("Ctrl-C and an error in a later fold leave the folds that are done", {
  train <- train_fold
  interrupted <- function(...) {
    model <- train(...)
    model@history[[length(model@history)]]$stopped <- "interrupt"
    model
  }
  failing <- function(...) stop("out of memory")
  validated_until <- function(last, then) {
    with_binding("train_fold", function(fold, ...) {
      if (fold > last) then(fold, ...) else train(fold, ...)
    }, validated())
  }
  for (then in list(interrupted, failing)) {
    expect_warning(cv <- validated_until(1, then), "fold 2", class = "canalR_warning_stopped")
    expect_identical(cv$folds$accuracy, kept_cv()$folds$accuracy[1])
    expect_identical(is.na(cv$labels$predicted), !cv$labels$fold %in% 1)
  }
  expect_error(validated_until(0, failing), "out of memory")
  expect_warning(cv <- validated_until(0, interrupted), "0 folds",
                 class = "canalR_warning_stopped")
  expect_output(print(cv), "0 of 3 folds")
  expect_identical(vapply(as.data.frame(cv), typeof, ""), vapply(kept_cv()$folds, typeof, ""))
  expect_identical(nrow(as.data.frame(cv)), 0L)
})

test_that("Ctrl-C that comes from outside does so too", {
  skip_on_os("windows")
  code <- c(
    "warned <- NULL",
    "cv <- withCallingHandlers(",
    "  canal_cross_validate(value$cells$counts, value$cells$types, value$model, k = 3, seed = 4,",
    "                       epochs = 400, patience = 400),",
    "  canalR_message_fold = function(message) tell('done-1'),",
    "  canalR_warning_stopped = function(warning) {",
    "    warned <<- conditionMessage(warning)",
    "    tryInvokeRestart('muffleWarning')",
    "  }",
    ")",
    "result <- list(cv = cv, warned = warned)"
  )
  result <- in_new_session(code, list(cells = cv_cells(), model = untrained()), function(file) {
    if (!wait_for(file("done-1"))) return(invisible())
    Sys.sleep(0.2)
    tools::pskill(as.integer(readLines(file("pid"))), tools::SIGINT)
  })
  expect_match(result$warned, "interrupted")
  expect_identical(result$cv$folds$fold, 1L)
  expect_identical(is.na(result$cv$labels$predicted), !result$cv$labels$fold %in% 1)
})

test_that("a fold has a checkpoint of its own", {
  folder <- file.path(tempfile("cv"), "inside")
  on.exit(unlink(dirname(folder), recursive = TRUE))
  cv <- validated(k = 2, checkpoint = folder)
  expect_setequal(dir(folder), c("fold-1", "fold-2"))
  again <- validated(k = 2, checkpoint = folder)
  expect_identical(again$labels, cv$labels)
})

test_that("arguments reach training and annotation", {
  cells <- cv_cells()
  detected <- Matrix::colSums(cells$counts > 0)
  fewest <- stats::quantile(detected, 0.2, names = FALSE)
  cv <- suppressWarnings(validated(epochs = 1, min_genes = fewest))
  expect_identical(cv$folds$epochs, rep(1L, 3))
  left_out <- detected < fewest & !is.na(cv$labels$fold)
  expect_true(any(left_out))
  expect_identical(is.na(cv$labels$predicted[!is.na(cv$labels$fold)]),
                   unname(left_out[!is.na(cv$labels$fold)]))
  # A cell without label is a wrong one.
  right <- cv$labels$truth == cv$labels$predicted
  for (fold in 1:3) {
    expect_equal(cv$folds$accuracy[fold], sum(right[cv$labels$fold %in% fold], na.rm = TRUE) /
                   cv$folds$cells[fold])
  }
})

test_that("mean and standard deviation are printed", {
  cv <- kept_cv()
  shown <- capture.output(print(cv))
  expect_match(shown[1], sprintf("3 of 3 folds, %d cells", nrow(cv$labels)), fixed = TRUE)
  expect_match(shown[2], sprintf("accuracy  %.3f (sd %.3f)", mean(cv$folds$accuracy),
                                 sd(cv$folds$accuracy)), fixed = TRUE)
  expect_length(grep("epochs", shown), 4)
})

test_that("what cannot be cross-validated is refused", {
  cells <- cv_cells()
  tokens <- canal_prepare(cells$counts, untrained(), verbose = FALSE)
  expect_refused(canal_cross_validate(tokens, cells$types, untrained()), "class", "x")
  expect_refused(validated(k = 1), "argument", "k")
  expect_refused(validated(k = 1000), "argument", "k")
  expect_refused(validated(k = 2.5), "argument", "k")
  expect_refused(validated(epoch = 3), "argument", "...")
  expect_refused(canal_cross_validate(cells$counts, cells$types, untrained(), 2, 1, 3), "argument",
                 "...")
  expect_refused(canal_cross_validate(cells$counts, cells$types, NULL), "argument", "model")
  expect_refused(canal_cross_validate(cells$counts, "type", untrained()), "labels", "labels")
  refused <- tryCatch(validated(epochs = -1), error = identity)
  expect_s3_class(refused, "canalR_error_argument")
  expect_lt(sum(nchar(deparse(conditionCall(refused)))), 500)
  expect_refused(validated(list(counts = cells$counts[, 1:2], types = c("a", "b"))), "labels",
                 "labels")
  expect_error(validated(list(counts = log1p(cells$counts), types = cells$types)),
               class = "canalR_error_transformed")
})

test_that("a recipe's novelty leaves no cell of a known type without its label", {
  recipe <- canal_recipe("transanno")
  recipe[c("n_genes", "epochs", "fc1", "fc2")] <- list(40, 2, 16, 8)
  expect_identical(recipe$novelty, "threshold")
  cv <- validated(recipe = recipe)
  labels <- as.data.frame(cv, what = "labels")
  expect_false(any(labels$predicted %in% "Unassigned"))
})
