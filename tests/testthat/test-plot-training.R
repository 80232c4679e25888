# A record of a training as the models keep it: `epochs` rows, weights kept of epoch `best`.
losses_of <- function(epochs, distilled = 0, held = TRUE) {
  epoch <- seq_len(epochs)
  data.frame(epoch = epoch, learning_rate = 1e-3 / epoch, classification = 2 / epoch,
             distillation = distilled / epoch, total = 2 / epoch,
             validation_loss = if (held) 2.5 / epoch else NA_real_,
             validation_accuracy = if (held) 1 - 0.5 / epoch else NA_real_)
}

record_of <- function(epochs, best, ...) list(losses = losses_of(epochs, ...), best_epoch = best)

with_history <- function(...) {
  model <- untrained()
  model@history <- list(...)
  model
}

cellular_with <- function(...) methods::new("CellularModel", history = list(...))

test_that("a model's stages are drawn epoch by epoch, one after another", {
  skip_if_not_installed("ggplot2")
  model <- with_history(record_of(3, 2), record_of(2, 1, distilled = 0.5))
  picture <- plot(model)
  curves <- picture$data
  expect_identical(levels(curves$panel),
                   c("loss", "distillation loss", "accuracy (%)", "learning rate"))
  trained <- curves[curves$panel == "loss" & curves$line == "training cells", ]
  expect_identical(trained$epoch, c(1:3, 4:5) + 0)
  expect_equal(trained$value, c(2 / 1:3, 2 / 1:2))
  accuracy <- curves[curves$panel == "accuracy (%)", ]
  expect_equal(accuracy$value, 100 * (1 - 0.5 / c(1:3, 1:2)))
  # The first stage has nothing to distil from.
  expect_identical(curves$epoch[curves$panel == "distillation loss"], c(4, 5))
  # Rings at the epochs kept: of the loss and the accuracy of held-out cells.
  points <- which(vapply(picture$layers, function(l) inherits(l$geom, "GeomPoint"), NA))
  rings <- build(picture)$data[[points[2]]]
  expect_setequal(rings$x, c(2, 4))
  expect_identical(nrow(rings), 4L)
  expect_identical(layer_data_of(picture, "GeomVline")$xintercept[1], 3.5)
  expect_setequal(layer_data_of(picture, "GeomText")$label, c("stage 1", "stage 2"))
})

test_that("what was not measured has no panel", {
  skip_if_not_installed("ggplot2")
  picture <- plot(with_history(record_of(3, 3, held = FALSE)))
  expect_identical(levels(picture$data$panel), c("loss", "learning rate"))
  expect_null(picture$labels$caption)
  expect_silent(build(picture))
  expect_silent(build(plot(with_history(record_of(1, 1)))))
})

test_that("twelve stages, some without an epoch, are told apart", {
  skip_if_not_installed("ggplot2")
  records <- lapply(1:12, function(stage) record_of(4, 2))
  records[[5]] <- list(losses = empty_losses(), best_epoch = 0L)
  picture <- plot(do.call(with_history, records))
  expect_silent(build(picture))
  expect_setequal(layer_data_of(picture, "GeomText")$label, as.character(1:12)[-5])
})

test_that("trained and pre-trained models are drawn", {
  skip_if_not_installed("ggplot2")
  trained <- plot(stage_two())$data
  accuracy <- unlist(lapply(stage_two()@history, function(r) r$losses$validation_accuracy))
  expect_equal(trained$value[trained$panel == "accuracy (%)"], 100 * accuracy)
  compact <- canal_pretrained("compact")
  picture <- plot(compact)
  curves <- picture$data
  accuracy <- curves[curves$panel == "accuracy on masked tokens (%)", ]
  expect_equal(accuracy$value[accuracy$line == "held-out cells"],
               100 * canal_pretraining(compact)$validation_accuracy)
  expect_silent(build(picture))
  # A model that went on to stages keeps both.
  compact@history <- list(record_of(3, 2))
  expect_identical(levels(plot(compact)$data$panel)[1], "loss")
  expect_identical(plot(compact, part = "pretraining")$data, curves)
})

test_that("models without epochs, and other parts, are refused", {
  skip_if_not_installed("ggplot2")
  expect_refused(plot(untrained()), "stages", "x")
  expect_refused(plot(stage_one(), part = "pretraining"), "stages", "x")
  expect_refused(plot(with_history(list(losses = empty_losses(), best_epoch = 0L))), "stages", "x")
  expect_refused(plot(stage_one(), part = "encoder"), "argument", "part")
  expect_error(plot(stage_one(), what = 1), class = "canalR_error_argument")
  expect_refused(plot(cellular_with()), "stages", "x")
})

cellular_history <- function() {
  epoch <- 1:3
  list(
    encoder = list(best_epoch = 3L, losses = data.frame(
      epoch = epoch, learning_rate = 1e-3, loss = 3 / epoch, types = 2 / epoch,
      batches = NA_real_, centroids = 0.1, temperature = 0.25, skipped = 0L,
      validation_loss = 4 / epoch
    )),
    classifier = list(best_epoch = 2L, losses = data.frame(
      epoch = epoch, learning_rate = 1e-3, loss = 1 / epoch, accuracy = 1 - 0.5 / epoch,
      validation_loss = 1 / epoch, validation_accuracy = 1 - 0.6 / epoch
    ))
  )
}

test_that("encoder and classifier of CELLULAR are drawn side by side, or one of them", {
  skip_if_not_installed("ggplot2")
  history <- cellular_history()
  picture <- plot(cellular_with(encoder = history$encoder, classifier = history$classifier))
  expect_identical(levels(picture$data$panel), c(
    paste("encoder:", c("loss", "terms of the training loss", "temperature", "learning rate")),
    paste("classifier:", c("loss", "accuracy (%)", "learning rate"))
  ))
  # Each part has a column of its own.
  layout <- build(picture)$layout$layout
  expect_identical(layout$COL[order(layout$PANEL)], rep(1:2, c(4, 3)))
  # One batch has no loss of batches.
  expect_false("batches" %in% picture$data$line)
  encoder <- plot(cellular_with(encoder = history$encoder))
  expect_true(all(startsWith(levels(encoder$data$panel), "encoder: ")))
  one <- plot(cellular_with(encoder = history$encoder, classifier = history$classifier),
              part = "classifier")
  expect_equal(one$data$value[one$data$panel == "classifier: accuracy (%)" &
                                one$data$line == "held-out cells"], 100 * (1 - 0.6 / 1:3))
  expect_refused(plot(cellular_with(encoder = history$encoder), part = "classifier"), "stages", "x")
})

test_that("trainings of stages look as they did", {
  skip_if_not_installed("ggplot2")
  expect_picture("training-stages", plot(with_history(record_of(5, 4),
                                                      record_of(4, 2, distilled = 0.5))))
})

test_that("trainings of CELLULAR look as they did", {
  skip_if_not_installed("ggplot2")
  expect_picture("training-cellular", plot(do.call(cellular_with, cellular_history())))
})
