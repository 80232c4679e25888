# Builds the picture without a device: every layer, scale and label is worked out.
build <- function(picture) ggplot2::ggplot_build(picture)

some_evaluation <- function(n_types) {
  set.seed(1)
  types <- sprintf("type %02d", seq_len(n_types))
  truth <- rep(types, 5)
  predicted <- ifelse(stats::runif(length(truth)) < 0.7, truth, sample(types, length(truth), TRUE))
  predicted[2] <- NA
  canal_evaluate(predicted, truth)
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
  label <- with_cell_numbers(c(a = 1200, b = 3))
  expect_identical(label(c("b", "a")), c("b (3)", "a (1,200)"))
})

test_that("an evaluation with novel types, and one type, can be drawn", {
  skip_if_not_installed("ggplot2")
  expect_silent(build(plot(canal_evaluate(c("a", "Unassigned"), c("a", "new"), "new"))))
  expect_silent(build(plot(canal_evaluate("a", "a"))))
  expect_error(plot(canal_evaluate(character(), character())), class = "canalR_error_empty")
  expect_silent(build(plot(canal_evaluate(NA, "a"))))
})

test_that("a stream is drawn with a line per stage and the average", {
  skip_if_not_installed("ggplot2")
  history <- lapply(1:3, function(number) {
    list(stage = number, cells = 10, new_types = "a", bank = 5, epochs = 2, seconds = 1,
         accuracy = stats::setNames(c(0.9, 0.8, 0.7)[seq_len(number)], seq_len(number)))
  })
  picture <- plot(stream_table(history))
  expect_s3_class(picture, "ggplot")
  expect_identical(levels(picture$data$cells_of), c("of stage 1", "of stage 2", "of stage 3",
                                                    "average"))
  expect_identical(nrow(picture$data), 3L + 2L + 1L + 3L)
  expect_silent(build(picture))
  expect_silent(build(plot(stream_table(history[1]))))
})

test_that("lines of many stages are told apart by colour and shape", {
  looks <- line_looks(c(paste("of stage", 1:12), "average"))
  expect_identical(anyDuplicated(paste(looks$colour, looks$shape)), 0L)
})
