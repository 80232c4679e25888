saved <- function(model, path = tempfile(fileext = ".h5")) {
  canal_save(model, path)
  path
}

test_that("a model comes back as it was, in every slot", {
  imported <- golden_model("canal_stage1.pth")
  for (model in list(untrained(), stage_one(), stage_two(), imported)) {
    path <- saved(model)
    expect_same_model(canal_load(path), model)
    unlink(path)
  }
})

test_that("what a model may lack comes back too", {
  cells <- stage_one_cells()
  bare <- train_quietly(cells, untrained(), epochs = 1, validation = 0, bank_size = 0)
  expect_same_model(canal_load(saved(bare)), bare)
  waiting <- bare
  waiting@pending <- list(tokens = matrix(as.raw(1:6), 2), spare = no_spare(3),
                          types = c("a", "b", "a"), stage = 1L, names = c("x", "y", "z"), size = 10)
  waiting@history[[1]]$accuracy <- numeric()
  waiting@history[[1]]$losses <- empty_losses()
  expect_same_model(canal_load(saved(waiting)), waiting)
})

test_that("names in any script come back", {
  cells <- stage_one_cells()
  cells$types <- sub("alpha", "\u03b1 cell / islet", cells$types)
  model <- train_quietly(cells, untrained(), epochs = 1)
  loaded <- canal_load(saved(model))
  expect_identical(loaded@labels, model@labels)
  expect_identical(loaded@bank, model@bank)
})

test_that("a loaded model annotates alike, in this session and in another", {
  counts <- stage_two_cells()$counts
  path <- saved(stage_two())
  on.exit(unlink(path))
  expected <- as.data.frame(predict_quietly(counts, stage_two()))
  expect_identical(as.data.frame(predict_quietly(counts, canal_load(path))), expected)
  code <- c("model <- canal_load(value$path)",
            "result <- as.data.frame(canal_predict(value$counts, model, verbose = FALSE))")
  expect_identical(in_new_session(code, list(counts = counts, path = path)), expected)
})

test_that("a loaded model goes on training alike", {
  loaded <- canal_load(saved(stage_one()))
  model <- train_quietly(stage_two_cells(), loaded, epochs = 2)
  expect_identical(model@weights, stage_two()@weights)
  expect_identical(model@bank, stage_two()@bank)
})

test_that("saving returns the path and replaces a file whole", {
  path <- tempfile(fileext = ".h5")
  on.exit(unlink(path))
  expect_invisible(expect_identical(canal_save(stage_one(), path), path))
  canal_save(stage_two(), path)
  expect_same_model(canal_load(path), stage_two())
})

test_that("a path that cannot be written is refused, and nothing is left", {
  folder <- tempfile("folder")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  blocked <- file.path(folder, "file")
  writeLines("text", blocked)
  expect_error(canal_save(stage_one(), file.path(blocked, "model.h5")),
               class = "canalR_error_file")
  expect_error(canal_save(stage_one(), file.path(folder, "none", "model.h5")),
               class = "canalR_error_file")
  expect_error(canal_save(stage_one(), folder), class = "canalR_error_file")
  expect_identical(list.files(folder, all.files = TRUE, no.. = TRUE), "file")
  expect_identical(readLines(blocked), "text")
})

test_that("a write that fails keeps the file that was there", {
  folder <- tempfile("folder")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  path <- saved(stage_one(), file.path(folder, "model.h5"))
  damaged <- stage_one()
  damaged@labels[2] <- NA
  expect_error(canal_save(damaged, path), class = "canalR_error")
  expect_same_model(canal_load(path), stage_one())
  expect_identical(list.files(folder, all.files = TRUE, no.. = TRUE), "model.h5")
})

test_that("truncated, damaged and foreign files are refused", {
  path <- saved(stage_one())
  on.exit(unlink(path))
  bytes <- readBin(path, "raw", file.size(path))
  for (size in c(0, 10, 500, length(bytes) %/% 2, length(bytes) - 1)) {
    writeBin(utils::head(bytes, size), path)
    expect_error(canal_load(path), class = "canalR_error_file")
  }
  writeLines("a plain text", path)
  expect_error(canal_load(path), class = "canalR_error_file")
  expect_refused(canal_load(system.file("extdata", "panc8_small.h5ad", package = "canalR")),
                 "file", "path")
  expect_error(canal_load(golden_path("pretrained.pth")), class = "canalR_error_file")
  expect_error(canal_load(tempfile()), class = "canalR_error_file")
  expect_error(canal_load(tempdir()), class = "canalR_error_file")
})

