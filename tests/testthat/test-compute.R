# What network computes: precision, kernels, and what is kept of frozen layers.

has_bfloat16 <- function() {
  cpp_kernels(compute_on("cpu", "auto"))[["numbers"]] == "bfloat16"
}

test_that("labels and confidences of both precisions agree", {
  cells <- stage_two_cells()
  exact <- predict_quietly(cells$counts, stage_two(), precision = "float32")
  fast <- predict_quietly(cells$counts, stage_two(), precision = "auto")
  expect_identical(fast$canal_label, exact$canal_label)
  expect_lt(max(abs(fast$canal_confidence - exact$canal_confidence)), 0.02)
  skip_if_not(has_bfloat16(), "this CPU does not multiply bfloat16 numbers")
  expect_false(identical(fast$canal_confidence, exact$canal_confidence))
  named <- predict_quietly(cells$counts, stage_two(), precision = "bfloat16")
  expect_identical(named$canal_confidence, fast$canal_confidence)
})

test_that("all kernels in float32 give the same logits", {
  tokens <- golden_array("stage1/tokens")
  model <- golden_model("canal_stage1.pth")
  expected <- with_kernels("libtorch", canal_forward(tokens, model))
  for (name in cpp_runtime_info()$kernels) {
    logits <- tryCatch(with_kernels(name, canal_forward(tokens, model)),
                       canalR_error_input = function(error) NULL)
    if (is.null(logits)) {
      expect_match(name, "bf16|amx")
    } else {
      expect_lt(max(abs(logits - expected)), 1e-4)
    }
  }
})

test_that("a prediction does not depend on threads or on its batch, in any precision", {
  cells <- stage_two_cells()
  for (precision in c("float32", "auto")) {
    predict_with <- function(counts, threads) {
      predict_quietly(counts, stage_two(), precision = precision, num_threads = threads)
    }
    all <- predict_with(cells$counts, 2)
    expect_identical(predict_with(cells$counts, 1)$canal_confidence, all$canal_confidence)
    one <- predict_with(cells$counts[, 3, drop = FALSE], 2)
    expect_identical(one$canal_confidence, all$canal_confidence[3])
  }
})

test_that("a model's networks of both precisions are kept apart, and results tell theirs", {
  cells <- stage_two_cells()
  kept <- function(precision) {
    with_kernels("libtorch", predict_quietly(cells$counts, stage_two(), precision = precision))
  }
  exact <- kept("float32")
  expect_false(identical(kept("bfloat16")$canal_confidence, exact$canal_confidence))
  expect_identical(kept("float32")$canal_confidence, exact$canal_confidence)
  parameters <- S4Vectors::metadata(exact)$canal$canal$prediction$parameters
  expect_identical(parameters$computed, "cpu libtorch float32")
  expect_match(last_record(stage_two())$settings$computed, "^cpu [a-z0-9_]+ (bfloat16|float32)$")
})

test_that("precisions and kernels that are not there are refused", {
  tokens <- golden_array("stage1/tokens")
  model <- golden_model("canal_stage1.pth")
  expect_refused(canal_forward(tokens, model, precision = "half"), "argument", "precision")
  expect_refused(canal_predict(stage_two_cells()$counts, stage_two(), precision = 32), "argument",
                 "precision")
  expect_refused(with_kernels("abacus", canal_forward(tokens, model)), "input", "precision")
  expect_refused(with_kernels("avx2", canal_forward(tokens, model, precision = "bfloat16")),
                 "input", "precision")
})

# A second stage with frozen layers: of three, the second learns.
frozen_start <- function() {
  once("frozen_start", function() {
    cells <- stage_one_cells()
    config <- canal_config("compact", depth = 3, n_genes = 30, epochs = 1, dropped_tokens = 0,
                           new_genes = 0)
    model <- canal_model(config, rownames(cells$counts), seed = 1)
    train_quietly(cells, model, epochs = 1)
  })
}

