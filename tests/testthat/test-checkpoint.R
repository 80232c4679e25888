# A training that is stopped and goes on must end where one that was never stopped ends.

counts_for_checkpoint <- function(seed = 1) {
  with_seed(seed, {
    genes <- paste0("GENE", 1:30)
    counts <- matrix(rpois(30 * 48, 2), 30, dimnames = list(genes, paste0("cell", 1:48)))
    counts[1:10, 1:24] <- counts[1:10, 1:24] * 5L
    counts
  })
}
types_for_checkpoint <- rep(c("A", "B"), each = 24)

new_folder <- function() {
  folder <- tempfile("checkpoint")
  dir.create(folder)
  folder
}

train_kept <- function(folder, epochs = 6, ..., model = NULL, counts = counts_for_checkpoint()) {
  if (is.null(model)) model <- canal_model(small_config(), rownames(counts), seed = 3)
  canal_train(counts, types_for_checkpoint, model, epochs = epochs, seed = 4, verbose = FALSE,
              checkpoint = folder, ...)
}

pretrain_kept <- function(folder, epochs = 5, ...) {
  counts <- counts_for_checkpoint()
  canal_pretrain(counts, rownames(counts), small_config(), epochs = epochs, seed = 4, patience = 3,
                 checkpoint = folder, verbose = FALSE, redraw_interval = 4, ...)
}

test_that("a stage that is made longer goes on from its state and ends as one run would", {
  whole <- train_kept(NULL, trainable = "all", redraw_interval = 3)
  folder <- new_folder()
  train_kept(folder, epochs = 2, trainable = "all", redraw_interval = 3)
  expect_true(file.exists(file.path(folder, "stage-1.h5")))
  resumed <- train_kept(folder, trainable = "all", redraw_interval = 3)
  expect_identical(resumed@weights, whole@weights)
  expect_identical(resumed@bank, whole@bank)
  expect_equal(resumed@history[[1]]$losses, whole@history[[1]]$losses)
})

test_that("a finished stage gives its model again, and the next stage follows", {
  folder <- new_folder()
  first <- train_kept(folder)
  again <- train_kept(folder)
  expect_identical(again@weights, first@weights)
  second <- train_kept(folder, epochs = 3, model = again, trainable = "stage")
  expect_identical(train_kept(NULL, epochs = 3, model = first, trainable = "stage")@weights,
                   second@weights)
  expect_setequal(list.files(folder), c("stage-1.h5", "stage-2.h5"))
})

test_that("a state of another training is refused", {
  folder <- new_folder()
  train_kept(folder, epochs = 2)
  expect_error(train_kept(folder, epochs = 2, learning_rate = 1e-5),
               class = "canalR_error_checkpoint")
  expect_error(train_kept(folder, epochs = 2, counts = counts_for_checkpoint(2)),
               class = "canalR_error_checkpoint")
  canal_save(canal_model(small_config(), c("A", "B"), seed = 1), file.path(folder, "stage-1.h5"))
  expect_error(train_kept(folder, epochs = 2), class = "canalR_error_checkpoint")
  writeBin(as.raw(1:100), file.path(folder, "stage-1.h5"))
  expect_error(train_kept(folder, epochs = 2), class = "canalR_error_file")
  expect_error(train_kept(file.path(folder, "stage-1.h5")), class = "canalR_error_file")
})

test_that("a damaged state is refused, and settings of the configuration count", {
  folder <- new_folder()
  first <- train_kept(folder, epochs = 2)
  # However R is told to write numbers.
  before <- options(scipen = -20, OutDec = ",")
  on.exit(options(before))
  expect_identical(train_kept(folder, epochs = 2)@weights, first@weights)
  options(before)
  other <- canal_model(small_config(weight_decay = 0.1), rownames(counts_for_checkpoint()),
                       seed = 3)
  expect_error(train_kept(folder, model = other), class = "canalR_error_checkpoint")
  expect_error(train_kept(folder, precision = "float32", trainable = "head"),
               class = "canalR_error_checkpoint")
  # 14 and 14L are one setting.
  expect_identical(train_kept(folder, epochs = 2L, batch_size = 14L)@weights,
                   train_kept(folder, epochs = 2, batch_size = 14)@weights)
  path <- file.path(folder, "stage-1.h5")
  weight <- cpp_read_tree(path, "/", "raw")$state$weights[["to_out.fc1.weight"]]
  bytes <- readBin(path, "raw", file.size(path))
  place <- grepRaw(as.raw(weight)[1:64], bytes, fixed = TRUE)
  bytes[place + 8] <- xor(bytes[place + 8], as.raw(1))
  writeBin(bytes, path)
  expect_error(train_kept(folder), "damaged", class = "canalR_error_file")
})

test_that("pre-training goes on from its state", {
  whole <- pretrain_kept(NULL)
  folder <- new_folder()
  pretrain_kept(folder, epochs = 2)
  resumed <- pretrain_kept(folder)
  expect_identical(resumed@weights, whole@weights)
  expect_equal(canal_pretraining(resumed), canal_pretraining(whole))
  expect_error(pretrain_kept(folder, zeros = 1), class = "canalR_error_checkpoint")
})

