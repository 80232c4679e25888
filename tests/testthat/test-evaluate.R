evaluated <- function(...) suppressMessages(canal_evaluate(...), classes = "canalR_message")

test_that("labels are compared with the truth", {
  truth <- factor(c("a", "b", "a", "a"), c("b", "a", "z"))
  evaluation <- canal_evaluate(c("a", "b", "b", NA), truth)
  expect_s3_class(evaluation, "canal_evaluation")
  expect_identical(evaluation$cells, 4L)
  expect_identical(evaluation$accuracy, 0.5)
  expect_identical(evaluation$known_accuracy, 0.5)
  expect_identical(evaluation$left_out, 1L)
  expect_identical(evaluation$unassigned, 0L)
  expect_identical(evaluation$by_type$type, c("a", "b"))
  expect_identical(evaluation$by_type$cells, c(3L, 1L))
  expect_identical(evaluation$by_type$left_out, c(1L, 0L))
  expect_equal(evaluation$macro_f1, mean(c(2 * 1 / (3 + 1), 2 * 1 / (1 + 2))))
  expect_identical(evaluation$unknown_accuracy, NA_real_)
  expect_identical(evaluation$h_score, NA_real_)
})

test_that("Unassigned is right for novel types, and only for them", {
  truth <- c("a", "a", "b", "new", "new", "newer")
  predicted <- c("a", "Unassigned", "b", "Unassigned", "b", "Unassigned")
  evaluation <- canal_evaluate(predicted, truth, novel = c("new", "newer"))
  expect_equal(evaluation$known_accuracy, 2 / 3)
  expect_equal(evaluation$unknown_accuracy, 2 / 3)
  expect_equal(evaluation$h_score, 2 / 3)
  expect_equal(evaluation$accuracy, 4 / 6)
  expect_identical(evaluation$by_type$type, c("a", "b", "Unassigned"))
  expect_identical(evaluation$by_type$cells, c(2L, 1L, 3L))
  expect_identical(rownames(evaluation$confusion), c("a", "b", "new", "newer"))
  # Without knowing which types are novel the same calls are mistakes.
  expect_equal(canal_evaluate(predicted, truth)$accuracy, 2 / 6)
})

test_that("a perfect annotation with several novel types has full marks", {
  truth <- c("a", "b", "new", "newer")
  evaluation <- canal_evaluate(c("a", "b", "Unassigned", "Unassigned"), truth, c("new", "newer"))
  perfect <- unlist(evaluation[c("accuracy", "macro_f1", "ari", "known_accuracy",
                                 "unknown_accuracy", "h_score")])
  expect_identical(unname(perfect), rep(1, 6))
})

test_that("a truth that says Unassigned counts as novel", {
  evaluation <- canal_evaluate(c("a", "Unassigned"), c("a", "Unassigned"))
  expect_identical(evaluation$unknown_accuracy, 1)
  expect_identical(evaluation$by_type$type, c("a", "Unassigned"))
})

test_that("only novel cells have no known accuracy", {
  evaluation <- canal_evaluate(c("Unassigned", "a"), c("new", "new"), novel = "new")
  expect_identical(evaluation$known_accuracy, NA_real_)
  expect_identical(evaluation$unknown_accuracy, 0.5)
  expect_identical(evaluation$h_score, NA_real_)
})

test_that("a novel type without cells is told", {
  expect_message(canal_evaluate("a", "a", novel = "new"), "novel type new",
                 class = "canalR_message_evaluation")
})

test_that("Unassigned is no novel type of its own", {
  labels <- c("Unassigned", "a")
  expect_identical(canal_evaluate(labels, labels, novel = "Unassigned"),
                   canal_evaluate(labels, labels))
})

test_that("no cells and no predictions are evaluated", {
  none <- canal_evaluate(character(), character())
  expect_identical(none$accuracy, NA_real_)
  expect_output(print(none), "0 cells")
  missing <- canal_evaluate(c(NA, NA), c("a", "b"))
  expect_identical(missing$accuracy, 0)
  expect_identical(missing$left_out, 2L)
})

test_that("a truth named by cell is matched by name", {
  evaluation <- canal_evaluate(c(c1 = "a", c2 = "b"), c(c2 = "b", c1 = "a"))
  expect_identical(evaluation$accuracy, 1)
})

test_that("labels may be numbers, and verbose silences the headline", {
  expect_identical(canal_evaluate(c(1L, 2L), c(1L, 2L))$accuracy, 1)
  cells <- data.frame(canal_label = c("a", "b"), type = "a")
  expect_silent(canal_evaluate(S4Vectors::DataFrame(cells), "type", verbose = FALSE))
})

test_that("wrong input is refused", {
  expect_error(canal_evaluate(c("a", "b"), "a"), "2 cells.*1 label",
               class = "canalR_error_labels")
  expect_error(canal_evaluate(c("a", "b"), c("a", NA)), "`truth`.*number 2",
               class = "canalR_error_labels")
  expect_error(canal_evaluate("a", "a", novel = 1), "`novel`", class = "canalR_error_argument")
  expect_error(canal_evaluate(list("a"), "a"), class = "canalR_error_class")
  expect_error(canal_evaluate(S4Vectors::DataFrame(type = "a"), "type"), "canal_label",
               class = "canalR_error_prediction")
})

