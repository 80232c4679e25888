compared <- function(...) {
  query <- panc_cells("celseq2")
  canal_compare(query$counts, query$types, ..., seed = 1, verbose = FALSE)
}

trained_on <- function() {
  stages <- list(panc_cells("indrop"), panc_cells("celseq"))
  list(counts = lapply(stages, `[[`, "counts"), types = lapply(stages, `[[`, "types"))
}

test_that("logistic regression is the ridge of that penalty", {
  skip_if_not_installed("glmnet")
  set.seed(1)
  types <- rep(c("a", "b", "c"), c(12, 9, 8))
  train <- sparse(matrix(stats::rpois(6 * 29, 3 + 4 * (outer(1:6, match(types, letters), `==`))), 6,
                         dimnames = list(letters[1:6], paste0("cell", 1:29))))
  # The objective of scikit-learn, minimised without glmnet: |w|^2 / 2 + C sum(loss).
  values <- t(as.matrix(log1p(1e4 * sweep(as.matrix(train), 2, colSums(as.matrix(train)), `/`))))
  chosen <- outer(types, c("a", "b", "c"), `==`)
  loss <- function(p) {
    w <- matrix(p, 7)
    scores <- cbind(1, values) %*% w
    most <- apply(scores, 1, max)
    sum(w[-1, ]^2) / 2 + 0.1 * sum(most + log(rowSums(exp(scores - most))) - scores[chosen])
  }
  best <- stats::optim(numeric(21), loss, method = "BFGS", control = list(maxit = 2000,
                                                                       reltol = 1e-12))
  fit <- glmnet::glmnet(Matrix::t(log_normalise(train)), factor(types), family = "multinomial",
                        alpha = 0, lambda = ridge_lambda(29) * c(100, 10, 1), standardize = FALSE,
                        thresh = 1e-12)
  slopes <- vapply(stats::coef(fit, s = ridge_lambda(29)), function(w) as.vector(w)[-1], numeric(6))
  expect_equal(unname(slopes), matrix(best$par, 7)[-1, ], tolerance = 0.01)
  data <- list(train = train, query = train, types = types)
  scores <- cbind(1, values) %*% matrix(best$par, 7)
  expect_identical(logistic_labels(data)$labels, c("a", "b", "c")[max.col(scores)])
})

test_that("all methods annotate, and are measured as canal_evaluate() measures", {
  skip_if_not_installed("glmnet")
  skip_if_not_installed("SingleR")
  skip_if_not_installed("scran")
  skip_if_not_installed("Seurat")
  train <- trained_on()
  truth <- panc_cells("celseq2")$types
  set.seed(5)
  before <- .Random.seed
  table <- compared(train$counts, train$types, model = stage_two())
  expect_identical(.Random.seed, before)
  expect_identical(table$method, c("canalR", "logistic", "SingleR", "Seurat"))
  labels <- as.data.frame(table, what = "labels")
  expect_identical(rownames(labels), colnames(panc_cells("celseq2")$counts))
  expect_identical(labels$truth, truth)
  for (i in seq_len(nrow(table))) {
    evaluation <- canal_evaluate(labels[[table$method[i]]], truth)
    expect_identical(table$accuracy[i], evaluation$accuracy)
    expect_identical(table$macro_f1[i], evaluation$macro_f1)
    expect_identical(table$ari[i], evaluation$ari)
  }
  expect_true(all(table$accuracy[-1] > 0.8))
  expect_identical(labels$canalR,
                   predict_quietly(panc_cells("celseq2")$counts, stage_two())$canal_label)
  # The same seed, the same labels.
  again <- as.data.frame(compared(train$counts, train$types), what = "labels")
  expect_identical(again, labels[names(again)])
  expect_output(print(table), "logistic")
  expect_identical(class(table["method"]), "data.frame")
})

test_that("a method that cannot run says why, and the others are kept", {
  skip_if_not_installed("glmnet")
  train <- trained_on()
  missing <- list(annotate = with_packages("no.such.package", identity))
  table <- with_binding("baselines", c(list(missing = missing), baselines["logistic"]),
                        compared(train$counts, train$types))
  expect_identical(is.na(table$accuracy), c(TRUE, FALSE))
  expect_identical(is.na(table$seconds), c(TRUE, FALSE))
  expect_match(table$note[1], "no.such.package is not installed")
  expect_identical(names(as.data.frame(table, what = "labels")), c("truth", "logistic"))
})