train_frozen <- function(...) {
  train_quietly(stage_two_cells(), frozen_start(), epochs = 2, trainable = "stage", ...)
}

test_that("what is kept of the frozen layers changes nothing", {
  plain <- train_frozen(cache = FALSE, precision = "float32")
  in_memory <- train_frozen(cache = 1e9, precision = "float32")
  in_a_file <- train_frozen(cache = 0, precision = "float32")
  expect_identical(in_memory@weights, plain@weights)
  expect_identical(in_a_file@weights, plain@weights)
  first <- "performer.net.layers.0.0.fn.to_q.weight"
  expect_identical(plain@weights[[first]], frozen_start()@weights[[first]])
  expect_length(list.files(tempdir(), "canalR-cache"), 0)
})

test_that("a cache that cannot be written costs time and nothing else", {
  nowhere <- function(cache, ...) list(enabled = TRUE, memory = 0, folder = "/nonexistent")
  train <- function(...) train_frozen(precision = "float32", ...)
  expect_warning(model <- with_binding("cache_options", nowhere, train()), "could not be made",
                 class = "canalR_warning_cache")
  expect_identical(model@weights, train(cache = FALSE)@weights)
})

test_that("files of a stage are closed when it ends", {
  skip_if_not(dir.exists("/proc/self/fd"))
  train_frozen(cache = 0)
  open_files <- Sys.readlink(list.files("/proc/self/fd", full.names = TRUE))
  expect_false(any(grepl("canalR-cache", open_files)))
})

test_that("dropped tokens go around what is kept", {
  start <- frozen_start()
  start@config$dropped_tokens <- 0.7
  trained <- function(cache) {
    train_quietly(stage_two_cells(), start, epochs = 2, trainable = "stage", cache = cache,
                  precision = "float32")
  }
  expect_identical(trained("auto")@weights, trained(FALSE)@weights)
  expect_false(identical(trained("auto")@weights, train_frozen(precision = "float32")@weights))
})

test_that("a label that the network's numbers do not bear is none, with a reason", {
  model <- stage_two()
  weights <- model@weights
  bytes <- weights[["to_out.fc3.bias"]]
  bytes[1:4] <- as.raw(c(0, 0, 0x80, 0x7f))  # infinity
  weights[["to_out.fc3.bias"]] <- bytes
  result <- predict_quietly(stage_two_cells()$counts, with_weights(model, weights))
  expect_true(all(is.na(result$canal_label)))
  expect_true(all(result$canal_reason == "network output not finite"))
})

test_that("redrawn features are not met by what was kept of the old ones", {
  cached <- train_frozen(redraw_interval = 1, precision = "float32")
  plain <- train_frozen(redraw_interval = 1, precision = "float32", cache = FALSE)
  expect_identical(cached@weights, plain@weights)
  kept <- train_frozen(precision = "float32")
  projection <- "performer.net.layers.0.0.fn.fast_attention.projection_matrix"
  expect_false(identical(cached@weights[[projection]], kept@weights[[projection]]))
  expect_identical(kept@weights[[projection]], frozen_start()@weights[[projection]])
})

test_that("training in reduced precision learns as well, and repeats itself", {
  skip_if_not(has_bfloat16(), "this CPU does not multiply bfloat16 numbers")
  fast <- train_frozen(precision = "auto")
  expect_identical(train_frozen(precision = "auto", num_threads = 1)@weights, fast@weights)
  exact <- train_frozen(precision = "float32")
  loss <- function(model) utils::tail(last_record(model)$losses$total, 1)
  expect_lt(abs(loss(fast) - loss(exact)), 0.02)
})

test_that("the size of the cache is a number of bytes", {
  expect_identical(cache_options(Inf)$memory, 2^62)
  for (cache in list(TRUE, -1, "all", NULL, c(1, 2), NA)) {
    expect_refused(train_frozen(cache = cache), "argument", "cache")
  }
})
