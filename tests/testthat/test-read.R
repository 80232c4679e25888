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

test_that("logarithms that come into the assay for counts are warned of", {
  skip_if_not_installed("SingleCellExperiment")
  counts <- sparse(toy_counts())
  path <- write_logged_h5ad(counts)
  on.exit(unlink(path))
  warning <- expect_warning(object <- canal_read_h5ad(path), "in X .* they look like log",
                            class = "canalR_warning_transformed")
  expect_match(conditionMessage(warning),
               "The file also has raw/X, umis: `assay.type = \"raw/X\"`, say.", fixed = TRUE)
  # The rule of what is read stays.
  expect_identical(as.matrix(SummarizedExperiment::assay(object, "counts")),
                   as.matrix(log_normalised(counts)))
  for (name in c("raw/X", "umis")) {
    expect_silent(object <- canal_read_h5ad(path, assay.type = name))
    expect_identical(SummarizedExperiment::assay(object, "counts"), counts)
  }
  named <- write_logged_h5ad(counts, "counts")
  on.exit(unlink(named), add = TRUE)
  expect_silent(canal_read_h5ad(named))
  expect_warning(canal_read_h5ad(named, assay.type = "X"), "also has raw/X, counts",
                 class = "canalR_warning_transformed")
  scaled <- write_h5ad(sparse(t(scale(t(log1p(toy_counts() + 0.1))))))
  on.exit(unlink(scaled), add = TRUE)
  expect_warning(canal_read_h5ad(scaled), "look scaled.*The file has no other matrix",
                 class = "canalR_warning_transformed")
  skip_if_not_installed("SeuratObject")
  expect_warning(canal_read_h5ad(path, "Seurat"), class = "canalR_warning_transformed")
})

test_that("a file without any matrix is told, whatever matrix was asked for", {
  path <- write_h5ad(sparse(toy_counts()), more = list(X = NULL))
  on.exit(unlink(path))
  for (name in c("counts", "X", "spliced")) {
    error <- expect_error(canal_read_h5ad(path, assay.type = name), "which has none: no X",
                          class = "canalR_error_assay")
    expect_match(conditionMessage(error), "^`path`: expected an AnnData file with a matrix")
    expect_false(grepl("got \"X\"", conditionMessage(error)))
  }
  expect_refused(cells_of(path), "assay", "x")
  expect_error(cell_source(path, "counts"), class = "canalR_error_assay")
})

test_that("columns of cells are plain vectors", {
  skip_if_not_installed("SingleCellExperiment")
  counts <- toy_counts(12, 5)
  encoded <- function(values, encoding) {
    structure(values, h5_attributes = list(`encoding-type` = encoding,
                                           `encoding-version` = "0.2.0"))
  }
  obs <- structure(list(`_index` = colnames(counts), n = encoded(c(1.5, 2, 3, 4, 5), "array"),
                        k = encoded(1:5, "array"), text = encoded(letters[1:5], "string-array")),
                   h5_attributes = list(`_index` = "_index"))
  path <- write_h5ad(sparse(counts), more = list(obs = obs))
  on.exit(unlink(path))
  columns <- SummarizedExperiment::colData(canal_read_h5ad(path))
  expect_identical(columns$n, c(1.5, 2, 3, 4, 5))
  expect_identical(columns$k, 1:5)
  expect_identical(columns$text, letters[1:5])
  for (column in as.list(SummarizedExperiment::colData(canal_read_h5ad(panc_path())))) {
    expect_null(attributes(column))
  }
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
