# Pre-training in R: where cells come from, what is told, what Ctrl-C leaves. What a step computes
# is tested in test-recipe.R (against R) and tests/engine/test_pretrainer.cpp.

pretraining_of <- function(inputs, genes, memory = 2e9, validation = 0.25, seed = 1) {
  model <- canal_model(small_config(), genes, seed = 1)
  settings <- list(validation = validation, seed = seed, num_threads = NULL, verbose = FALSE)
  pretraining_cells(inputs, model, "counts", 0, memory, settings)
}

# Cells of a raw matrix as texts, to compare sets of them.
as_texts <- function(tokens) apply(tokens, 2, paste, collapse = "")

training_texts <- function(cells, seed = 1) {
  unlist(lapply(cells$training(seed), function(tokens) as_texts(tokens())))
}

held_texts <- function(cells) {
  unlist(lapply(cells$held_out(), function(tokens) as_texts(tokens())))
}

test_that("several inputs are one; genes that one lacks are zeros", {
  counts <- panc()$counts
  first <- counts[1:60, 1:20]
  second <- counts[41:100, 21:50]
  genes <- rownames(counts)[1:100]
  cells <- pretraining_of(list(first, second), genes)
  expect_identical(cells$count, 50)
  tokens_of_input <- function(x) {
    x <- canal_prepare(x, genes, n_genes = NULL, min_genes = 0, verbose = FALSE)
    unname(x@tokens)
  }
  expected <- cbind(tokens_of_input(first), tokens_of_input(second))
  expect_true(all(expected[61:100, 1:20] == as.raw(0)))
  expect_setequal(c(training_texts(cells), held_texts(cells)), as_texts(expected))
  expect_length(training_texts(cells), 50 - round(0.25 * 50))
  expect_length(intersect(training_texts(cells), held_texts(cells)), 0)
})

test_that("every epoch has its own order, the same cells, and the same held-out ones", {
  cells <- pretraining_of(panc()$counts[, 1:40], rownames(panc()$counts))
  expect_setequal(training_texts(cells, 1), training_texts(cells, 2))
  expect_false(identical(training_texts(cells, 1), training_texts(cells, 2)))
  expect_identical(training_texts(cells, 1), training_texts(cells, 1))
  other <- pretraining_of(panc()$counts[, 1:40], rownames(panc()$counts), seed = 2)
  expect_false(setequal(held_texts(cells), held_texts(other)))
})

test_that("files that do not fit into memory are read block by block, with the same cells", {
  counts <- panc()$counts[1:80, 1:30]
  path <- write_h5ad(counts)
  inputs <- list(path, counts[, 1:8])
  whole <- pretraining_of(inputs, rownames(counts))
  with_blocks_of(7, {
    pieces <- pretraining_of(inputs, rownames(counts), memory = 0)
    expect_length(pieces$training(1), 6)
    expect_setequal(c(training_texts(pieces), held_texts(pieces)),
                    c(training_texts(whole), held_texts(whole)))
    expect_length(training_texts(pieces), length(training_texts(whole)))
    expect_identical(pieces$counted(), Reduce(`+`, lapply(pieces$training(3), function(tokens) {
      tabulate(as.integer(tokens()) + 1L, 256)
    })))
    model <- canal_pretrain(inputs, rownames(counts), small_config(), epochs = 2, batch_size = 4,
                            accumulation = 2, memory = 0, min_genes = 0, seed = 1, verbose = FALSE)
    expect_identical(nrow(canal_pretraining(model)), 2L)
  })
})

test_that("pre-training learns, is recorded, and can go on", {
  counts <- panc()$counts
  model <- canal_pretrain(counts, rownames(counts), small_config(), epochs = 6,
                          learning_rate = 1e-2, seed = 1, verbose = FALSE)
  losses <- canal_pretraining(model)
  expect_lt(losses$validation_loss[6], losses$validation_loss[1])
  expect_true(all(losses$accuracy >= 0 & losses$accuracy <= 1))
  expect_true(model@provenance$pretrained)
  expect_identical(model@provenance$pretraining$best_epoch, which.min(losses$validation_loss))
  again <- canal_pretrain(counts, model, epochs = 1, learning_rate = 0, seed = 1, verbose = FALSE)
  expect_identical(again@weights, model@weights)
  expect_lt(abs(canal_pretraining(again)$validation_loss - min(losses$validation_loss)), 1e-6)
  path <- tempfile(fileext = ".h5")
  canal_save(model, path)
  expect_equal(canal_pretraining(canal_load(path)), losses)
})

