qc_quietly <- function(x, ...) cellular_qc(x, ..., verbose = FALSE)

# The published filter, cell by cell: which cells and genes are left.
published_filter <- function(counts, nmads, min_cells) {
  measured <- vapply(seq_len(ncol(counts)), function(j) {
    cell <- counts[, j]
    c(log(sum(cell) + 1), log(sum(cell > 0) + 1),
      sum(sort(cell, decreasing = TRUE)[1:20]) / sum(cell),
      sum(cell[startsWith(rownames(counts), "MT-")]) / sum(cell))
  }, numeric(4))
  far <- apply(measured, 1, function(values) {
    middle <- median(values)
    spread <- median(abs(values - middle))
    values < middle - nmads * spread | values > middle + nmads * spread
  })
  cells <- !apply(far, 1, any)
  list(cells = cells, genes = rowSums(counts[, cells] > 0) >= min_cells)
}

random_counts <- function(seed) {
  counts <- toy_counts(60, 90, seed = seed)
  rownames(counts)[1:4] <- c("MT-CO1", "MT-ND1", "mt-Nd2", "AMT-X")
  # One cell of each fault.
  counts["MT-CO1", 4] <- 3000
  counts[5:60, 9] <- counts[5:60, 9] * 400
  counts[-(5:7), 15] <- 0
  counts[5:60, 21] <- 1
  counts
}

test_that("random counts are filtered as by the published rule", {
  skip_if_not_installed("scuttle")
  for (seed in 1:6) {
    counts <- random_counts(seed)
    for (nmads in c(1.7, 3, 5)) {
      expected <- published_filter(counts, nmads, 15)
      expect_true(any(!expected$cells) && any(expected$cells) && any(!expected$genes))
      result <- qc_quietly(counts, nmads, 15)
      expect_identical(canal_quality_report(result)$kept, expected$cells)
      expect_identical(unname(canal_quality_report(result, "genes")$kept), unname(expected$genes))
      expect_identical(result[, ], counts[expected$genes, expected$cells])
    }
  }
})

test_that("the embedded cells are filtered as by the published rule", {
  skip_if_not_installed("scuttle")
  counts <- pancreas()$counts
  # None of its genes is mitochondrial: some are named so.
  chosen <- which(Matrix::rowSums(counts > 0) > 0.6 * ncol(counts))[1:3]
  rownames(counts)[chosen] <- paste0("MT-", 1:3)
  for (nmads in c(2, 5)) {
    expected <- published_filter(as.matrix(counts), nmads, 20)
    expect_true(any(!expected$cells) && any(!expected$genes))
    result <- qc_quietly(counts, nmads)
    expect_identical(dimnames(result), list(rownames(counts)[expected$genes],
                                            colnames(counts)[expected$cells]))
    report <- canal_quality_report(result)
    expect_identical(report$kept, expected$cells)
  }
})

test_that("scuttle's outliers by nmads / 1.4826 are those of the plain MAD", {
  skip_if_not_installed("scuttle")
  for (seed in 1:20) {
    set.seed(seed)
    values <- c(rnorm(40), rexp(15) * 4, -rexp(5) * 6)
    for (nmads in c(0.7, 2, 5)) {
      middle <- median(values)
      far <- abs(values - middle) > nmads * median(abs(values - middle))
      found <- scuttle::isOutlier(values, nmads = nmads / cellular_rule()$mad_scale)
      expect_identical(as.vector(found), far)
    }
  }
})

test_that("a low mitochondrial share is a fault here, and mt- is no prefix", {
  skip_if_not_installed("scuttle")
  set.seed(1)
  counts <- matrix(stats::rpois(60 * 80, 50), 60,
                   dimnames = list(c(paste0("MT-", 1:3), 4:60), paste0("cell", 1:80)))
  counts[1:3, ] <- counts[1:3, ] + 150L
  counts[4, 40] <- sum(counts[c(1:3, 4), 40])
  counts[1:3, 40] <- 0L
  report <- canal_quality_report(qc_quietly(counts))
  expect_match(report$reason[40], "low mitochondrial share")
  expect_false(grepl("mito", canal_quality_report(canal_quality_filter(
    counts, verbose = FALSE
  ))$reason[40]))
  rownames(counts)[1:3] <- paste0("mt-", 1:3)
  expect_message(result <- cellular_qc(counts), "no gene has such a name",
                 class = "canalR_message_quality")
  expect_true(all(is.na(canal_quality_report(result)$mito_share)))
})

