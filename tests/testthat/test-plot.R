some_evaluation <- function(n_types) {
  set.seed(1)
  types <- sprintf("type %02d", seq_len(n_types))
  truth <- rep(types, 5)
  predicted <- ifelse(stats::runif(length(truth)) < 0.7, truth, sample(types, length(truth), TRUE))
  predicted[2] <- NA
  canal_evaluate(predicted, truth)
}

unname_dims <- function(x) {
  names(dimnames(x)) <- NULL
  x
}

test_that("a confusion matrix is drawn with shares of the true types", {
  skip_if_not_installed("ggplot2")
  evaluation <- some_evaluation(3)
  picture <- plot(evaluation)
  expect_s3_class(picture, "ggplot")
  tiles <- picture$data
  expect_identical(nrow(tiles), 9L)
  for (i in seq_len(nrow(tiles))) {
    counted <- evaluation$confusion[as.character(tiles$truth[i]), as.character(tiles$predicted[i])]
    expect_identical(tiles$cells[i], counted)
    expect_equal(tiles$share[i], counted / 5)
  }
  # The first type is at the top, where an axis has its last level.
  expect_identical(rev(levels(tiles$truth)), rownames(evaluation$confusion))
  built <- build(picture)
  expect_identical(length(built$data), 2L)
  expect_setequal(as.numeric(built$data[[2]]$label), tiles$cells[tiles$cells > 0])
})

test_that("tiles of many types have no numbers unless asked for", {
  skip_if_not_installed("ggplot2")
  evaluation <- some_evaluation(60)
  expect_identical(length(build(plot(evaluation))$data), 1L)
  expect_identical(length(build(plot(evaluation, counts = TRUE))$data), 2L)
})

test_that("true types are labelled with their cells, those left out included", {
  skip_if_not_installed("ggplot2")
  expect_identical(unname(cells_by_type(some_evaluation(3))), c(5, 5, 5))
  names <- table_names(c("a", "b"), c("b", "Unassigned"), c(a = 1200, b = 3))
  expect_identical(names$rows, c(a = "a (1,200)", b = "b (3)"))
  expect_identical(names$columns, c(b = "b", Unassigned = "Unassigned"))
})

test_that("columns of many types, or of long names, have the numbers of their rows", {
  long <- c("CD4-positive, alpha-beta T cell", "B cell")
  names <- table_names(rev(long), c(long, "Unassigned"), stats::setNames(1:2, long))
  expect_identical(unname(names$rows), c("B cell (2)  1", "CD4-positive, alpha-beta T cell (1)  2"))
  expect_identical(unname(names$columns), c("2", "1", "Unassigned"))
  many <- sprintf("type %02d", 1:60)
  expect_identical(unname(table_names(many, many, NULL)$columns), as.character(1:60))
  # Numbers of the columns' cells go to the rows, where the columns have no names.
  counted <- table_names(many, c(many, "Unassigned"), c(`type 01` = 7, Unassigned = 9),
                         in_rows = FALSE)
  expect_identical(counted$rows[[1]], "type 01 (7)  1")
  expect_identical(counted$columns[[61]], "Unassigned (9)")
})

test_that("a type that occurs as a label alone has a number, and a row that tells it", {
  skip_if_not_installed("ggplot2")
  evaluation <- some_evaluation(60)
  confusion <- with_rows_for_numbers(evaluation$confusion)
  expect_identical(confusion, evaluation$confusion)
  truth <- rep(sprintf("type %02d", c(1:40, 42:60)), 3)
  novel <- rep("unheard of", 3)
  predicted <- replace(truth, 1:3, c("type 41, which none of the cells is", "Unassigned", NA))
  evaluation <- canal_evaluate(c(predicted, rep("Unassigned", 3)), c(truth, novel), "unheard of")
  confusion <- with_rows_for_numbers(evaluation$confusion)
  rows <- c(setdiff(colnames(confusion), "Unassigned"), "unheard of")
  expect_identical(rownames(confusion), rows)
  expect_identical(confusion[rownames(evaluation$confusion), ], unname_dims(evaluation$confusion))
  expect_identical(sum(confusion["type 41, which none of the cells is", ]), 0L)
  scales <- build(plot(evaluation))$layout$panel_params[[1]]
  columns <- as.character(scales$x$get_labels())
  expect_identical(columns, c(as.character(1:60), "Unassigned"))
  expect_true("type 41, which none of the cells is (0)  41" %in% scales$y$get_labels())
  # Names that have room need no row.
  few <- canal_evaluate(c("a", "b"), c("a", "a"))$confusion
  expect_identical(with_rows_for_numbers(few), few)
})

test_that("numbers fit into their tiles, or there are none", {
  skip_if_not_installed("ggplot2")
  for (n in c(2, 5, 14, 25)) {
    counts <- matrix(1000L, n, n)
    size <- tile_text_size(counts)
    # Five characters of 0.6 of the size each, in a tile of the 190 points that n share.
    expect_lte(5 * 0.6 * size, 190 / n)
  }
  text <- layer_data_of(plot(some_evaluation(3)), "GeomText")
  expect_true(all(text$size == min(12, tile_text_size(some_evaluation(3)$confusion)) /
                    ggplot2::.pt))
})

test_that("the least error is seen: white is none at all", {
  skip_if_not_installed("ggplot2")
  truth <- rep(c("a", "b"), c(5000, 10))
  tiles <- layer_data_of(plot(canal_evaluate(c("b", truth[-1]), truth)), "GeomTile")
  expect_identical(sum(tiles$fill == "#FFFFFF"), 1L)
})

