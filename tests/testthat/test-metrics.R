# Against the obvious: loops over types and over pairs of cells.

naive_accuracy <- function(truth, predicted) {
  right <- 0
  for (i in seq_along(truth)) {
    if (!is.na(predicted[i]) && predicted[i] == truth[i]) right <- right + 1
  }
  right / length(truth)
}

naive_f1 <- function(truth, predicted, type) {
  hits <- extra <- missed <- 0
  for (i in seq_along(truth)) {
    called <- isTRUE(predicted[i] == type)
    is_one <- truth[i] == type
    hits <- hits + (called && is_one)
    extra <- extra + (called && !is_one)
    missed <- missed + (!called && is_one)
  }
  if (hits == 0) return(0)
  precision <- hits / (hits + extra)
  recall <- hits / (hits + missed)
  2 * precision * recall / (precision + recall)
}

# From the four kinds of pairs: together or apart, in truth (rows) and in prediction (columns).
naive_adjusted_rand <- function(truth, predicted) {
  pairs <- matrix(0, 2, 2)
  for (i in seq_along(truth)[-1]) {
    for (j in seq_len(i - 1)) {
      row <- if (truth[i] == truth[j]) 1 else 2
      column <- if (isTRUE(predicted[i] == predicted[j])) 1 else 2
      pairs[row, column] <- pairs[row, column] + 1
    }
  }
  if (pairs[1, 2] == 0 && pairs[2, 1] == 0) return(1)
  2 * det(pairs) / sum(rowSums(pairs) * rev(colSums(pairs)))
}

random_labels <- function(n, types, seed, left_out = 0.1) {
  set.seed(seed)
  truth <- sample(types, n, TRUE)
  predicted <- ifelse(stats::runif(n) < 0.6, truth, sample(c(types, "Unassigned"), n, TRUE))
  predicted[stats::runif(n) < left_out] <- NA
  list(truth = truth, predicted = predicted)
}

test_that("accuracy, F1 and the adjusted Rand index equal naive ones on random labels", {
  for (seed in 1:12) {
    labels <- random_labels(n = 5 + 6 * seed, types = LETTERS[seq_len(1 + seed %% 6)], seed)
    truth <- labels$truth
    predicted <- labels$predicted
    expect_equal(accuracy_of(truth, predicted), naive_accuracy(truth, predicted))
    scores <- type_scores(truth, predicted)
    expect_identical(scores$type, sort(unique(truth)))
    expect_equal(scores$f1, vapply(scores$type, function(type) naive_f1(truth, predicted, type), 0,
                                   USE.NAMES = FALSE))
    expect_equal(macro_f1_of(truth, predicted), mean(scores$f1))
    expect_equal(adjusted_rand_of(truth, predicted), naive_adjusted_rand(truth, predicted))
  }
})

test_that("the adjusted Rand index has its known values", {
  expect_equal(adjusted_rand_of(c("a", "a", "b", "b"), c("x", "x", "y", "z")), 4 / 7)
  expect_equal(adjusted_rand_of(c("a", "a", "b", "b"), c("x", "y", "x", "y")), -0.5)
  expect_equal(adjusted_rand_of(c("a", "a", "b", "b"), c("b", "b", "a", "a")), 1)
})

test_that("the adjusted Rand index is defined for degenerate partitions", {
  expect_identical(adjusted_rand_of(rep("a", 5), rep("b", 5)), 1)
  expect_identical(adjusted_rand_of(letters[1:5], LETTERS[1:5]), 1)
  expect_identical(adjusted_rand_of(rep("a", 5), letters[1:5]), 0)
  expect_identical(adjusted_rand_of(letters[1:5], rep("a", 5)), 0)
  expect_identical(adjusted_rand_of("a", "a"), NA_real_)
  expect_identical(adjusted_rand_of(character(), character()), NA_real_)
})

test_that("the adjusted Rand index keeps its digits for many cells", {
  truth <- rep(c("a", "b"), each = 2e5)
  expect_equal(adjusted_rand_of(truth, truth), 1)
  expect_lt(abs(adjusted_rand_of(truth, rep(c("x", "y"), 2e5))), 1e-5)
})

