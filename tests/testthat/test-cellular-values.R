test_that("values are log(1 + target x / total) of the genes asked for, zeros for missing ones", {
  counts <- sparse(toy_counts(20, 12))
  genes <- c("GENE5", "NONE", "GENE2", "GENE20")
  values <- cellular_values(counts, genes, target = 300, cells = c(3, 1))
  naive <- vapply(c(3, 1), function(cell) {
    own <- as.matrix(counts)[, cell]
    log(1 + 300 * own[genes] / sum(own))
  }, numeric(4))
  naive[is.na(naive)] <- 0
  expect_equal(unname(as.matrix(values)), unname(naive), tolerance = 1e-12)
  expect_identical(rownames(values), genes)
  expect_true(validObject(values))
})

test_that("centroid distances are those among principal components, meant over batches", {
  set.seed(3)
  values <- sparse(log1p(toy_counts(15, 60)))
  types <- rep(1:4, 15)
  batches <- rep(1:3, each = 20)
  types[batches == 1 & types == 4] <- 3
  types[batches == 2 & types == 4] <- 3
  types[batches == 3 & types == 2] <- 4
  found <- centroid_distances(values, types, batches, 5, 2)
  scores <- stats::prcomp(t(as.matrix(values)))$x[, 1:5]
  naive <- matrix(0, 4, 4)
  for (i in 1:4) for (j in 1:4) {
    apart <- NULL
    for (batch in 1:3) {
      a <- scores[batches == batch & types == i, , drop = FALSE]
      b <- scores[batches == batch & types == j, , drop = FALSE]
      if (nrow(a) && nrow(b)) apart <- c(apart, sqrt(sum((colMeans(a) - colMeans(b))^2)))
    }
    if (length(apart)) naive[i, j] <- mean(apart)
  }
  expect_equal(unname(found), naive / max(naive), tolerance = 1e-8)
  # Types 2 and 4 are never in one batch.
  expect_identical(found[2, 4], 0)
})

test_that("the learning rates are the published ones", {
  rates <- cpp_read_tree(golden_path("cellular.h5"), "/lr_by_epoch", "numeric")
  expect_equal(warm_cosine_rates(50, 1e-3, 4), as.vector(rates), tolerance = 1e-6)
  expect_identical(warm_cosine_rates(2, 1, 0), c(1, 0.5))
})

test_that("mini-batches are about as large as one another", {
  for (cells in c(1, 255, 256, 257, 700, 7001)) {
    size <- even_batch_size(cells, 256)
    expect_lte(size, 256)
    last <- cells - size * (ceiling(cells / size) - 1)
    expect_gte(last, size - ceiling(cells / size))
  }
})