test_that("a vocabulary's own vectors stay fixed", {
  counts <- panc()$counts[1:50, ]
  table <- with_seed(1, matrix(rnorm(50 * 8), 50, dimnames = list(rownames(counts), NULL)))
  model <- canal_pretrain(counts, canal_vocabulary(rownames(counts), table), small_config(),
                          epochs = 1, learning_rate = 1e-2, seed = 1, verbose = FALSE)
  rows <- cpp_weight_array(model@weights[["pos_emb.emb.weight"]])
  expect_equal(rows[1:50, ], unname(table), tolerance = 1e-6)
})

test_that("patience ends it", {
  counts <- panc()$counts[1:50, 1:40]
  said <- character()
  model <- withCallingHandlers(
    canal_pretrain(counts, rownames(counts), small_config(), epochs = 10, learning_rate = 0,
                   patience = 2, validation = 0.3, seed = 1),
    message = function(message) {
      said <<- c(said, conditionMessage(message))
      tryInvokeRestart("muffleMessage")
    }
  )
  expect_identical(nrow(canal_pretraining(model)), 3L)
  expect_match(said, "epochs: 3 (no better since)", fixed = TRUE, all = FALSE)
})

test_that("wrong arguments are refused by name", {
  counts <- panc()$counts[1:20, 1:10]
  wrong <- list(epochs = 0, batch_size = 0, accumulation = 0.5, learning_rate = 2, clip_norm = -1,
                patience = 0, validation = 1, masked = 2, replaced = -1, zeros = -1, balance = NA,
                memory = -1, verbose = 1, redraw_interval = -1, team = 3)
  for (name in names(wrong)) {
    call <- list(counts, rownames(counts), small_config(), seed = 1, min_genes = 0)
    expect_error(do.call(canal_pretrain, c(call, wrong[name])), paste0("`", name, "`"),
                 class = "canalR_error_argument")
  }
  expect_error(canal_pretrain(list(), rownames(counts), small_config()),
               class = "canalR_error_empty")
  expect_refused(canal_pretrain(character(), untrained()), "empty", "x")
  expect_error(canal_pretrain(counts, stage_one()), class = "canalR_error_model")
  expect_error(canal_pretraining(stage_one()), class = "canalR_error_stages")
})

interrupted_code <- '
large <- canal_config("compact", dim = 64, depth = 4)
result <- withCallingHandlers(
  canal_pretrain(value, rownames(value), large, epochs = 1e5, seed = 1),
  canalR_message_epoch = function(message) tell("began")
)
result <- list(model = result, ended = as.numeric(Sys.time()))
'

test_that("Ctrl-C gives the best network so far", {
  skip_on_os("windows")
  sent <- NULL
  result <- in_new_session(interrupted_code, panc()$counts, function(file) {
    if (!wait_for(file("began"))) return()
    Sys.sleep(1)
    tools::pskill(as.integer(readLines(file("pid"))), tools::SIGINT)
    sent <<- as.numeric(Sys.time())
  })
  expect_lt(result$ended - sent, 1)
  expect_identical(result$model@provenance$pretraining$stopped, "interrupt")
  expect_true(result$model@provenance$pretrained)
})

test_that("a pre-training on cells without genes is an error, and the network as it was", {
  counts <- panc()$counts[, 1:10]
  counts@x[] <- 0
  model <- canal_model(small_config(), rownames(counts), seed = 1)
  before <- unserialize(serialize(model, NULL))
  expect_error(canal_pretrain(counts, model, epochs = 1, seed = 1, min_genes = 0, verbose = FALSE),
               "expressed gene", class = "canalR_error_counts")
  expect_identical(model, before)
  expect_error(canal_pretraining(model), class = "canalR_error_stages")
  expect_error(canal_pretrain(counts, model, min_genes = "a"), "min_genes",
               class = "canalR_error_argument")
})
