stage <- function(number, accuracy, new_types = character(), ...) {
  names(accuracy) <- seq_along(accuracy)
  utils::modifyList(list(stage = number, cells = 100 * number, new_types = new_types, bank = 50L,
                         epochs = 7L, accuracy = accuracy, seconds = 1.5), list(...))
}

three_stages <- function() {
  list(stage(1, 0.9, c("alpha", "beta")), stage(2, c(0.95, 0.8), "ductal"),
       stage(3, c(0.85, 0.82, 0.7)))
}

test_that("a stream has a row per stage and the accuracies below the diagonal", {
  stream <- stream_table(three_stages())
  expect_s3_class(stream, c("canal_stream", "data.frame"), exact = TRUE)
  expect_named(stream, c("stage", "cells", "new_types", "bank", "epochs", "accuracy_1",
                         "accuracy_2", "accuracy_3", "average_accuracy", "forgetting", "seconds"))
  expect_identical(stream$new_types, c("alpha, beta", "ductal", ""))
  expect_identical(stream$accuracy_1, c(0.9, 0.95, 0.85))
  expect_identical(stream$accuracy_2, c(NA, 0.8, 0.82))
  expect_identical(stream$accuracy_3, c(NA, NA, 0.7))
})

test_that("average accuracy and forgetting are those of the definitions", {
  stream <- stream_table(three_stages())
  expect_equal(stream$average_accuracy, c(0.9, mean(c(0.95, 0.8)), mean(c(0.85, 0.82, 0.7))))
  # After stage 3: stage 1 was best at 0.95, stage 2 has gained since.
  expect_equal(stream$forgetting, c(0, 0.9 - 0.95, mean(c(0.95 - 0.85, 0.8 - 0.82))))
})

test_that("stages without held-out cells, and interrupted ones, are left out of the means", {
  history <- three_stages()
  history[[2]]$accuracy <- numeric()
  history[[3]]$accuracy[["2"]] <- NA
  stream <- stream_table(history)
  expect_identical(stream$accuracy_1, c(0.9, NA, 0.85))
  expect_equal(stream$average_accuracy, c(0.9, NA, mean(c(0.85, 0.7))))
  expect_equal(stream$forgetting, c(0, NA, 0.9 - 0.85))
})

test_that("one stage makes a stream", {
  stream <- stream_table(three_stages()[1])
  expect_identical(dim(stream), c(1L, 9L))
  expect_identical(stream$forgetting, 0)
  expect_output(print(stream), "1 stage\n")
})

test_that("a stream prints as two tables", {
  printed <- paste(utils::capture.output(print(stream_table(three_stages()))), collapse = "\n")
  expect_match(printed, "3 stages")
  expect_match(printed, "after +on 1 +on 2 +on 3 +average +forgetting")
  expect_match(printed, "3 0.850 0.820 0.700 +0.790 +0.040")
  many <- stream_table(list(stage(1, 1, paste0("a type of cell ", 1:9))))
  expect_output(print(many), "...", fixed = TRUE)
})

test_that("a stream is a data frame", {
  stream <- stream_table(three_stages())
  expect_identical(class(as.data.frame(stream)), "data.frame")
  expect_identical(class(stream[c("stage", "forgetting")]), "data.frame")
  expect_identical(stream[["forgetting"]], stream$forgetting)
  last <- stream[3, ]
  expect_s3_class(last, "canal_stream")
  expect_output(print(last), "0.790")
})

test_that("the stream of a model is that of its history", {
  model <- methods::new("CanalModel")
  expect_error(canal_stream(model), "untrained", class = "canalR_error_stages")
  model@history <- three_stages()
  expect_identical(canal_stream(model), stream_table(three_stages()))
  expect_error(canal_stream(list()), "`model`", class = "canalR_error_argument")
})
