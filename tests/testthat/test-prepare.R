quietly <- function(...) canal_prepare(..., verbose = FALSE)

golden_counts <- function(golden) {
  Matrix::sparseMatrix(
    i = as.vector(golden$counts$indices), p = as.vector(golden$counts$indptr),
    x = as.vector(golden$counts$data), index1 = FALSE,
    dims = c(length(golden$genes), length(golden$counts$indptr) - 1),
    dimnames = list(as.vector(golden$genes),
                    paste0("cell", seq_len(length(golden$counts$indptr) - 1)))
  )
}

read_golden <- function() cpp_read_tree(golden_path("preprocess.h5"), "/", "numeric")

test_that("preparation equals scanpy's golden arrays", {
  golden <- read_golden()
  counts <- golden_counts(golden)
  vocabulary <- as.vector(golden$vocabulary)
  attributes <- attr(golden, "h5_attributes")
  setting <- function(name, otherwise) {
    if (is.null(attributes[[name]])) otherwise else as.vector(attributes[[name]])
  }
  target_sum <- setting("target_sum", 1e4)
  n_bins <- setting("bins_max", max(golden$tokens))
  # Where the file does not tell it, the smallest kept cell serves.
  detected <- Matrix::colSums(counts[intersect(vocabulary, rownames(counts)), ] > 0)
  kept <- as.vector(golden$kept_cell_index0) + 1
  min_genes <- setting("min_genes", min(detected[kept]))

  prepared <- suppressWarnings(
    quietly(counts, vocabulary, n_genes = length(golden$hvg_index0), min_genes = min_genes,
            target_sum = target_sum, n_bins = n_bins),
    classes = "canalR_warning_duplicates"
  )
  expect_identical(rownames(prepared), colnames(counts)[kept])
  expect_identical(prepared@genes, vocabulary[as.vector(golden$hvg_index0) + 1])
  # The golden sequence has one more token 0 at its end, which the network adds.
  genes <- seq_along(prepared@genes)
  expect_equal(unname(as.matrix(prepared)), unname(golden$tokens[, genes]), tolerance = 0)
  expect_true(all(golden$tokens[, -genes] == 0))

  place <- match(rownames(counts), vocabulary)
  place[duplicated(rownames(counts))] <- NA
  normalised <- cpp_normalised(counts, place, length(vocabulary), kept, target_sum)
  expect_lt(max(abs(t(normalised) - golden$normalised)), 1e-5)

  statistics <- cpp_gene_statistics(counts, place, length(vocabulary), -1L, kept, target_sum, 2L)
  expect_equal(statistics$mean, as.vector(golden$means), tolerance = 1e-5)
  expect_equal(is.nan(statistics$dispersion), is.nan(as.vector(golden$dispersions)))
  expect_equal(statistics$dispersion, as.vector(golden$dispersions), tolerance = 1e-5)
  expect_equal(statistics$dispersion_norm, as.vector(golden$dispersions_norm), tolerance = 1e-5)
})

test_that("the naive version written here agrees with scanpy's choice too", {
  golden <- read_golden()
  vocabulary <- as.vector(golden$vocabulary)
  counts <- as.matrix(golden_counts(golden))[, as.vector(golden$kept_cell_index0) + 1]
  scaled <- naive_scaled(naive_aligned(counts, vocabulary), 1e4)
  expect_equal(naive_variable_genes(scaled, length(golden$hvg_index0)),
               as.vector(golden$hvg_index0) + 1, tolerance = 0)
})

test_that("preparation equals the naive version on random counts", {
  for (seed in 1:5) {
    counts <- toy_counts(n_genes = 90, n_cells = 35, seed = seed)
    vocabulary <- sample(c(sample(rownames(counts), 70), paste0("ABSENT", 1:20)))
    prepared <- quietly(counts, vocabulary, n_genes = 25, target_sum = 500, n_bins = 7)
    kept <- rownames(prepared)
    scaled <- naive_scaled(naive_aligned(counts[, kept], vocabulary), 500)
    expected <- vocabulary[naive_variable_genes(scaled, 25)]
    expect_identical(colnames(prepared), expected)
    expect_identical(as.matrix(prepared), naive_tokens(scaled, expected, 7))
  }
})

