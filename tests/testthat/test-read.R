panc_path <- function() {
  path <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
  if (!nzchar(path)) testthat::skip("the embedded cells are not installed")
  path
}

test_that("a SingleCellExperiment has the counts and the columns of the file", {
  skip_if_not_installed("SingleCellExperiment")
  object <- canal_read_h5ad(panc_path())
  cells <- cells_of(panc_path())
  expect_s4_class(object, "SingleCellExperiment")
  expect_identical(SummarizedExperiment::assay(object, "counts"), cells$counts)
  expect_identical(as.list(SummarizedExperiment::colData(object)), as.list(cells$obs))
  expect_identical(colnames(object), colnames(cells$counts))
})

test_that("a Seurat object has the counts and the columns of the file", {
  skip_if_not_installed("SeuratObject")
  object <- canal_read_h5ad(panc_path(), "Seurat")
  cells <- cells_of(panc_path())
  expect_s4_class(object, "Seurat")
  expect_identical(SeuratObject::DefaultAssay(object), "RNA")
  expect_identical(as.vector(object$celltype), cells$obs$celltype)
  expect_identical(colnames(object), colnames(cells$counts))
  expect_equal(cells_of(object)$counts, cells$counts)
})

test_that("a file without columns of cells is read all the same", {
  skip_if_not_installed("SingleCellExperiment")
  skip_if_not_installed("SeuratObject")
  path <- tempfile(fileext = ".h5ad")
  on.exit(unlink(path))
  counts <- toy_counts(12, 5)
  table <- function(index) {
    structure(list(`_index` = index), h5_attributes = list(`_index` = "_index"))
  }
  cpp_write_tree(path, list(X = t(counts) * 1, obs = table(colnames(counts)),
                            var = table(rownames(counts))))
  experiment <- canal_read_h5ad(path)
  expect_identical(as.matrix(SummarizedExperiment::assay(experiment)), counts * 1)
  expect_identical(ncol(SummarizedExperiment::colData(experiment)), 0L)
  expect_identical(colnames(canal_read_h5ad(path, "Seurat")), colnames(counts))
})

test_that("what cannot be read is told", {
  expect_refused(canal_read_h5ad(panc_path(), "loom"), "argument", "as")
  expect_refused(canal_read_h5ad(1), "argument", "path")
  expect_error(canal_read_h5ad(tempfile()), class = "canalR_error_file")
  expect_refused(canal_read_h5ad(panc_path(), assay.type = "spliced"), "assay", "assay.type")
  text <- tempfile(fileext = ".h5ad")
  on.exit(unlink(text))
  writeLines("not HDF5", text)
  expect_error(canal_read_h5ad(text), class = "canalR_error_file")
  writeBin(utils::head(readBin(panc_path(), "raw", file.size(panc_path())), 1e5), text)
  expect_error(canal_read_h5ad(text), class = "canalR_error_file")
})
