# Same seed, same answer, to the last bit: over calls, sessions, numbers of threads, blocks of
# cells. Where only a bound can be kept, it is stated here.

test_that("every exported function repeats itself in another session, on other threads", {
  skip_on_os("windows")
  for (name in names(exported_calls())) {
    expect_identical(seen_elsewhere()$value[[!!name]], seen_here()$value[[!!name]])
  }
})

# Layers whose products and sums LibTorch would share out.
test_that("nor does a wide classifier of CELLULAR depend on the number of threads", {
  trained <- function(threads) {
    model <- cellular_classifier(panc()$counts, panc()$types, cellular_model(), hidden = 512,
                                 epochs = 2, seed = 1, num_threads = threads, verbose = FALSE)
    model@classifier
  }
  expect_identical(trained(1L), trained(2L))
})

test_that("a seed of the user's own random numbers is read, and decides", {
  values <- function(seed) {
    set.seed(seed)
    exported_calls()$canal_train(2L)$weights
  }
  expect_identical(values(4), values(4))
  expect_false(identical(values(4), values(5)))
})

# Of some cells alone, of all in blocks, of all in chunks, of a file: what they are of all at once.
expect_cells_apart <- function(of, counts, rows = function(x, i) x[i, , drop = FALSE]) {
  whole <- of(counts)
  some <- c(3, 11, 12, ncol(counts))
  expect_identical(of(counts[, some]), rows(whole, some))
  backwards <- rev(seq_len(ncol(counts)))
  expect_identical(of(counts[, backwards]), rows(whole, backwards))
  path <- write_h5ad(counts)
  on.exit(unlink(path))
  expect_identical(with_blocks_of(5, of(path)), whole)
  whole
}

test_that("a cell's answer depends neither on its neighbours nor on blocks and chunks", {
  counts <- stage_two_cells()$counts
  query <- panc_cells("smartseq2")$counts
  label <- function(x, ...) {
    as.data.frame(predict_quietly(x, stage_two(), probabilities = "columns", ...))
  }
  embed <- function(x, ...) canal_embed(x, stage_two(), verbose = FALSE, ...)$embedding
  label_cellular <- function(x, ...) {
    as.data.frame(cellular_predict(x, cellular_model(), verbose = FALSE, ...))
  }
  embed_cellular <- function(x, ...) {
    cellular_embed(x, cellular_model(), verbose = FALSE, ...)$embedding
  }
  tokens <- function(x) as.matrix(canal_prepare(x, stage_two(), verbose = FALSE))
  for (of in list(label, embed)) {
    whole <- expect_cells_apart(of, counts)
    expect_identical(with_chunks_of(7, of(counts, checkpoint = tempfile())), whole)
  }
  for (of in list(label_cellular, embed_cellular)) {
    whole <- expect_cells_apart(of, query)
    expect_identical(with_chunks_of(7, of(query, checkpoint = tempfile())), whole)
  }
  expect_cells_apart(tokens, counts)
})

test_that("precisions and kernels differ within their bounds", {
  counts <- stage_two_cells()$counts
  confidence <- function(precision, kernels = "") {
    with_kernels(kernels, {
      result <- predict_quietly(counts, stage_two(), precision = precision,
                                probabilities = "columns")
      as.matrix(as.data.frame(result[grepl("_prob_", names(result))]))
    })
  }
  exact <- confidence("float32", "libtorch")
  for (kernels in cpp_runtime_info()$kernels) {
    # Those that only multiply bfloat16 numbers say so.
    found <- tryCatch(confidence("float32", kernels), canalR_error_input = function(error) NULL)
    if (!is.null(found)) expect_lt(max(abs(found - exact)), 1e-4)
  }
  # What the help says of confidences.
  expect_lt(max(abs(confidence("auto") - exact)), 0.02)
})

# The stream of inst/scripts/demo.R. Between versions of LibTorch, and between CPUs, numbers differ
# by rounding, which training makes larger; labels have to bear that.
test_that("the demo's labels are those recorded, on every R and LibTorch", {
  skip_on_cran()
  recorded <- utils::read.csv(test_path("fixtures", "demo-labels.csv"), colClasses = "character")
  file <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
  pancreas <- cells_of(file, "counts")
  of <- function(batch, without = character()) {
    pancreas$obs$batch == batch & !pancreas$obs$celltype %in% without
  }
  model <- canal_pretrained("compact")
  for (stage in list(of("indrop", c("ductal", "delta")), of("celseq"), of("celseq2"))) {
    model <- canal_train(pancreas$counts[, stage], pancreas$obs$celltype[stage], model, seed = 1,
                         verbose = FALSE)
  }
  query <- of("smartseq2") | of("fluidigmc1")
  found <- predict_quietly(pancreas$counts[, query], model)
  expect_identical(rownames(found), recorded$cell)
  expect_identical(found$canal_label, recorded$label)
})
