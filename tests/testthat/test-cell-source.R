# Matrices that lie on disk behind an object are read block by block, and give what those in memory
# give.

# Runs code with dense blocks of so many cells.
with_columns_of <- function(size, code) {
  with_binding("columns_in_block", function(x) size, code)
}

test_that("assays on disk are annotated block by block, bit for bit as in memory", {
  skip_if_not_installed("HDF5Array")
  skip_if_not_installed("SingleCellExperiment")
  counts <- stage_two_cells()$counts
  expected <- as.data.frame(predict_quietly(counts, stage_two(), seed = 1, novelty = "canal"))
  file <- tempfile(fileext = ".h5")
  on.exit(unlink(file))
  on_disk <- list(
    HDF5Array::writeHDF5Array(as.matrix(counts), file, "dense", with.dimnames = TRUE),
    DelayedArray::DelayedArray(counts) * 1
  )
  # Before 1.30 it cannot write what it is asked for, with the HDF5 of some systems.
  if (utils::packageVersion("HDF5Array") >= "1.30") {
    on_disk <- c(on_disk, HDF5Array::writeTENxMatrix(counts, tempfile(fileext = ".h5"), "matrix"))
  }
  for (matrix in on_disk) {
    source <- with_columns_of(7, cell_source(matrix, "counts"))
    expect_gt(length(source$blocks), 3)
    found <- with_columns_of(7, predict_quietly(matrix, stage_two(), seed = 1, novelty = "canal"))
    expect_identical(as.data.frame(found), expected)
    sce <- SingleCellExperiment::SingleCellExperiment(list(counts = matrix))
    annotated <- with_columns_of(7, predict_quietly(sce, stage_two(), seed = 1, novelty = "canal"))
    expect_identical(annotated$canal_label, expected$canal_label)
    expect_identical(class(SummarizedExperiment::assay(annotated)), class(matrix))
    expect_identical(with_columns_of(7, cells_of(matrix))$counts, counts)
  }
})

test_that("the user's block size counts", {
  skip_if_not_installed("DelayedArray")
  counts <- DelayedArray::DelayedArray(stage_two_cells()$counts)
  before <- DelayedArray::getAutoBlockSize()
  on.exit(suppressMessages(DelayedArray::setAutoBlockSize(before)))
  suppressMessages(DelayedArray::setAutoBlockSize(8 * nrow(counts) * 5))
  expect_identical(columns_in_block(counts), 5)
})

test_that("training, CELLULAR and quality take matrices on disk", {
  skip_if_not_installed("DelayedArray")
  cells <- stage_one_cells()
  delayed <- DelayedArray::DelayedArray(cells$counts)
  expect_identical(canal_prepare(delayed, stage_one(), verbose = FALSE),
                   canal_prepare(cells$counts, stage_one(), verbose = FALSE))
  query <- panc_cells("smartseq2")
  embed <- function(x) cellular_embed(x, cellular_model(), verbose = FALSE)$embedding
  expect_identical(with_columns_of(5, embed(DelayedArray::DelayedArray(query$counts))),
                   embed(query$counts))
})

# What BPCells gives, as far as it is asked: an S4 class with columns to choose and a way to a
# dgCMatrix.
methods::setClass("IterableMatrix", slots = c(values = "dgCMatrix"))
methods::setMethod("dim", "IterableMatrix", function(x) dim(x@values))
methods::setMethod("dimnames", "IterableMatrix", function(x) dimnames(x@values))
methods::setMethod("[", "IterableMatrix", function(x, i, j, ..., drop = TRUE) {
  methods::new("IterableMatrix", values = x@values[, j, drop = FALSE])
})
methods::setAs("IterableMatrix", "dgCMatrix", function(from) from@values)

test_that("BPCells' matrices are read block by block", {
  skip_if(nzchar(system.file(package = "BPCells")), "BPCells itself is here")
  counts <- stage_two_cells()$counts
  stand_in <- methods::new("IterableMatrix", values = counts)
  expected <- as.data.frame(predict_quietly(counts, stage_two()))
  expect_gt(length(with_columns_of(7, cell_source(stand_in, "counts"))$blocks), 3)
  expect_identical(as.data.frame(with_columns_of(7, predict_quietly(stand_in, stage_two()))),
                   expected)
})

test_that("parts of different genes and cells are one source", {
  counts <- stage_two_cells()$counts
  n <- ncol(counts)
  part <- function(genes, cells) methods::new("IterableMatrix", values = counts[genes, cells])
  some <- seq(1, n, by = 2)
  parts <- list(parts = list(part(2:nrow(counts), some), part(seq_len(nrow(counts)), -some)),
                genes = rownames(counts), cells = colnames(counts))
  source <- with_columns_of(4, parts_source(parts))
  read <- do.call(cbind, lapply(source$blocks, source$read))
  expected <- counts
  expected[1, some] <- 0
  expect_identical(read, Matrix::drop0(expected))
})