test_that("statistics hold where genes are constant, absent or alone in their bin", {
  counts <- rbind(constant = rep(5, 6), absent = 0, huge = c(4, 900, 7, 2, 50, 3),
                  a = c(1, 0, 2, 5, 0, 1), b = c(0, 3, 0, 0, 9, 1), rest = 0)
  counts["rest", ] <- 1000 - colSums(counts)
  colnames(counts) <- letters[1:6]
  # Every cell has the same total, so `constant` stays so.
  statistics <- cpp_gene_statistics(sparse(counts), seq_len(6), 6, -1L, 1:6, 1000, 2L)
  naive <- naive_dispersion_norm(naive_scaled(counts, 1000))
  expect_equal(statistics$mean, unname(naive$mean))
  expect_equal(is.nan(statistics$dispersion), c(TRUE, TRUE, FALSE, FALSE, FALSE, FALSE))
  expect_equal(statistics$dispersion[3:6], unname(naive$dispersion)[3:6])
  expect_equal(is.nan(statistics$dispersion_norm), is.na(naive$dispersion_norm))
  expect_equal(statistics$dispersion_norm[3:6], naive$dispersion_norm[3:6])
  expect_equal(statistics$dispersion_norm[3], 1)
})

test_that("of equally variable genes the first of the vocabulary are chosen", {
  score <- list(dispersion_norm = c(0, 1, NaN, 1, 1, -2))
  expect_equal(cpp_variable_genes(score, 2), c(2, 4))
  expect_equal(cpp_variable_genes(score, 100), c(1, 2, 4, 5, 6))
})

test_that("exact powers of two fall into the upper bin", {
  # Scaled counts 1, 3 and 7 have logarithms 1, 2 and 3.
  counts <- rbind(A = 3, B = 9, C = 21, rest = 30000 - 33)
  colnames(counts) <- "cell"
  prepared <- quietly(counts, rownames(counts), n_genes = NULL, n_bins = 20)
  expect_identical(as.vector(as.matrix(prepared)), c(1L, 2L, 3L, 13L))
})

test_that("a duplicated gene counts once, by its first row", {
  counts <- toy_counts()
  twice <- rbind(counts, counts[c("GENE3", "GENE8"), ] + 7)
  expect_warning(prepared <- quietly(twice, rownames(counts), n_genes = 20),
                 class = "canalR_warning_duplicates")
  expect_identical(prepared@tokens, quietly(counts, rownames(counts), n_genes = 20)@tokens)
})

test_that("given genes are taken in their order, also from other cells", {
  counts <- toy_counts()
  genes <- c("GENE9", "GENE2", "GENE30")
  prepared <- quietly(counts, rownames(counts), genes = genes)
  expect_identical(colnames(prepared), genes)
  expected <- naive_tokens(naive_scaled(counts, 1e4), genes, 5)
  expect_identical(as.matrix(prepared), expected)
})

test_that("a model brings its vocabulary, its bins and, once trained, its genes", {
  counts <- toy_counts()
  symbols <- c(rownames(counts), "UNMEASURED")
  model <- canal_model(canal_config("compact", n_bins = 3, n_genes = 12), symbols, seed = 1)
  untrained <- quietly(counts, model)
  expect_identical(untrained@tokens, quietly(counts, symbols, n_genes = 12, n_bins = 3)@tokens)
  model@labels <- c("alpha", "beta")
  model@genes <- c("GENE9", "UNMEASURED", "GENE2")
  expect_identical(colnames(quietly(counts, model)), model@genes)
  expect_equal(quietly(counts, model)@n_bins, 3)
  expect_identical(colnames(quietly(counts, model, genes = "GENE4")), "GENE4")
})

test_that("a cell's tokens do not depend on the other cells or on how counts are held", {
  counts <- toy_counts()
  genes <- rownames(counts)[1:30]
  all_cells <- quietly(counts, rownames(counts), genes = genes)
  some <- quietly(counts[, 11:15], rownames(counts), genes = genes)
  expect_identical(some@tokens, all_cells[11:15]@tokens)
  expect_identical(quietly(sparse(counts), rownames(counts), genes = genes)@tokens,
                   all_cells@tokens)
})