test_that("a cell without prediction is wrong and together with no other", {
  truth <- c("a", "a", "b", "b")
  expect_identical(accuracy_of(truth, c("a", NA, "b", NA)), 0.5)
  expect_equal(macro_f1_of(truth, c("a", NA, "b", NA)), 2 / 3)
  expect_equal(adjusted_rand_of(truth, c("a", "a", NA, NA)),
               adjusted_rand_of(truth, c("a", "a", "x", "y")))
  expect_identical(macro_f1_of(truth, rep(NA_character_, 4)), 0)
  expect_identical(type_scores(truth, c("a", NA, NA, NA))$left_out, 1:2)
})

test_that("a type that is never predicted has F1 0 and no precision", {
  scores <- type_scores(c("a", "a", "b"), c("a", "a", "a"))
  expect_identical(scores$f1, c(0.8, 0))
  expect_identical(scores$precision, c(2 / 3, NA))
  expect_identical(scores$recall, c(1, 0))
  expect_identical(scores$predicted, c(3L, 0L))
})

test_that("a type that is predicted only is no part of macro F1", {
  expect_identical(macro_f1_of(c("a", "a"), c("a", "c")), 2 / 3)
})

test_that("no cells have no measures", {
  none <- character()
  expect_identical(accuracy_of(none, none), NA_real_)
  expect_identical(macro_f1_of(none, none), NA_real_)
  expect_identical(nrow(type_scores(none, none)), 0L)
  expect_identical(dim(confusion_of(none, none)), c(0L, 0L))
})

test_that("the confusion matrix counts truth x predicted", {
  labels <- random_labels(80, c("b", "a", "c"), seed = 3)
  confusion <- confusion_of(labels$truth, labels$predicted)
  expect_identical(dimnames(confusion), list(truth = c("a", "b", "c"),
                                             predicted = c("a", "b", "c", "Unassigned")))
  for (truth in rownames(confusion)) {
    for (predicted in colnames(confusion)) {
      expect_identical(confusion[truth, predicted],
                       sum(labels$truth == truth & labels$predicted %in% predicted))
    }
  }
  expect_identical(sum(confusion), sum(!is.na(labels$predicted)))
})

test_that("the confusion matrix lists known types, then novel ones, then Unassigned", {
  confusion <- confusion_of(c("z", "b", "a"), c("Unassigned", "b", "c"), novel = "a")
  expect_identical(rownames(confusion), c("b", "z", "a"))
  expect_identical(colnames(confusion), c("b", "c", "z", "Unassigned"))
  confusion <- confusion_of(c("Unassigned", "b"), c("b", "a"), novel = "a")
  expect_identical(rownames(confusion), c("b", "Unassigned"))
  expect_identical(colnames(confusion), c("b", "a", "Unassigned"))
})

test_that("the H-score is the harmonic mean", {
  expect_equal(h_score_of(0.9, 0.6), 2 / (1 / 0.9 + 1 / 0.6))
  expect_identical(h_score_of(0, 0), 0)
  expect_identical(h_score_of(1, 0), 0)
  expect_identical(h_score_of(1, NA), NA_real_)
  expect_identical(h_score_of(NA, 0.5), NA_real_)
})

# Every novel cell beside every other.
naive_auroc <- function(score, novel) {
  higher <- 0
  for (i in which(novel)) {
    for (j in which(!novel)) {
      higher <- higher + (score[i] > score[j]) + (score[i] == score[j]) / 2
    }
  }
  higher / (sum(novel) * sum(!novel))
}

naive_h_score <- function(truth, predicted, novel) {
  right <- c(0, 0)
  cells <- c(0, 0)
  for (i in seq_along(truth)) {
    kind <- if (truth[i] %in% novel) 2 else 1
    wanted <- if (kind == 2) "Unassigned" else truth[i]
    cells[kind] <- cells[kind] + 1
    right[kind] <- right[kind] + isTRUE(predicted[i] == wanted)
  }
  share <- right / cells
  if (any(cells == 0)) NA_real_ else if (sum(share) == 0) 0 else 2 / sum(1 / share)
}