# The session that is killed is one of its own.
run_in_background <- function(code, log) {
  script <- tempfile(fileext = ".R")
  writeLines(c(sprintf(".libPaths(%s)", deparse1(.libPaths())), "library(canalR)", code), script)
  command <- sprintf("%s %s > %s 2>&1 & echo $!", shQuote(file.path(R.home("bin"), "Rscript")),
                     shQuote(script), shQuote(log))
  as.integer(system(command, intern = TRUE))
}

is_running <- function(pid) tools::pskill(pid, 0)

# Runs a training in other sessions that are killed until one gets to its end. call: the training,
# given `inputs` and the folder `kept`. Returns its weights and how many sessions were killed.
killed_until_done <- function(inputs, call) {
  folder <- new_folder()
  file <- function(name) file.path(folder, name)
  saveRDS(inputs, file("inputs.rds"))
  code <- c(sprintf("inputs <- readRDS(%s); kept <- %s", deparse(file("inputs.rds")),
                    deparse(folder)),
            sprintf("file.create(%s)", deparse(file("began"))),
            sprintf("model <- %s", call),
            sprintf("saveRDS(model@weights, %s)", deparse(file("part.rds"))),
            sprintf("file.rename(%s, %s)", deparse(file("part.rds")), deparse(file("result.rds"))))
  kills <- 0
  for (attempt in 1:60) {
    pid <- run_in_background(code, file("log"))
    # Past R's start, and another moment every time, after the first ones past the first epoch; in
    # the end it may finish.
    waits_for <- if (attempt > 2) c("^began$", "[.]h5$") else "^began$"
    is_there <- function(pattern) length(list.files(folder, pattern)) > 0
    while (is_running(pid) && !all(vapply(waits_for, is_there, NA))) Sys.sleep(0.02)
    deadline <- Sys.time() + 0.3 + 0.37 * (attempt %% 5)
    while (is_running(pid) && (Sys.time() < deadline || attempt > 6)) Sys.sleep(0.02)
    if (file.exists(file("result.rds"))) break
    unlink(file("began"))
    if (is_running(pid)) {
      tools::pskill(pid, tools::SIGKILL)
      kills <- kills + 1
    }
    while (is_running(pid)) Sys.sleep(0.02)
  }
  list(weights = readRDS(file("result.rds")), kills = kills, log = readLines(file("log")))
}

test_that("killed at random moments, a run ends with the weights of one that was never stopped", {
  skip_on_os("windows")
  skip_on_cran()  # a minute of sessions that are killed
  counts <- counts_for_checkpoint()
  inputs <- list(counts = counts, types = types_for_checkpoint,
                 model = canal_model(small_config(), rownames(counts), seed = 3))
  train <- paste("canal_train(inputs$counts, inputs$types, inputs$model, epochs = 200,",
                 "patience = 200, seed = 4, checkpoint = kept)")
  stage <- killed_until_done(inputs, train)
  expect_gt(stage$kills, 0)
  expect_match(stage$log, "Going on after epoch", all = FALSE)
  expect_identical(stage$weights, train_kept(NULL, epochs = 200, patience = 200)@weights)
  pretrain <- paste("canal_pretrain(inputs$counts, inputs$model, epochs = 200, seed = 4,",
                    "redraw_interval = 4, checkpoint = kept)")
  pretrained <- killed_until_done(inputs, pretrain)
  expect_gt(pretrained$kills, 0)
  expect_match(pretrained$log, "Going on after epoch", all = FALSE)
  kept <- NULL
  expect_identical(pretrained$weights, suppressMessages(eval(parse(text = pretrain)))@weights)
})

test_that("without a seed, the same call goes on with the seed of the state", {
  folder <- new_folder()
  call <- function() {
    canal_train(counts_for_checkpoint(), types_for_checkpoint,
                canal_model(small_config(), rownames(counts_for_checkpoint()), seed = 3),
                epochs = 3, checkpoint = folder)
  }
  set.seed(1)
  first <- suppressMessages(call())
  set.seed(2)
  expect_message(again <- call(), "Going on after epoch 3", class = "canalR_message_resume")
  expect_identical(again@weights, first@weights)
})

test_that("a state that cannot be written is warned of once and costs nothing", {
  folder <- new_folder()
  kept <- training_checkpoint(folder, "stage-1", list(1), seed = 1)
  unlink(folder, recursive = TRUE)
  run <- list(losses = data.frame(epoch = 1))
  expect_warning(kept$save(run, function() list(a = 1)), class = "canalR_warning_checkpoint")
  expect_silent(kept$save(run, function() list(a = 1)))
  expect_error(training_checkpoint(file.path("/proc", "self"), "stage-1", list(1), seed = 1),
               class = "canalR_error_file")
})