test_that("a file of a newer version is refused, with the version that wrote it", {
  path <- tempfile(fileext = ".h5")
  on.exit(unlink(path))
  tree <- model_to_tree(stage_one())
  tree$format$version <- 99L
  tree$format$written_by <- "7.0.1"
  cpp_write_tree(path, tree)
  expect_error(canal_load(path), "format 99, written by canalR 7.0.1",
               class = "canalR_error_version")
  # Such a file may hold something else altogether.
  cpp_write_tree(path, list(format = list(name = "canalR model", version = 99L)))
  expect_error(canal_load(path), "format 99", class = "canalR_error_version")
})

test_that("a file that says it is a model and lacks parts is refused", {
  path <- tempfile(fileext = ".h5")
  on.exit(unlink(path))
  tree <- model_to_tree(stage_one())
  for (part in c("weights", "config", "vocabulary", "genes", "bank", "history", "provenance")) {
    cpp_write_tree(path, tree[names(tree) != part])
    expect_error(canal_load(path), part, class = "canalR_error_file")
  }
  tree$format$version <- NULL
  cpp_write_tree(path, tree)
  expect_error(canal_load(path), class = "canalR_error_file")
})

test_that("only models are saved, only paths are taken", {
  expect_refused(canal_save(list(), tempfile()), "argument", "model")
  expect_refused(canal_save(stage_one(), 1), "argument", "path")
  expect_refused(canal_load(c("a", "b")), "argument", "path")
})

test_that("an id is the MD5 of all weights", {
  weights <- untrained()@weights
  path <- tempfile()
  on.exit(unlink(path))
  writeBin(do.call(c, lapply(weights, as.vector)), path)
  id <- weights_id(weights)
  expect_identical(id, substr(unname(tools::md5sum(path)), 1, 12))
  expect_identical(weights_id(list()), substr("d41d8cd98f00b204e9800998ecf8427e", 1, 12))
})

test_that("a model of the first format opens and annotates as it did", {
  recorded <- readRDS(test_path("fixtures", "model-v1.rds"))
  model <- canal_load(test_path("fixtures", "model-v1.h5"))
  expect_identical(model@labels, recorded$labels)
  expect_identical(model@genes, recorded$genes)
  expect_identical(model@provenance$id, recorded$id)
  expect_identical(weights_id(model@weights), recorded$id)
  expect_identical(model@bank$entries, recorded$bank)
  expect_identical(as.data.frame(canal_stream(model)), recorded$stream)
  result <- predict_quietly(recorded$counts, model, novelty = "canal", seed = 3,
                            precision = "float32")
  expect_identical(result$canal_label, recorded$label)
  expect_equal(result$canal_confidence, recorded$confidence, tolerance = 1e-5)
  expect_equal(result$canal_novelty, recorded$novelty, tolerance = 1e-4)
  cells <- list(counts = recorded$counts, types = recorded$types)
  trained <- train_quietly(cells, model, epochs = 1)
  expect_length(trained@history, 3)
})

test_that("weights that are not those that were saved are noticed", {
  tree <- model_to_tree(stage_one())
  bias <- tree$weights[["norm.bias"]]
  bias[1:4] <- as.raw(c(0, 0, 0x80, 0x3f))
  tree$weights[["norm.bias"]] <- bias
  file <- tempfile(fileext = ".h5")
  cpp_write_tree(file, tree)
  expect_error(canal_load(file), "`path`.*damaged", class = "canalR_error_file")
})

test_that("settings that are none, and tokens of other genes, are noticed", {
  file <- tempfile(fileext = ".h5")
  on.exit(unlink(file))
  damaged <- function(change, what) {
    cpp_write_tree(file, change(model_to_tree(stage_one())))
    expect_error(canal_load(file), what, class = "canalR_error_file")
  }
  damaged(function(tree) {
    tree$config$target_sum <- "x"
    tree
  }, "target_sum")
  damaged(function(tree) {
    tree$config$epochs <- 1e18
    tree
  }, "epochs")
  damaged(function(tree) {
    tree$heldout[[1]]$tokens <- tree$heldout[[1]]$tokens[1:5, ]
    tree
  }, "token per gene")
  damaged(function(tree) {
    tree$bank$tokens <- tree$bank$tokens[-1, ]
    tree
  }, "token per gene")
  damaged(function(tree) {
    tree$provenance$recipe <- "x"
    tree
  }, "recipe")
})

test_that("a model whose parts do not fit together is noticed", {
  tree <- model_to_tree(stage_one())
  tree$labels <- tree$labels[-1]
  file <- tempfile(fileext = ".h5")
  cpp_write_tree(file, tree)
  expect_error(canal_load(file), "`path`.*labels", class = "canalR_error_file")
  model <- stage_one()
  model@labels <- model@labels[-1]
  expect_error(methods::validObject(model), "labels")
})
