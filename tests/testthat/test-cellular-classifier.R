test_that("the classifier learns its training cells and keeps a record", {
  model <- cellular_model()
  cells <- cellular_cells()
  predicted <- cellular_predict(cells$counts, model, novelty_threshold = 0, verbose = FALSE)
  expect_gt(mean(predicted$cellular_label == cells$types), 0.8)
  record <- model@history$classifier
  expect_identical(names(record$losses), names(start_of_classifier()$losses))
  expect_identical(record$settings$hidden, c(16, 16))
  expect_null(model@history$search)
})

test_that("a search tries settings within their bounds and keeps the best", {
  cells <- cellular_cells()
  search <- function(seed = 1) {
    cellular_classifier(cells$counts, cells$types, cellular_model(), search = TRUE, trials = 5,
                        epochs = 8, warm_up = 1, seed = seed, verbose = FALSE)
  }
  model <- search()
  trials <- model@history$search
  expect_identical(nrow(trials), 5L)
  expect_true(all(trials$width_1 >= 64 & trials$width_2 <= 2048))
  expect_true(all(trials$learning_rate >= 1e-5 & trials$learning_rate <= 1e-2))
  expect_true(all(trials$dropout >= 0 & trials$dropout <= 0.5))
  # All for a quarter of the epochs, three for a half, two to the end.
  expect_identical(sort(trials$epochs), c(2L, 2L, 4L, 8L, 8L))
  expect_identical(which(trials$chosen), which.min(trials$validation_loss))
  chosen <- trials[trials$chosen, ]
  expect_identical(attr(model@classifier[["classifier.linear1.weight"]], "shape")[1],
                   as.integer(chosen$width_1))
  expect_identical(model@history$classifier$settings$dropout, chosen$dropout)
  expect_identical(search()@classifier, model@classifier)
  file <- tempfile(fileext = ".h5")
  canal_save(model, file)
  expect_identical(canal_load(file)@history$search, trials)
})

test_that("both losses train, and to other weights", {
  cells <- cellular_cells()
  with_loss <- function(loss) {
    cellular_classifier(cells$counts, cells$types, cellular_model(), hidden = 16, loss = loss,
                        epochs = 3, warm_up = 1, seed = 1, verbose = FALSE)
  }
  published <- with_loss("published")
  plain <- with_loss("plain")
  expect_false(identical(published@classifier, plain@classifier))
  # The published loss, of probabilities, cannot fall below log(1 + (K - 1) / e).
  least <- log(1 + (length(published@labels) - 1) / exp(1))
  expect_true(all(published@history$classifier$losses$loss > least - 1e-6))
})

test_that("other types than the embedding's can be classified", {
  cells <- cellular_cells()
  types <- ifelse(cells$types %in% c("alpha", "beta"), "endocrine", "other")
  model <- cellular_classifier(cells$counts, types, cellular_model(), hidden = c(12, 8), epochs = 4,
                               seed = 1, verbose = FALSE)
  expect_identical(model@labels, c("endocrine", "other"))
  expect_identical(model@weights, cellular_model()@weights)
})

test_that("what cannot be classified is refused by name", {
  cells <- cellular_cells()
  classify <- function(..., labels = cells$types) {
    cellular_classifier(cells$counts, labels, cellular_model(), epochs = 2, verbose = FALSE, ...)
  }
  expect_error(classify(labels = rep("a", length(cells$types))), class = "canalR_error_labels")
  for (bad in list(list(hidden = c(1, 2, 3)), list(hidden = 1.5), list(trials = 0),
                   list(loss = "mine"), list(loss = sum), list(loss = data.frame()),
                   list(loss = globalenv()), list(search = TRUE, hidden = 5), list(trials = 4),
                   list(search = TRUE, validation = 0), list(max_missing = 2))) {
    expect_error(do.call(classify, bad), class = "canalR_error_argument")
  }
  expect_error(cellular_classifier(cells$counts, cells$types, stage_one()), "model",
               class = "canalR_error_argument")
  expect_error(cellular_classifier(cells$counts[1:5, ], cells$types, cellular_model()),
               class = "canalR_error_overlap")
})

test_that("cells without counts take no part, and nobody is called Unassigned", {
  cells <- cellular_cells()
  counts <- cells$counts
  counts[, cells$types == "acinar"] <- 0
  classify <- function(counts, types) {
    cellular_classifier(Matrix::drop0(counts), types, cellular_model(), hidden = 8, epochs = 2,
                        seed = 1, verbose = FALSE)
  }
  expect_false("acinar" %in% classify(counts, cells$types)@labels)
  expect_error(classify(counts * 0, cells$types), class = "canalR_error_empty")
  expect_error(classify(counts, replace(cells$types, 1, "Unassigned")),
               class = "canalR_error_labels")
})
