# Counts of the bars of one colour, over all bins.
bars_above <- function(picture) {
  bars <- layer_data_of(picture, "GeomBar")
  sum(bars$count[bars$fill == "#E69F00"])
}

test_that("bars count the cells on both sides of the threshold, which is an edge", {
  skip_if_not_installed("ggplot2")
  cells <- annotated_cells(3, 300)
  picture <- canal_plot_novelty(cells)
  bars <- layer_data_of(picture, "GeomBar")
  expect_identical(sum(bars$count), 299)
  expect_identical(bars_above(picture), as.numeric(sum(cells$canal_label == "Unassigned",
                                                       na.rm = TRUE)))
  threshold <- S4Vectors::metadata(cells)$canal$canal$prediction$parameters$threshold
  expect_true(any(abs(bars$xmin - threshold) < 1e-9))
  expect_identical(layer_data_of(picture, "GeomVline")$xintercept[1], threshold)
  expect_match(picture$labels$caption, "1 cell without a score left out", fixed = TRUE)
})

test_that("the truth parts cells of known types from others", {
  skip_if_not_installed("ggplot2")
  cells <- annotated_cells(3, 30)
  truth <- rep(c("type 01", "another", "Unassigned", "type 03", NA), each = 6)
  picture <- canal_plot_novelty(cells, truth = truth)
  expect_identical(sum(picture$data$panel == "types unknown to the model"), 12L)
  expect_identical(sum(picture$data$panel == "types that the model knows"), 11L)
  expect_match(gsub("\n", " ", picture$labels$caption), "6 cells without truth left out")
  own <- canal_plot_novelty(cells, truth = truth, novel = "type 01")
  expect_identical(sum(own$data$panel == "types unknown to the model"), 11L)
  S4Vectors::metadata(cells) <- list()
  expect_refused(canal_plot_novelty(cells, truth = truth), "prediction", "x")
  expect_silent(build(canal_plot_novelty(cells, truth = truth, novel = "another")))
  expect_refused(canal_plot_novelty(cells, truth = truth, novel = 3), "argument", "novel")
})

test_that("\"Unassigned\" cells without a record of the threshold are told", {
  skip_if_not_installed("ggplot2")
  cells <- annotated_cells(3, 300)
  told <- function(picture) grepl("no record of the threshold", picture$labels$caption)
  expect_false(told(canal_plot_novelty(cells)))
  S4Vectors::metadata(cells) <- list()
  expect_true(told(canal_plot_novelty(cells)))
  # Of a prediction that looked for no novel cells.
  cells$canal_label <- "type 01"
  expect_false(told(canal_plot_novelty(cells)))
  cells$canal_label <- NULL
  expect_false(told(canal_plot_novelty(cells)))
  skip_if_not_installed("SeuratObject")
  counts <- matrix(1, 2, 10, dimnames = list(c("g1", "g2"), paste0("c", 1:10)))
  half <- function(name) {
    x <- suppressWarnings(SeuratObject::CreateSeuratObject(counts))
    x <- SeuratObject::RenameCells(x, add.cell.id = name)
    x$canal_label <- rep(c("alpha", "Unassigned"), 5)
    x$canal_novelty <- rep(c(0.1, 0.9), 5)
    with_cell_record(x, list(canal = list(prediction = list(parameters = list(threshold = 0.5)))))
  }
  expect_null(canal_plot_novelty(half("a"))$labels$caption)
  expect_true(told(canal_plot_novelty(merge(half("a"), half("b")))))
})

test_that("the threshold is on the scale of the score", {
  expect_null(novelty_threshold_of(list(novelty = "none")))
  expect_identical(novelty_threshold_of(list(novelty = "canal", threshold = 0.3)), 0.3)
  # Of the confidence, of which the score is the rest.
  expect_equal(novelty_threshold_of(list(novelty = "threshold", threshold = 0.3)), 0.7)
  expect_equal(novelty_threshold_of(list(novelty_threshold = 0.25)), 0.75)
})

test_that("what canal_predict() called \"Unassigned\" lies above the threshold", {
  skip_if_not_installed("ggplot2")
  cells <- panc_cells("celseq")
  for (novelty in c("canal", "threshold")) {
    found <- predict_quietly(cells$counts, stage_one(), novelty = novelty, seed = 1)
    picture <- canal_plot_novelty(found, truth = cells$types)
    expect_identical(bars_above(picture), as.numeric(sum(found$canal_label == "Unassigned")))
    known <- sum(cells$types %in% stage_one()@labels)
    expect_identical(sum(picture$data$panel == "types that the model knows"), known)
  }
  found <- predict_quietly(cells$counts, stage_one(), novelty = "none")
  picture <- canal_plot_novelty(found)
  expect_identical(nrow(picture$data), nrow(found))
  expect_false("GeomVline" %in% vapply(picture$layers, function(l) class(l$geom)[1], ""))
  expect_identical(bars_above(picture), 0)
})

test_that("cells without the column, or without a score, are refused", {
  skip_if_not_installed("ggplot2")
  cells <- annotated_cells()
  expect_error(canal_plot_novelty(cells, prefix = "cellular"),
               "cellular_predict(..., prefix = \"cellular\") writes it.", fixed = TRUE,
               class = "canalR_error_prediction")
  cells$canal_novelty <- NA
  expect_refused(canal_plot_novelty(cells), "empty", "x")
})

test_that("novelties look as they did", {
  skip_if_not_installed("ggplot2")
  cells <- annotated_cells(3, 300)
  truth <- ifelse(cells$cell_type == "type 03", "new", cells$cell_type)
  expect_picture("novelty", canal_plot_novelty(cells, truth = truth))
})

test_that("bars lie between 0 and 1, and the threshold is an edge", {
  for (threshold in list(NULL, 0, 0.02, 0.333, 1)) {
    edges <- score_edges(c(0.1, 0.99, NA), threshold)
    expect_identical(range(edges), c(0, 1))
    expect_true(all(diff(edges) > 0 & diff(edges) < 0.02 + 1e-9))
    expect_lt(min(abs(edges - c(threshold, 0)[1])), 1e-9)
  }
  expect_identical(range(score_edges(c(-0.5, 1.2), 0.3)), c(-0.5, 1.2))
})
