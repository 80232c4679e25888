# AnnData's files as Python writes them, versions 0.7 to 0.11: what is read is what was written.

counts_at <- function(path, assay.type = "counts") { # nolint: object_name_linter.
  as.matrix(cells_of(path, assay.type)$counts)
}

# Whole, and in blocks of cells where the file allows.
expect_values <- function(path, assay, expected) {
  expect_identical(counts_at(path, assay), expected)
  for (size in c(1, 4)) {
    source <- with_blocks_of(size, cell_source(path, assay))
    read <- lapply(source$blocks, source$read)
    expect_identical(as.matrix(do.call(cbind, read)), expected)
  }
}

test_that("a sparse matrix is the same in rows or columns, of any type, by gzip or LZF", {
  path <- anndata_file("written-layouts")
  expect_values(path, "counts", anndata_values(plus = 1))
  for (layer in c("csr", "csc", "csr_gzip", "csr_lzf")) {
    expect_values(path, layer, anndata_values())
    expect_identical(cell_header(cell_file(path), layer)$by_cells, layer != "csc")
  }
})

test_that("a dense matrix is the same in any type, in one piece or chunks, by any filter of h5py", {
  path <- anndata_file("written-dense")
  expect_values(path, "X", anndata_values(plus = 1))
  for (layer in c("float32", "float64", "int32", "uint16", "uint8", "float16", "lzf", "fortran")) {
    expect_values(path, layer, anndata_values())
  }
})

test_that("counts are taken from their layer, from raw/X with its own genes, or from X", {
  path <- anndata_file("written-counts")
  expect_values(path, "counts", anndata_values())
  expect_values(path, "raw/X", anndata_values(8, 2, "RAW"))
  expect_equal(counts_at(path, "X"), log1p(anndata_values()), tolerance = 1e-7)
  expect_error(cells_of(path, "spliced"), "only X, raw/X, counts", class = "canalR_error_assay")
})

test_that("columns of every kind have the values that were written", {
  path <- anndata_file("written-columns")
  expect_values(path, "counts", anndata_values())
  columns <- as.list(cell_columns(path))
  for (name in names(columns)) attr(columns[[name]], "h5_attributes") <- NULL
  expect_identical(columns, list(
    type = c("b", "a", NA, "b", "a", "b"), grade = c("2", "1", "2", "1", "2", NA),
    batch = rep(c("x", "y"), 3), depth = 0:5 + 2^40, count = c(0L, 255L, 3:6),
    score = c(0.5, NaN, -1, 2, 3, 4), kept = c(TRUE, FALSE, TRUE, TRUE, FALSE, FALSE),
    maybe = c(1L, NA, 3L, 4L, NA, 6L), small = c(1L, NA, 255L, 4L, NA, 6L),
    perhaps = c(TRUE, NA, FALSE, TRUE, NA, FALSE)
  ))
})

test_that("columns are labels, and what is missing in them is told", {
  path <- anndata_file("written-columns")
  expect_identical(labels_of(path, "batch"), rep(c("x", "y"), 3))
  expect_identical(labels_of(path, "kept"), c("TRUE", "FALSE", "TRUE", "TRUE", "FALSE", "FALSE"))
  expect_identical(labels_of(path, "count"), c("0", "255", "3", "4", "5", "6"))
  missing <- list(type = "cell3", grade = "cell6", score = "cell2", maybe = "cell2, cell5",
                  perhaps = "cell2, cell5")
  for (name in names(missing)) {
    expect_error(labels_of(path, name), sprintf("\\(%s\\)", missing[[name]]),
                 class = "canalR_error_labels")
  }
})

test_that("a file that was backed is read as it was left", {
  path <- anndata_file("written-backed")
  expect_values(path, "counts", anndata_values())
  expect_identical(labels_of(path, "batch"), rep(c("x", "y"), 3))
})

test_that("0.7: categories beside the columns, texts of one length, a categorical index", {
  path <- anndata_file("0.7")
  expect_values(path, "counts", anndata_values())
  columns <- cell_columns(path)
  expect_named(columns, c("type", "grade", "word", "flag"))
  expect_identical(columns$type, c("b", "a", NA, "b", "a", "b"))
  expect_identical(columns$grade, c("2", "1.5", "2", "1.5", "2", NA))
  expect_identical(columns$word, c("fixed", "of", "one", "length", "", "all"))
  expect_identical(columns$flag, c(TRUE, FALSE, TRUE, TRUE, FALSE, FALSE))
})

test_that("0.11: nullable arrays as index, column and categories, and a name with a slash", {
  path <- anndata_file("0.11")
  expect_values(path, "counts", anndata_values())
  columns <- cell_columns(path)
  expect_named(columns, c("word", "type", "maybe", "perhaps", "QC/share"))
  expect_identical(columns$word, c("p", NA, "q", "", NA, "Z\u00fcrich"))
  expect_identical(columns$type, c("b", "a", NA, "b", "a", "b"))
  expect_identical(columns$maybe, c(1L, NA, 3L, 4L, NA, 6L))
  expect_identical(columns$perhaps, c(TRUE, NA, FALSE, TRUE, NA, FALSE))
  expect_identical(columns[["QC/share"]], 0:5 / 4)
})

test_that("numbers are names, and there may be no columns", {
  path <- anndata_file("integers")
  expected <- anndata_values()
  dimnames(expected) <- list(as.character(0:4), as.character(10:15))
  expect_values(path, "counts", expected)
  expect_null(cell_columns(path))
})

test_that("a filter that HDF5 has not is named, with what to do", {
  path <- anndata_file("plugin")
  refused <- function(code, named) {
    error <- expect_error(code, named, class = "canalR_error_file")
    expect_match(conditionMessage(error), "write the file with gzip")
  }
  refused(cells_of(path), "'data' that is compressed by Zstandard \\(number 32015\\)")
  refused(cells_of(path, "other"), "'indices' .* a filter without a name \\(number 399\\)")
  refused(cells_of(path, "dense"), "'layers/dense' .* Blosc \\(number 32001\\)")
  refused(cell_source(path, "dense"), "Blosc")
  source <- cell_source(anndata_file("written-layouts"), "csr_lzf")
  expect_identical(as.matrix(source$read(c(1, 6))), anndata_values())
})
