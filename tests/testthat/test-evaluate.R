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

test_that("a data frame is an annotation, such as one read from a file", {
  skip_if_not_installed("tibble")
  path <- tempfile(fileext = ".csv")
  on.exit(unlink(path))
  cells <- data.frame(canal_label = c("a", "b", NA, "b"), canal_novelty = c(0.1, 0.2, NA, 0.9),
                      type = c("a", "b", "b", "new"), row.names = paste0("c", 1:4))
  utils::write.csv(cells, path)
  truth <- stats::setNames(rev(cells$type), rev(rownames(cells)))
  expected <- canal_evaluation(evaluated(S4Vectors::DataFrame(cells), "type", "new"))
  read <- utils::read.csv(path, row.names = 1)
  for (x in list(read, tibble::as_tibble(read))) {
    out <- evaluated(x, "type", "new")
    expect_identical(class(out), class(x))
    expect_identical(canal_evaluation(out), expected)
    attr(out, "canal") <- NULL
    expect_identical(out, x)
  }
  expect_identical(canal_evaluation(evaluated(read, truth, "new")), expected)
  expect_identical(canal_evaluation(evaluated(utils::read.csv(path), "type", "new")), expected)
  expect_refused(canal_evaluate(read, "none"), "labels", "truth")
  expect_refused(canal_evaluate(read, c("a", "b")), "labels", "truth")
  # Where counts are read it is none of them.
  expect_error(canal_predict(read, stage_two()), "as.matrix() makes", fixed = TRUE,
               class = "canalR_error_class")
})

test_that("pictures take data frames, too", {
  skip_if_not_installed("ggplot2")
  cells <- data.frame(canal_label = rep(c("a", "b"), 10), canal_novelty = 1:20 / 20,
                      canal_prob_a = 1:20 / 20, canal_prob_b = 20:1 / 20,
                      type = rep(c("a", "b"), each = 10), row.names = paste0("c", 1:20))
  cells$plane <- cbind(1:20, 20:1)
  pictures <- function(x) {
    list(canal_plot_flow(x, "type"), canal_plot_novelty(x, truth = "type", novel = "b"),
         canal_plot_scores(x), canal_plot_scores(x, by = "type"),
         canal_plot_embedding(x, reduction = "plane"))
  }
  expected <- lapply(pictures(S4Vectors::DataFrame(cells)), ggplot2::layer_data)
  expect_identical(lapply(pictures(cells), ggplot2::layer_data), expected)
})

# New labels, as a prediction puts them.
put_labels <- function(x) {
  with_cell_results(x, cell_findings("canal", data.frame(canal_label = rep("new", ncol(x)))))
}

test_that("an evaluation of labels that have changed comes with a warning", {
  skip_if_not_installed("SingleCellExperiment")
  counts <- sparse(toy_counts(5, 6))
  columns <- data.frame(canal_label = c("a", "b", "a", NA, "b", "a"), type = "a",
                        row.names = colnames(counts))
  sce <- SingleCellExperiment::SingleCellExperiment(list(counts = counts), colData = columns)
  kinds <- list(sce, S4Vectors::DataFrame(columns), columns)
  if (requireNamespace("SeuratObject", quietly = TRUE)) {
    kinds <- c(kinds, SeuratObject::CreateSeuratObject(counts, meta.data = columns))
  }
  for (x in kinds) {
    x <- evaluated(x, "type")
    by_cell <- is_table(x)
    of <- function(x, i) if (by_cell) x[i, ] else x[, i]
    expected <- expect_silent(canal_evaluation(x))
    stale <- function(x, says) {
      expect_warning(found <- canal_evaluation(x), says, class = "canalR_warning_evaluation")
      expect_identical(found, expected)
    }
    stale(of(x, 1:3), "got 3 cells, where 6 were")
    expect_silent(canal_evaluation(of(x, 6:1)))
    other <- x
    other$canal_label <- "zz"
    stale(other, "others, or other cells")
    # As many of each, in other cells.
    other$canal_label <- rev(unname(x$canal_label))
    stale(other, "others, or other cells")
    other$canal_label <- NULL
    stale(other, "without that column")
    other <- x
    other$type <- "b"
    expect_silent(canal_evaluation(other))
    expect_silent(canal_evaluation(evaluated(of(x, 1:3), "type")))
  }
  named <- evaluated(sce, "type")
  colnames(named) <- paste0("run1_", colnames(named))
  expect_silent(canal_evaluation(named))
  # One of an older version has no digest.
  S4Vectors::metadata(named)$canal$evaluated <- NULL
  named$canal_label <- "zz"
  expect_silent(canal_evaluation(named))
  expect_warning(canal_evaluation(named[, 1]), "got 1 cell,", class = "canalR_warning_evaluation")
  expect_null(cell_record(put_labels(evaluated(sce, "type")))$evaluated)
  expect_identical(canal_evaluation(evaluated(sce[, 0], "type"))$cells, 0L)
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
  expect_identical(auroc(score = c(0, 1, Inf, -Inf, NA)), 1)
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

test_that("the column of an evaluation is one name", {
  x <- evaluated(S4Vectors::DataFrame(canal_label = c("a", "b"), type = c("a", "b")), "type")
  for (column in list(c("a", "b"), sum, globalenv(), NA_character_, matrix(1, 2, 2))) {
    for (given in list(x, canal_evaluation(x))) {
      expect_refused(canal_evaluation(given, column), "argument", "predicted")
    }
  }
  expect_error(canal_evaluation(x, "another"), "one of canal_label",
               class = "canalR_error_evaluation")
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

test_that("labels that are numbers are the same as whole numbers and as others", {
  expect_identical(label_text(c(1e5, 2, 0.5, NA, -3e6, Inf)),
                   c("100000", "2", "0.5", NA, "-3000000", "Inf"))
  expect_identical(canal_evaluate(c(1e5, 2), c(100000L, 2L))$accuracy, 1)
  expect_identical(label_text(factor(c("b", "a"))), c("b", "a"))
})

test_that("tables take the names of rows that are given", {
  evaluation <- canal_evaluate(c("a", "b"), c("a", "b"))
  expect_identical(rownames(as.data.frame(evaluation, row.names = c("x", "y"))), c("x", "y"))
})