test_that("the AUROC is the share of pairs, by ranks and by Wilcoxon's statistic", {
  for (seed in 1:20) {
    set.seed(seed)
    n <- sample(2:60, 1)
    # Some equal, so that there are ties.
    score <- round(stats::rnorm(n), sample(0:2, 1))
    novel <- stats::runif(n) < stats::runif(1)
    novel[1:2] <- c(TRUE, FALSE)
    expect_equal(auroc_of(score, novel), naive_auroc(score, novel))
    wilcoxon <- suppressWarnings(stats::wilcox.test(score[novel], score[!novel]))$statistic
    expect_equal(auroc_of(score, novel), unname(wilcoxon) / sum(novel) / sum(!novel))
    expect_equal(auroc_of(-score, novel), 1 - auroc_of(score, novel))
  }
  expect_identical(auroc_of(1:4, c(FALSE, FALSE, TRUE, TRUE)), 1)
  expect_identical(auroc_of(rep(1, 4), c(FALSE, FALSE, TRUE, TRUE)), 0.5)
  # Products of counts beyond the integers.
  expect_equal(auroc_of(c(rep(0, 2e5), 1:2e5), rep(c(FALSE, TRUE), each = 2e5)), 1)
})

test_that("without cells of one kind there is no AUROC", {
  expect_identical(auroc_of(numeric(), logical()), NA_real_)
  expect_identical(auroc_of(1:3, rep(TRUE, 3)), NA_real_)
  expect_identical(auroc_of(1:3, rep(FALSE, 3)), NA_real_)
})

test_that("the H-score of an evaluation equals the naive one, of one kind and of none too", {
  for (seed in 1:15) {
    labels <- random_labels(n = 3 * seed, types = LETTERS[seq_len(1 + seed %% 4)], 50 + seed)
    for (novel in list("A", c("A", "B"), "Z", LETTERS)) {
      found <- suppressMessages(canal_evaluate(labels$predicted, labels$truth, novel))
      expect_equal(found$h_score, naive_h_score(labels$truth, labels$predicted, novel))
    }
  }
})

test_that("measures of no cells and of one class are those of the naive loops", {
  for (n in c(0, 1, 2, 7)) {
    for (types in list("a", c("a", "b"))) {
      set.seed(n)
      truth <- rep("a", n)
      predicted <- sample(types, n, TRUE)
      found <- canal_evaluate(predicted, truth)
      if (n == 0) {
        expect_true(all(is.na(unlist(found[c("accuracy", "macro_f1", "ari", "auroc")]))))
      } else {
        expect_equal(found$accuracy, naive_accuracy(truth, predicted))
        expect_equal(found$macro_f1, naive_f1(truth, predicted, "a"))
        if (n > 1) expect_equal(found$ari, naive_adjusted_rand(truth, predicted))
      }
    }
  }
})

test_that("labels are counted without a change of options, which an interrupt would leave", {
  warn <- NULL
  registerS3method("as.character", "canalR_probe", function(x, ...) {
    warn <<- getOption("warn")
    unclass(x)
  }, envir = baseenv())
  probe <- structure(c(3, 8, 3), class = "canalR_probe")
  old <- options(warn = 0)
  on.exit(options(old))
  table(probe)
  expect_identical(warn, 2L)
  expect_identical(c(label_counts(probe)), c(`3` = 2L, `8` = 1L))
  expect_identical(warn, 0L)
})

test_that("labels are counted as table() does", {
  set.seed(5)
  one <- sample(c("b", "a", NA), 40, replace = TRUE)
  other <- factor(sample(3:1, 40, replace = TRUE), 1:4)
  expect_identical(c(label_counts(one)), c(table(one)))
  expect_identical(unname(label_counts(one, other)), unname(table(one, other)))
  expect_length(label_counts(NULL), 0)
})