test_that("cells with few genes are dropped and told, by the default that fits the panel", {
  counts <- toy_counts(n_genes = 200)
  counts[, "cell7"] <- 0
  counts[1:3, "cell7"] <- 4
  suppressMessages(expect_message(
    prepared <- canal_prepare(counts, rownames(counts), n_genes = 20),
    class = "canalR_message_dropped"
  ))
  expect_identical(prepared@min_genes, 4)
  expect_identical(prepared@dropped$cell, "cell7")
  expect_identical(prepared@dropped$detected, 3)
  expect_match(prepared@dropped$reason, "fewer than 4")
  expect_identical(prepared@all_cells, colnames(counts))
  expect_identical(rownames(prepared), setdiff(colnames(counts), "cell7"))
  expect_identical(nrow(quietly(counts, rownames(counts), n_genes = 20, min_genes = 0)),
                   ncol(counts))
  expect_identical(default_min_genes(9999), 200)
  expect_identical(default_min_genes(10000), 200)
  expect_identical(default_min_genes(16906), 200)
  expect_identical(default_min_genes(501), 11)
})

test_that("a cell without counts becomes zeros where it is kept", {
  counts <- toy_counts()
  counts[, 2] <- 0
  prepared <- quietly(counts, rownames(counts), n_genes = NULL, min_genes = 0)
  expect_true(all(as.matrix(prepared)["cell2", ] == 0L))
})

test_that("wishing for more variable genes than there are is told", {
  counts <- toy_counts()
  counts[5, ] <- 0
  suppressMessages(expect_message(
    prepared <- canal_prepare(counts, rownames(counts)), "59 genes vary",
    class = "canalR_message_genes"
  ))
  expect_identical(colnames(prepared), rownames(counts)[-5])
  expect_message(quietly(counts, rownames(counts)), NA)
})

test_that("overlap is told and kept", {
  counts <- toy_counts()
  vocabulary <- c("NEW1", rownames(counts)[1:40], "NEW2")
  expect_message(prepared <- canal_prepare(counts, vocabulary, n_genes = 10),
                 "40 of 42 vocabulary genes", class = "canalR_message_prepare")
  expect_identical(prepared@overlap,
                   list(measured = 40L, vocabulary = 42L, missing = c("NEW1", "NEW2")))
})

test_that("arguments out of range are refused", {
  counts <- toy_counts()
  symbols <- rownames(counts)
  refused <- function(kind, ...) {
    expect_error(quietly(counts, ...), class = paste0("canalR_error_", kind))
  }
  refused("argument", symbols, n_genes = 0)
  refused("argument", symbols, n_genes = 2.5)
  refused("argument", symbols, n_genes = c(1, 2))
  refused("argument", symbols, min_genes = -1)
  refused("argument", symbols, target_sum = 0)
  refused("argument", symbols, target_sum = NA_real_)
  refused("argument", symbols, n_bins = 255)
  refused("argument", symbols, n_bins = 0)
  refused("argument", symbols, n_genes = Inf)
  expect_error(canal_prepare(counts, symbols, verbose = NA), class = "canalR_error_argument")
  refused("argument", 1:3)
  refused("genes", symbols, genes = c("GENE1", "ELSEWHERE"))
  refused("duplicates", symbols, genes = c("GENE1", "GENE1"))
  refused("empty", symbols, genes = character())
  refused("empty", symbols, min_genes = 61)
})

test_that("variable genes need cells that differ", {
  counts <- toy_counts()[, 1, drop = FALSE]
  expect_error(quietly(counts, rownames(counts)), "n_genes = NULL", class = "canalR_error_genes")
})

test_that("real cells of every technology are prepared", {
  cells <- pancreas()
  for (batch in unique(cells$batch)) {
    counts <- cells$counts[, which(cells$batch == batch)]
    prepared <- quietly(counts, rownames(counts), n_genes = 100)
    dense <- as.matrix(counts)[, rownames(prepared)]
    expect_identical(as.matrix(prepared),
                     naive_tokens(naive_scaled(dense, 1e4), colnames(prepared), 5))
  }
})