test_that("a DataFrame comes back with its evaluation", {
  prediction <- S4Vectors::DataFrame(canal_label = c("a", "b", NA), type = c("a", "b", "b"),
                                     row.names = c("c1", "c2", "c3"))
  S4Vectors::metadata(prediction) <- list(mine = 1, canal = list(version = "0"))
  expect_message(out <- canal_evaluate(prediction, "type"),
                 "accuracy 0.667.*3 cells, of which 1 without", class = "canalR_message_evaluation")
  expect_identical(canal_evaluation(out)$left_out, 1L)
  expect_identical(S4Vectors::metadata(out)$canal$version, "0")
  expect_identical(S4Vectors::metadata(out)$mine, 1)
  S4Vectors::metadata(out) <- S4Vectors::metadata(prediction)
  expect_identical(out, prediction)
  expect_identical(canal_evaluation(evaluated(prediction, c(c3 = "b", c1 = "a", c2 = "b"))),
                   canal_evaluation(evaluated(prediction, "type")))
})

test_that("a SingleCellExperiment and a Seurat object come back with their evaluation", {
  counts <- sparse(toy_counts(5, 4))
  columns <- data.frame(canal_label = c("a", "b", "a", "Unassigned"), type = c("a", "b", "b", "c"),
                        row.names = colnames(counts))
  expected <- evaluated(columns$canal_label, columns$type, "c")
  skip_if_not_installed("SingleCellExperiment")
  sce <- SingleCellExperiment::SingleCellExperiment(list(counts = counts), colData = columns)
  out <- evaluated(sce, "type", novel = "c")
  expect_identical(canal_evaluation(out), expected)
  expect_identical(S4Vectors::metadata(out)$canal$evaluation$canal_label, expected)
  skip_if_not_installed("SeuratObject")
  seurat <- SeuratObject::CreateSeuratObject(counts, meta.data = columns)
  out <- evaluated(seurat, "type", novel = "c")
  expect_identical(canal_evaluation(out), expected)
  expect_identical(SeuratObject::Misc(out, "canal")$evaluation$canal_label, expected)
})

test_that("an evaluation is found, or its absence told", {
  evaluation <- canal_evaluate("a", "a")
  expect_identical(canal_evaluation(evaluation), evaluation)
  expect_error(canal_evaluation(S4Vectors::DataFrame()), "canal_evaluate()",
               class = "canalR_error_evaluation")
  expect_error(canal_evaluation("a"), class = "canalR_error_evaluation")
})

test_that("printing shows the numbers and the types", {
  evaluation <- canal_evaluate(c("a", "b", "Unassigned", NA), c("a", "b", "new", "b"), "new")
  printed <- paste(utils::capture.output(print(evaluation)), collapse = "\n")
  expect_match(printed, "4 cells, 3 types")
  expect_match(printed, "accuracy +0.750")
  expect_match(printed, "H-score +0.800")
  expect_match(printed, "left out +1 cells")
  expect_match(printed, "b +2 +1.000 +0.500 +0.667")
  expect_output(print(evaluation, n = 1), "and 2 smaller types")
  plain <- paste(utils::capture.output(print(canal_evaluate("a", "a"))), collapse = "\n")
  expect_no_match(plain, "H-score")
})

test_that("an evaluation becomes a data frame", {
  evaluation <- canal_evaluate(c("a", "b"), c("a", "a"))
  expect_identical(as.data.frame(evaluation), evaluation$by_type)
  overall <- as.data.frame(evaluation, what = "overall")
  expect_identical(dim(overall), c(1L, 10L))
  expect_identical(overall$accuracy, 0.5)
})

test_that("the AUROC is that of the score beside the labels, or of the one named", {
  cells <- S4Vectors::DataFrame(canal_label = c("a", "b", "a", "b", NA),
                                canal_novelty = c(0.1, 0.2, 0.7, 0.6, NA),
                                other = c(9, 1, 1, 1, 1), text = "x",
                                type = c("a", "b", "new", "b", "a"))
  auroc <- function(...) canal_evaluation(evaluated(cells, "type", "new", ...))$auroc
  # Cells without a score are left out.
  expect_identical(auroc(), 1)
  expect_identical(auroc(score = "other"), (0 + 0.5 + 0.5 + 0.5) / 4)
  expect_identical(auroc(score = c(1, 1, 0, 1, 1)), 0)
  expect_identical(canal_evaluation(evaluated(cells, "type"))$auroc, NA_real_)
  cells$other_label <- cells$canal_label
  expect_identical(auroc(predicted = "other_label"), NA_real_)
  plain <- evaluated(cells$canal_label, cells$type, "new", score = cells$canal_novelty)
  expect_identical(plain$auroc, 1)
  expect_output(print(plain), "AUROC +1.000")
  # One of an earlier version has none.
  plain$auroc <- NULL
  expect_output(print(plain), "H-score")
  expect_identical(ncol(as.data.frame(plain, what = "overall")), 9L)
  for (score in list("text", "nothing", 1:4, list(1), matrix(1:5))) {
    expect_refused(auroc(score = score), "argument", "score")
    expect_refused(canal_evaluate(letters[1:5], letters[1:5], score = score), "argument", "score")
  }
})

test_that("a column of labels that is not there is named, and how another is", {
  table <- S4Vectors::DataFrame(mine_label = "alpha", truth = "alpha")
  problem <- expect_error(canal_evaluate(table, "truth"), "canal_label",
                          class = "canalR_error_prediction")
  expect_match(conditionMessage(problem), "mine_label, truth.\ncanal_predict() adds it; `predicted",
               fixed = TRUE)
  expect_error(canal_evaluate(table, "truth", predicted = "other"), "`predicted =` names",
               class = "canalR_error_prediction")
})