test_that("an evaluation with novel types, and one type, can be drawn", {
  skip_if_not_installed("ggplot2")
  expect_silent(build(plot(canal_evaluate(c("a", "Unassigned"), c("a", "new"), "new"))))
  expect_silent(build(plot(canal_evaluate("a", "a"))))
  expect_error(plot(canal_evaluate(character(), character())), class = "canalR_error_empty")
  expect_silent(build(plot(canal_evaluate(NA, "a"))))
})

stages_of <- function(number, accuracy = function(stage) 0.9 - 0.1 * (seq_len(stage) - 1)) {
  stream_table(lapply(seq_len(number), function(stage) {
    list(stage = stage, cells = 10, new_types = "a", bank = 5, epochs = 2, seconds = 1,
         accuracy = stats::setNames(accuracy(stage), seq_len(stage)))
  }))
}

test_that("a stream is drawn with a line per stage, the average and what was forgotten", {
  skip_if_not_installed("ggplot2")
  forgets <- function(stage) 0.9 - 0.1 * (stage - seq_len(stage))
  stream <- stages_of(3, forgets)
  picture <- plot(stream)
  expect_s3_class(picture, "ggplot")
  lines <- picture$data
  expect_identical(levels(lines$cells_of), c("of stage 1", "of stage 2", "of stage 3", "average"))
  expect_identical(nrow(lines), 3L + 2L + 1L + 3L + 3L)
  forgotten <- lines[lines$panel == levels(lines$panel)[2], ]
  expect_equal(forgotten$value, stream$forgetting)
  expect_equal(forgotten$value, c(0, 0.1, 0.15))
  expect_silent(build(picture))
  # A stage that held nothing out has no line.
  without <- stages_of(2, function(stage) c(0.9, NA)[seq_len(stage)])
  expect_silent(build(plot(without)))
  expect_error(plot(stream, 1), class = "canalR_error_argument")
})

test_that("in a single stage nothing can be forgotten, and there is no panel for it", {
  skip_if_not_installed("ggplot2")
  picture <- plot(stages_of(1))
  expect_identical(nlevels(picture$data$panel), 1L)
  expect_silent(build(picture))
})

test_that("the stages of a legend are in order", {
  skip_if_not_installed("ggplot2")
  shown <- build(plot(stages_of(12)))$plot$scales$get_scales("colour")$get_limits()
  expect_identical(shown, c(paste("of stage", 1:12), "average"))
})

test_that("lines of many stages are told apart by colour and shape", {
  looks <- line_looks(c(paste("of stage", 1:12), "average"))
  expect_identical(anyDuplicated(paste(looks$colour, looks$shape)), 0L)
})

test_that("\"Unassigned\" and cells without a label come last, in grey", {
  labels <- with_type_levels(c("b", NA, "Unassigned", "a", "b"))
  expect_identical(levels(labels), c("a", "b", "Unassigned", "no label"))
  expect_identical(as.character(labels), c("b", "no label", "Unassigned", "a", "b"))
  ordered <- with_type_levels(factor(c("b", "a"), c("b", "Unassigned", "a", "unused")))
  expect_identical(levels(ordered), c("b", "a"))
  expect_identical(type_colours(levels(labels))[3:4],
                   c(Unassigned = "grey55", "no label" = "grey80"))
})

test_that("sixty types have sixty colours, those of few the ones made for all eyes", {
  colours <- type_colours(sprintf("type %02d", 1:60))
  expect_identical(anyDuplicated(colours), 0L)
  expect_identical(unname(colours[1:6]), line_colours)
  rgb <- grDevices::col2rgb(colours)
  # None is grey, which stands for cells of no type.
  expect_true(all(apply(rgb, 2, function(parts) diff(range(parts))) > 40))
  expect_length(type_colours(sprintf("type %03d", 1:100)), 100)
})

test_that("names that are too long lose their middle", {
  expect_identical(shorten_middle(c("B cell", "CD4-positive, alpha-beta T cell"), 13),
                   c("B cell", "CD4-p... cell"))
  expect_identical(nchar(shorten_middle(strrep("x", 50), 20)), 20L)
})

test_that("confusions look as they did", {
  skip_if_not_installed("ggplot2")
  expect_picture("confusion", plot(some_evaluation(4)))
})

test_that("confusions of long names look as they did", {
  skip_if_not_installed("ggplot2")
  types <- c("CD4-positive, alpha-beta T cell", "CD8-positive, alpha-beta T cell", "B cell")
  evaluation <- canal_evaluate(types[c(1, 1, 2, 2, 2, 3)], types[c(1, 2, 2, 2, 2, 3)])
  expect_picture("confusion-long-names", plot(evaluation))
})

test_that("streams look as they did", {
  skip_if_not_installed("ggplot2")
  expect_picture("stream", plot(stages_of(4, function(s) 0.95 - 0.07 * (s - seq_len(s)))))
})

test_that("few long names are written in lines, many in one each", {
  name <- "CD4-positive, alpha-beta memory T cell, CCR7-positive (12)"
  expect_identical(in_lines(c(name, "beta")),
                   c("CD4-positive, alpha-beta memory T cell,\nCCR7-positive (12)", "beta"))
  expect_identical(in_lines(rep(name, 21)), rep(name, 21))
  expect_gt(name_text_size(in_lines(name)), name_text_size(name))
  expect_lt(name_text_size(rep("a\nb", 30)), name_text_size(rep("a", 30)))
})