test_that("where the MAD is 0 nothing is judged, and cells without counts do not count", {
  skip_if_not_installed("scuttle")
  counts <- random_counts(1)
  counts[1:2, ] <- 0
  counts["MT-ND1", 30] <- 1
  # By the published rule any mitochondrial count is too much.
  expect_false(published_filter(counts, 5, 20)$cells[30])
  expect_message(result <- cellular_qc(counts),
                 "Not judged: mitochondrial share \\(the same in most cells\\)")
  expect_true(canal_quality_report(result)$kept[30])
  kept <- canal_quality_report(result)$kept
  empty <- cbind(counts, matrix(0, 60, 30, dimnames = list(NULL, paste0("empty", 1:30))))
  report <- canal_quality_report(qc_quietly(empty))
  expect_identical(report$kept, c(kept, rep(FALSE, 30)))
  expect_identical(report$reason[91:120], rep("no counts", 30))
  expect_silent(qc_quietly(counts))
})

test_that("files and folders are read as a SingleCellExperiment", {
  skip_if_not_installed("scuttle")
  skip_if_not_installed("SingleCellExperiment")
  path <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
  skip_if(!nzchar(path), "the embedded cells are not installed")
  object <- canal_read_h5ad(path)
  for (filter in list(qc_quietly, function(x, ...) {
    canal_quality_filter(x, ..., verbose = FALSE)
  })) {
    expect_equal(filter(path), filter(object))
    expect_equal(filter(path, nmads = 2, assay.type = "X"), filter(object, nmads = 2))
    expect_refused(filter(path, assay.type = "spliced"), "assay", "assay.type")
  }
  by_batch <- canal_quality_filter(path, batch = "batch", verbose = FALSE)
  expect_identical(canal_quality_report(by_batch)$batch, as.character(object$batch))
  counts <- sparse(random_counts(2))
  type <- rep(c("Gene Expression", "Antibody Capture"), c(58, 2))
  folder <- write_10x(counts, paste0("E\t", rownames(counts), "\t", type), version = 3)
  on.exit(unlink(folder, recursive = TRUE))
  expect_silent(filtered <- qc_quietly(folder))
  expect_identical(as.matrix(SummarizedExperiment::assay(filtered, "counts")),
                   as.matrix(qc_quietly(counts[1:58, ])))
  expect_message(suppressMessages(cellular_qc(folder), "canalR_message_quality"),
                 "2 Antibody Capture")
})

test_that("a file without the package that it is read into is told", {
  skip_if_not_installed("scuttle")
  need <- function(package, argument, purpose) {
    if (package != "scuttle") canal_abort("package", argument, package, "none installed")
  }
  path <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
  skip_if(!nzchar(path), "the embedded cells are not installed")
  with_binding("need_package", need, expect_refused(qc_quietly(path), "package", "x"))
})

test_that("what cannot be filtered is refused, by the name of the function that was called", {
  skip_if_not_installed("scuttle")
  counts <- random_counts(1)
  expect_refused(qc_quietly(tempfile()), "file", "x")
  expect_refused(qc_quietly(c("a", "b")), "class", "x")
  expect_refused(qc_quietly(data.frame(a = 1)), "class", "x")
  expect_refused(qc_quietly(counts, nmads = -1), "argument", "nmads")
  expect_refused(qc_quietly(counts, min_cells = 1.5), "argument", "min_cells")
  expect_refused(cellular_qc(counts, verbose = NA), "argument", "verbose")
  expect_refused(qc_quietly(counts, min_cells = 90), "empty", "min_cells")
  expect_refused(qc_quietly(counts * 0), "empty", "x")
  expect_refused(qc_quietly(log1p(counts)), "transformed", "x")
  error <- expect_error(cellular_qc(counts, nmads = "5"), class = "canalR_error_argument")
  expect_identical(as.character(conditionCall(error)[[1]]), "cellular_qc")
})