test_that("an interrupt in a method leaves no option as the method had set it", {
  train <- trained_on()
  # What irlba and SingleR do: Ctrl-C may come before they have arranged to set it back.
  halfway <- list(annotate = function(data) {
    options(warn = 2, DelayedArray.auto.BPPARAM = "serial")
    tools::pskill(Sys.getpid(), tools::SIGINT)
    Sys.sleep(60)
  })
  before <- options()
  interrupted <- tryCatch(with_binding("baselines", list(halfway = halfway),
                                       compared(train$counts, train$types)),
                          interrupt = function(interrupt) "interrupted")
  expect_identical(interrupted, "interrupted")
  expect_identical(options(), before)
})

test_that("types of one cell are left out of the regression, and told", {
  skip_if_not_installed("glmnet")
  train <- stage_one_cells()
  train$types[1] <- "lonely"
  table <- compared(train$counts, train$types, methods = "logistic")
  expect_match(table$note, "one cell: .*lonely")
  expect_true(is.finite(table$accuracy))
})

test_that("genes are matched by name", {
  skip_if_not_installed("glmnet")
  train <- stage_one_cells()
  query <- panc_cells("celseq2")
  run <- function(counts, train_counts) {
    as.data.frame(canal_compare(counts, query$types, train_counts, train$types,
                                methods = "logistic", verbose = FALSE), what = "labels")$logistic
  }
  some <- rownames(train$counts)[1:150]
  expect_identical(run(query$counts[rev(rownames(query$counts)), ], train$counts[some, ]),
                   run(query$counts[some, ], train$counts[some, ]))
})

test_that("what does not fit is refused", {
  train <- trained_on()
  expect_refused(compared(train$counts, train$types, methods = "svm"), "argument", "methods")
  for (odd in list(sum, globalenv(), stage_one(), matrix("logistic"), character(), NA)) {
    expect_refused(compared(train$counts, train$types, methods = odd), "argument", "methods")
  }
  expect_refused(compared(train$counts, train$types[1]), "labels", "train_labels")
  expect_refused(compared(train$counts[[1]], train$types[[1]][-1]), "labels", "train_labels")
  expect_refused(compared(train$counts, train$types, model = untrained()), "model", "model")
  expect_refused(compared(train$counts, train$types, novelty = "canal"), "argument", "...")
  other <- train$counts[[1]]
  rownames(other) <- paste0("X", seq_len(nrow(other)))
  expect_refused(compared(other, train$types[[1]]), "overlap", "x")
})

test_that("a misspelt argument is an error, not a method that could not run", {
  cells <- stage_one_cells()
  expect_error(canal_compare(cells$counts, cells$types, cells$counts, cells$types,
                             model = stage_one(), methods = "logistic", minimum = 3,
                             verbose = FALSE), "minimum", class = "canalR_error_argument")
  expect_error(canal_compare(cells$counts, cells$types, list(), list(), methods = "logistic",
                             verbose = FALSE), "train", class = "canalR_error_empty")
})

test_that("labels of the query are no labels of other cells, and the result's columns no choice", {
  cells <- stage_one_cells()
  expect_refused(canal_compare(cells$counts, cells$types, cells$counts, methods = "logistic",
                               verbose = FALSE), "argument", "train_labels")
  # The labels that are measured are those of the usual column.
  expect_refused(canal_compare(cells$counts, cells$types, cells$counts, cells$types,
                               methods = "logistic", model = stage_one(), prefix = "mine",
                               verbose = FALSE), "argument", "...")
})

test_that("logistic regression labels a single cell", {
  skip_if_not_installed("glmnet")
  cells <- stage_one_cells()
  one <- canal_compare(cells$counts[, 1, drop = FALSE], cells$types[1], cells$counts,
                       list(cells$types), methods = "logistic", seed = 1, verbose = FALSE)
  expect_identical(as.data.frame(one, what = "labels")$logistic, cells$types[1])
})
