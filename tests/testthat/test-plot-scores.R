test_that("scores are read from a matrix column, from columns, and of another prefix", {
  cells <- annotated_cells()
  scores <- cells$canal_scores
  expect_identical(cell_scores(cells), scores)
  expect_identical(cell_scores(with_score_columns(cells)), scores)
  other <- annotated_cells(prefix = "second.run")
  expect_identical(cell_scores(other, "second.run"), scores)
  expect_identical(cell_scores(with_score_columns(other, "second.run"), "second.run"), scores)
  expect_refused(cell_scores(other), "prediction", "x")
  expect_error(cell_scores(cells[, "canal_label", drop = FALSE]),
               "canal_predict(..., probabilities = \"columns\", prefix = \"canal\")", fixed = TRUE)
})

test_that("scores are read from alternative experiments and Seurat assays", {
  cells <- annotated_cells()
  scores <- cells$canal_scores
  scores[1, ] <- 0
  colnames(scores) <- c("B_cell", "T cell", "CD4-positive, alpha-beta")
  cells$canal_scores <- NULL
  counts <- matrix(1, 2, nrow(cells), dimnames = list(c("g1", "g2"),
                                                      paste0("c", seq_len(nrow(cells)))))
  by_type <- t(scores)
  colnames(by_type) <- colnames(counts)
  if (requireNamespace("SingleCellExperiment", quietly = TRUE)) {
    x <- SingleCellExperiment::SingleCellExperiment(list(counts = counts), colData = cells)
    SingleCellExperiment::altExp(x, "canal_scores") <-
      SummarizedExperiment::SummarizedExperiment(list(scores = by_type))
    expect_equal(cell_scores(x), scores, ignore_attr = "dimnames")
    expect_identical(colnames(cell_scores(x)), colnames(scores))
    expect_s3_class(canal_plot_scores(x), "ggplot")
  }
  skip_if_not_installed("SeuratObject")
  x <- suppressWarnings(SeuratObject::CreateSeuratObject(counts))
  # Seurat does not take "_" in names, without which these two are one.
  colnames(scores) <- c("B_cell", "B-cell", "CD4-positive, alpha-beta")
  x <- with_score_assay(x, list(prefix = "canal", scores = scores))
  x@misc$canal <- list(canal = list(prediction = list(model = list(types = colnames(scores)))))
  expect_equal(cell_scores(x), scores, ignore_attr = "dimnames")
  expect_identical(colnames(cell_scores(x)), colnames(scores))
})

test_that("cells stand by label, the surest first, and every label has the same width", {
  skip_if_not_installed("ggplot2")
  cells <- annotated_cells(3, 120)
  picture <- canal_plot_scores(cells, most = 400)
  tiles <- picture$data
  expect_identical(max(tiles$column), 400L)
  expect_identical(levels(tiles$type), rev(colnames(cells$canal_scores)))
  of <- function(type) tiles$score[tiles$type == type]
  labels <- cells$canal_label
  for (i in 1:3) {
    type <- sprintf("type %02d", i)
    shown <- of(type)[100 * (i - 1) + 1:100]
    expect_false(is.unsorted(-shown))
    # With room for all, each cell is there.
    expect_setequal(shown, cells$canal_scores[which(labels == type), type])
  }
  # The columns are cells: what one has of all types is one.
  expect_equal(of("type 01") + of("type 02") + of("type 03"), rep(1, 400))
  last <- cells$canal_scores[which(labels == "Unassigned"), ]
  expect_setequal(of("type 02")[301:400], last[, "type 02"])
  axis <- build(picture)$layout$panel_params[[1]]$x
  expect_identical(unname(axis$get_labels()[4]),
                   sprintf("Unassigned (%d)", nrow(last)))
  expect_match(picture$labels$caption, "^1 cell without scores left out[.]$")
})

test_that("of many cells a seeded sample is shown, and the caption tells", {
  skip_if_not_installed("ggplot2")
  cells <- annotated_cells(3, 3000)
  set.seed(7)
  before <- .Random.seed
  picture <- canal_plot_scores(cells, most = 100, seed = 3)
  expect_identical(.Random.seed, before)
  expect_identical(picture$data, canal_plot_scores(cells, most = 100, seed = 3)$data)
  expect_false(identical(picture$data, canal_plot_scores(cells, most = 100, seed = 4)$data))
  expect_identical(max(picture$data$column), 100L)
  expect_match(gsub("\n", " ", picture$labels$caption), "more than 25 cells a sample .*seed 3")
})

test_that("groups have the means of their cells", {
  skip_if_not_installed("ggplot2")
  cells <- annotated_cells(3, 60)
  groups <- rep(c("left", "right", NA), c(25, 30, 5))
  picture <- canal_plot_scores(cells, by = groups)
  tiles <- picture$data
  for (group in c("left", "right")) {
    for (type in colnames(cells$canal_scores)) {
      expect_equal(tiles$score[tiles$group == group & tiles$type == type],
                   mean(cells$canal_scores[which(groups == group), type], na.rm = TRUE))
    }
  }
  expect_match(picture$labels$caption, "5 cells of no group left out", fixed = TRUE)
  expect_refused(canal_plot_scores(cells, by = "nothing"), "labels", "by")
  expect_refused(canal_plot_scores(cells, by = rep(NA, 60)), "empty", "by")
  # By the diagonal: each group's highest type comes no earlier than that of the group before.
  own <- canal_plot_scores(cells, by = "cell_type")$data
  expect_identical(levels(own$group), sort(unique(cells$cell_type)))
})

test_that("one type, sixty types and cells without scores can be drawn", {
  skip_if_not_installed("ggplot2")
  expect_silent(build(canal_plot_scores(annotated_cells(60, 300))))
  one <- S4Vectors::DataFrame(canal_label = c("a", "a"), canal_prob_a = c(1, 1))
  expect_silent(build(canal_plot_scores(one)))
  one$canal_prob_a <- NA_real_
  expect_refused(canal_plot_scores(one), "empty", "x")
  expect_refused(canal_plot_scores(one[0, ]), "empty", "x")
  expect_refused(canal_plot_scores(one, prefix = ""), "argument", "prefix")
  expect_refused(canal_plot_scores(one, most = 1), "argument", "most")
  one$canal_label <- NULL
  one$canal_prob_a <- 1
  expect_refused(canal_plot_scores(one), "prediction", "x")
  expect_refused(canal_plot_scores(matrix(0, 2, 2)), "prediction", "x")
})

test_that("what canal_predict() writes can be drawn", {
  skip_if_not_installed("ggplot2")
  cells <- panc_cells("celseq")
  found <- predict_quietly(cells$counts, stage_one(), probabilities = "columns")
  scores <- cell_scores(found)
  expect_identical(colnames(scores), stage_one()@labels)
  expect_equal(rowSums(scores), rep(1, nrow(found)))
  expect_silent(build(canal_plot_scores(found)))
})

test_that("scores look as they did", {
  skip_if_not_installed("ggplot2")
  cells <- annotated_cells(4, 200)
  expect_picture("scores-groups", canal_plot_scores(cells, by = rep(paste("group", 1:5), 40)))
})
