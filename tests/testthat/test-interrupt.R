# Ctrl-C, sent to another R session while it trains or annotates.

# A network that takes seconds per epoch, and one that ends an epoch every few milliseconds, so that
# the interrupt comes between two lines of R as often as not.
session_code <- '
cells <- value$cells
train <- function(model, ..., telling = "none") {
  withCallingHandlers(
    canal_train(cells$counts, cells$types, model, seed = 1, ...),
    canalR_message_prepare = function(message) {
      tell(telling)
      tryInvokeRestart("muffleMessage")
    }
  )
}
large <- canal_model(canal_config("compact", n_genes = 200, dim = 256, depth = 6, head_width = 64),
                     rownames(cells$counts), seed = 1)
result <- list(model = train(large, epochs = 1e5, telling = "began-1"))
result$ended_1 <- as.numeric(Sys.time())
result$labels <- canal_predict(cells$counts[, 1:3], result$model, verbose = FALSE)$canal_label
many <- cells$counts[, rep(1, 20000)]
colnames(many) <- seq_len(ncol(many))
result$predicted <- tryCatch({
  withCallingHandlers(canal_predict(many, result$model),
                      canalR_message_prepare = function(message) tell("began-2"))
}, interrupt = function(interrupt) "interrupted")
result$ended_2 <- as.numeric(Sys.time())
result$small <- train(value$small, epochs = 1e5, patience = 1e6, telling = "began-3")
result$ended_3 <- as.numeric(Sys.time())
result$next_one <- train(result$small, epochs = 1)
'

# Sends the interrupts that the code above waits for; returns when.
interrupt_thrice <- function(file) {
  sent <- numeric()
  for (round in 1:3) {
    if (!wait_for(file(paste0("began-", round)))) return(sent)
    Sys.sleep(c(1.5, 1, 2)[round])
    tools::pskill(as.integer(readLines(file("pid"))), tools::SIGINT)
    sent[round] <- as.numeric(Sys.time())
  }
  sent
}

interrupted_session <- function() {
  once("interrupted", function() {
    small <- canal_model(small_config(n_genes = 10, history_size = 2), rownames(panc()$counts),
                         seed = 1)
    sent <- NULL
    result <- in_new_session(session_code, list(cells = stage_one_cells(), small = small),
                             function(file) sent <<- interrupt_thrice(file))
    c(result, list(sent = sent))
  })
}

test_that("Ctrl-C gives the model back", {
  skip_on_os("windows")
  session <- interrupted_session()
  expect_prompt(session$ended_1 - session$sent[1])
  expect_s4_class(session$model, "CanalModel")
  expect_identical(last_record(session$model)$stopped, "interrupt")
  expect_identical(session$model@labels, stage_one()@labels)
  expect_length(last_record(session$model)$accuracy, 0)
  expect_true(all(session$labels %in% stage_one()@labels))
})

test_that("an annotation ends with R's interrupt", {
  skip_on_os("windows")
  session <- interrupted_session()
  expect_identical(session$predicted, "interrupted")
  expect_prompt(session$ended_2 - session$sent[2])
})

test_that("the best model so far is the one given back", {
  skip_on_os("windows")
  session <- interrupted_session()
  record <- last_record(session$small)
  expect_prompt(session$ended_3 - session$sent[3])
  expect_identical(record$stopped, "interrupt")
  expect_gt(record$epochs, 1)
  expect_identical(record$best_accuracy, max(record$losses$validation_accuracy))
})

test_that("cells of an interrupted stage are ranked when the next one starts", {
  skip_on_os("windows")
  session <- interrupted_session()
  model <- session$small
  cells <- stage_one_cells()
  held <- hold_out(cells$types, 0.2, derive_seed(1, 1))
  expect_identical(nrow(model@bank$entries), 0L)
  expect_identical(model@pending$names, colnames(cells$counts)[!held])
  settled <- settle_bank(model, NULL, compute_on("cpu", "auto"))
  expect_setequal(settled@bank$entries$cell, model@pending$names)
  expect_true(all(settled@bank$entries$stage == 1))
  following <- session$next_one
  expect_length(following@pending, 0)
  first <- following@bank$entries[following@bank$entries$stage == 1, ]
  by_cell <- function(entries) entries[order(entries$cell), c("cell", "type", "rank")]
  expect_identical(by_cell(first), by_cell(settled@bank$entries), ignore_attr = TRUE)
  expect_identical(last_record(following)$stopped, "epochs")
})

test_that("a model of an interrupted stage is saved with the cells that wait", {
  skip_on_os("windows")
  path <- tempfile(fileext = ".h5")
  on.exit(unlink(path))
  model <- interrupted_session()$small
  canal_save(model, path)
  expect_same_model(canal_load(path), model)
})

