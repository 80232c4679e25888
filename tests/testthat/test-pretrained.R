test_that("the pre-trained model of the package is whole, small, and starts a stream", {
  file <- system.file("pretrained", "compact.h5", package = "canalR")
  expect_lt(file.size(file), 3e6)
  model <- canal_pretrained("compact")
  expect_true(model@provenance$pretrained)
  expect_gt(length(model@vocabulary$genes), 2000)
  losses <- canal_pretraining(model)
  expect_lt(min(losses$validation_loss), losses$validation_loss[1])
  cells <- stage_one_cells()
  trained <- canal_train(cells$counts, cells$types, model, epochs = 1, seed = 1, verbose = FALSE)
  expect_identical(trained@history[[1]]$settings$trainable, "stage")
})

test_that("its masked accuracy is that of its own record", {
  model <- canal_pretrained("compact")
  file <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
  again <- canal_pretrain(file, model, epochs = 1, learning_rate = 0, validation = 0.5, seed = 1,
                          verbose = FALSE)
  # Cells that it was trained on, of one tissue of two: near the share for all of them.
  expect_gt(canal_pretraining(again)$validation_accuracy, 0.5)
})

test_that("a model is put into the cache once, with its checksum, and looked at when loaded", {
  skip_if_not_installed("digest")
  cache <- tempfile("cache")
  source <- tempfile(fileext = ".h5")
  canal_save(untrained(), source)
  url <- paste0("file://", source)
  sha256 <- digest::digest(file = source, algo = "sha256")
  get <- function(...) canal_pretrained("mine", ..., cache = cache, verbose = FALSE)
  expect_error(get(), class = "canalR_error_file")
  expect_error(get(url = url), class = "canalR_error_argument")
  expect_error(get(url = url, sha256 = strrep("0", 64)), "kept", class = "canalR_error_file")
  expect_length(list.files(cache), 0)
  expect_error(suppressWarnings(get(url = paste0(url, ".no"), sha256 = sha256)),
               class = "canalR_error_file")
  expect_identical(get(url = url, sha256 = toupper(sha256))@weights, untrained()@weights)
  unlink(source)
  expect_identical(get()@weights, untrained()@weights)
  expect_setequal(list.files(cache), c("mine.h5", "mine.h5.sha256"))
  cat("x", file = file.path(cache, "mine.h5"), append = TRUE)
  expect_error(get(), "checksum", class = "canalR_error_file")
})

test_that("names that are neither files nor in the cache are refused", {
  for (name in list("../x", "a/b", "", NA, 1)) {
    expect_error(canal_pretrained(name, cache = tempfile()), class = "canalR_error")
  }
  file <- tempfile(fileext = ".h5")
  canal_save(untrained(), file)
  expect_identical(canal_pretrained(file)@weights, untrained()@weights)
  expect_identical(canal_pretrained(file, sha256 = sha256_of(file))@weights, untrained()@weights)
  # Whoever gives a checksum means it of any file.
  for (name in c(file, "compact")) {
    expect_error(canal_pretrained(name, sha256 = strrep("0", 64)), "sha256",
                 class = "canalR_error_file")
  }
  # It would never be found under that name.
  expect_refused(canal_pretrained(url = paste0("file://", file), sha256 = sha256_of(file),
                                  cache = tempfile()), "argument", "name")
})

test_that("a name of the cache is not shadowed by the working directory", {
  cache <- tempfile()
  dir.create(cache)
  here <- tempfile()
  dir.create(file.path(here, "mine"), recursive = TRUE)
  source <- tempfile(fileext = ".h5")
  canal_save(untrained(), source)
  sum <- sha256_of(source)
  suppressMessages(canal_pretrained("mine", paste0("file://", source), sum, cache = cache))
  before <- setwd(here)
  on.exit(setwd(before))
  expect_identical(canal_pretrained("mine", cache = cache)@weights, untrained()@weights)
  expect_error(canal_pretrained("./mine", cache = cache), "name", class = "canalR_error_file")
})
