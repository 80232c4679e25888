tokens_of_stage <- function() golden_array("stage1/tokens")
closing <- function(tokens) tokens[, -ncol(tokens), drop = FALSE]

largest_difference <- function(got, expected) {
  testthat::expect_identical(dim(got), dim(expected))
  max(abs(got - expected))
}

test_that("a pre-trained network gives the recorded encodings and token scores", {
  tokens <- golden_array("tokens")
  genes <- paste0("G", seq_len(ncol(tokens) - 1))
  for (file in c("pretrained.pth", "pretrained_legacy.pth")) {
    model <- golden_model(file, vocabulary = genes)
    expect_lt(largest_difference(canal_forward(tokens, model, "encodings"),
                                 golden_array("encodings")), 1e-4)
    expect_lt(largest_difference(canal_forward(tokens, model, "mlm"), golden_array("mlm_logits")),
              1e-4)
  }
})

test_that("a stage's network gives the recorded manifold, embedding and logits", {
  model <- golden_model("canal_stage1.pth")
  for (output in c("manifold", "embedding", "logits")) {
    expect_lt(largest_difference(canal_forward(tokens_of_stage(), model, output),
                                 golden_array(paste0("stage1/", output))), 1e-4)
  }
})

test_that("both forms of a checkpoint hold the same network", {
  expect_identical(golden_model("pretrained.pth")@weights,
                   golden_model("pretrained_legacy.pth")@weights)
})

test_that("numbers of a cell do not depend on the other cells of the call, to the last bit", {
  model <- golden_model("canal_stage1.pth")
  tokens <- tokens_of_stage()
  for (output in c("logits", "encodings")) {
    whole <- canal_forward(tokens, model, output)
    rows <- function(cells) if (output == "logits") whole[cells, ] else whole[cells, , ]
    for (size in c(1, 2, 5)) {
      pieces <- split(seq_len(nrow(tokens)), (seq_len(nrow(tokens)) - 1) %/% size)
      for (cells in pieces) {
        part <- canal_forward(tokens[cells, , drop = FALSE], model, output)
        expect_identical(as.vector(part), as.vector(rows(cells)))
      }
    }
    backwards <- rev(seq_len(nrow(tokens)))
    expect_identical(canal_forward(tokens[backwards, ], model, output), rows(backwards))
  }
})

test_that("numbers do not depend on the number of threads", {
  model <- golden_model("canal_stage1.pth")
  whole <- canal_forward(tokens_of_stage(), model, num_threads = 1)
  expect_identical(canal_forward(tokens_of_stage(), model, num_threads = 2), whole)
  expect_identical(canal_forward(tokens_of_stage(), model), whole)
})

test_that("the closing token may be left out", {
  model <- golden_model("canal_stage1.pth")
  expect_identical(canal_forward(closing(tokens_of_stage()), model),
                   canal_forward(tokens_of_stage(), model))
})

test_that("prepared tokens are taken as they are", {
  cells <- stage_one_cells()
  tokens <- canal_prepare(cells$counts, stage_one(), verbose = FALSE)
  logits <- canal_forward(tokens, stage_one())
  expect_identical(logits, canal_forward(as.matrix(tokens), stage_one()))
  expect_identical(dim(logits), c(ncol(cells$counts), length(stage_one()@labels)))
})

test_that("no cells give no rows", {
  model <- golden_model("canal_stage1.pth")
  expect_identical(dim(canal_forward(tokens_of_stage()[0, ], model)), c(0L, length(model@labels)))
})

test_that("outputs have a row per cell and the widths of the model", {
  model <- stage_one()
  tokens <- matrix(0L, 3, 40)
  expect_identical(dim(canal_forward(tokens, model, "encodings")), c(3L, 41L, 8L))
  expect_identical(dim(canal_forward(tokens, model, "manifold")), c(3L, 128L))
  expect_identical(dim(canal_forward(tokens, model, "embedding")), c(3L, 64L))
})

test_that("tokens and outputs that do not fit are refused", {
  model <- golden_model("canal_stage1.pth")
  tokens <- tokens_of_stage()
  highest <- model@config$n_bins + 1
  wrong <- function(value) replace(tokens, 1, value)
  expect_error(canal_forward(wrong(highest), model), NA)
  expect_error(canal_forward(wrong(highest + 1), model), class = "canalR_error_input")
  for (value in list(-1, 256, 0.5, NA)) {
    expect_refused(canal_forward(wrong(value), model), "input", "tokens")
  }
  expect_error(canal_forward(tokens[, -(1:3)], model), class = "canalR_error_sizes")
  expect_refused(canal_forward(tokens[1, ], model), "argument", "tokens")
  expect_refused(canal_forward(tokens, model, "probabilities"), "argument", "output")
  expect_refused(canal_forward(tokens, model, c("logits", "mlm")), "argument", "output")
  expect_refused(canal_forward(tokens, list()), "argument", "model")
  expect_refused(canal_forward(tokens, model, num_threads = 0), "argument", "num_threads")
  expect_refused(canal_forward(tokens, model, device = "tpu"), "argument", "device")
  # A stage has no pre-training head, a pre-trained network no classification head.
  expect_error(canal_forward(tokens, model, "mlm"), class = "canalR_error_input")
  expect_error(canal_forward(golden_array("tokens"), golden_model("pretrained.pth"), "logits"),
               class = "canalR_error_input")
})

test_that("tokens of other genes are refused", {
  genes <- rownames(panc()$counts)
  others <- setdiff(genes, stage_one()@genes)
  tokens <- canal_prepare(stage_one_cells()$counts, genes,
                          genes = utils::head(others, length(stage_one()@genes)), verbose = FALSE)
  expect_error(canal_forward(tokens, stage_one()), "`tokens`", class = "canalR_error_genes")
})

test_that("an output that the network lacks names the argument", {
  expect_error(canal_forward(matrix(0L, 1, 200), untrained()), "`tokens`",
               class = "canalR_error_input")
})