# Ctrl-C, and a moment in which it may be heard. Sys.sleep() would not mind that interrupts are
# suspended.
interrupt_here <- function() {
  tools::pskill(Sys.getpid(), tools::SIGINT)
  until <- proc.time()[[3]] + 0.1
  while (proc.time()[[3]] < until) NULL
}

# The value of `code` where Ctrl-C comes at the end of a function of the package, NULL where it took
# the value along; and how often that was told.
late_interrupt <- function(name, code) {
  own <- get(name, asNamespace("canalR"))
  told <- 0
  value <- tryCatch(withCallingHandlers(with_binding(name, function(...) {
    value <- own(...)
    interrupt_here()
    value
  }, suppressMessages(code)), canalR_late_interrupt = function(condition) told <<- told + 1),
  interrupt = function(interrupt) NULL)
  list(value = value, told = told)
}

test_that("Ctrl-C after the last epoch takes no trained model along", {
  skip_on_os("windows")
  cells <- stage_one_cells()
  late <- late_interrupt("end_stage", canal_train(cells$counts, cells$types, untrained(),
                                                  epochs = 1, seed = 1))
  expect_identical(last_record(late$value)$stopped, "epochs")
  expect_identical(late$told, 1)
  late <- late_interrupt("end_pretraining", canal_pretrain(cells$counts, untrained(), epochs = 1,
                                                           seed = 1))
  expect_true(late$value@provenance$pretrained)
  expect_identical(late$told, 1)
  late <- late_interrupt("end_encoder", embedding_of(epochs = 2, verbose = TRUE))
  expect_identical(late$value@history$encoder$stopped, "epochs")
  expect_identical(late$told, 1)
  cells <- cellular_cells()
  late <- late_interrupt("end_classifier", cellular_classifier(
    cells$counts, cells$types, late$value, hidden = 4, epochs = 2, warm_up = 1, seed = 1
  ))
  expect_true(has_classifier(late$value))
  expect_identical(late$told, 1)
})

test_that("Ctrl-C after the last epoch of a part ends the whole", {
  skip_on_os("windows")
  expect_warning(late <- late_interrupt("end_encoder", embedding_of(epochs = 2, classifier = TRUE)),
                 "interrupted", class = "canalR_warning_stopped")
  expect_false(has_classifier(late$value))
  cells <- panc_cells("indrop", most = 9)
  expect_warning(late <- late_interrupt("end_stage", canal_cross_validate(
    cells$counts, cells$types, untrained(), k = 2, seed = 1, epochs = 1
  )), "interrupted", class = "canalR_warning_stopped")
  expect_identical(nrow(late$value$folds), 0L)
})

test_that("Ctrl-C after the last fold takes no folds along", {
  skip_on_os("windows")
  cells <- panc_cells("indrop", most = 9)
  folds <- 0
  text <- fold_text
  late <- with_binding("fold_text", function(...) {
    folds <<- folds + 1
    if (folds == 2) interrupt_here()
    text(...)
  }, tryCatch(suppressMessages(canal_cross_validate(
    cells$counts, cells$types, untrained(), k = 2, seed = 1, epochs = 1
  )), interrupt = function(interrupt) NULL))
  expect_identical(nrow(late$folds), 2L)
})

test_that("an interrupt that waits is heard by work that takes no time", {
  skip_on_os("windows")
  cells <- stage_one_cells()$counts[, 1:2]
  model <- stage_one()
  work <- function() predict_quietly(cells, model)
  expect_s4_class(work(), "DataFrame")
  ended <- suspendInterrupts({
    interrupt_here()
    until_interrupt(work())
  })
  expect_null(ended)
})

test_that("what Matrix does in C comes to its end before Ctrl-C is heard", {
  skip_on_os("windows")
  work_for <- function(seconds) {
    until <- proc.time()[[3]] + seconds
    while (proc.time()[[3]] < until) NULL
  }
  ended <- FALSE
  heard <- tryCatch({
    to_its_end({
      tools::pskill(Sys.getpid(), tools::SIGINT)
      work_for(0.1)
      ended <- TRUE
    })
    work_for(5)
    FALSE
  }, interrupt = function(interrupt) TRUE)
  expect_true(ended)
  expect_true(heard)
})

test_that("a time limit is R's error, not Ctrl-C", {
  cells <- panc_cells("indrop", most = 30)
  on.exit(setTimeLimit())
  caught <- tryCatch({
    setTimeLimit(elapsed = 0.2, transient = TRUE)
    canal_train(cells$counts, cells$types, untrained(), epochs = 1000, seed = 1, num_threads = 1,
                verbose = FALSE)
  }, error = conditionMessage, warning = conditionMessage)
  expect_match(caught, "time limit", fixed = TRUE)
})
