# One small set of counts in every class.

some_counts <- function() sparse(toy_counts(6, 5))

some_columns <- function(counts = some_counts()) {
  data.frame(type = factor(c("a", "b", "a", "b", "a"), c("b", "a", "unused")), depth = 1:5,
             canal_label = "old", row.names = colnames(counts), stringsAsFactors = FALSE)
}

some_results <- function() {
  data.frame(canal_label = c("x", NA, "y", "x", "Unassigned"),
             canal_confidence = c(0.9, NA, 0.8, 0.7, 0.1))
}

some_embedding <- function() matrix(as.numeric(1:10), 5)

some_sce <- function() {
  skip_if_not_installed("SingleCellExperiment")
  counts <- some_counts()
  x <- SingleCellExperiment::SingleCellExperiment(
    list(logcounts = log1p(counts), counts = counts),
    colData = S4Vectors::DataFrame(some_columns(counts)),
    reducedDims = list(PCA = matrix(0, 5, 2))
  )
  S4Vectors::metadata(x) <- list(mine = 1, canal = list(model = "earlier", kept = TRUE))
  x
}

some_seurat <- function() {
  skip_if_not_installed("SeuratObject")
  counts <- some_counts()
  x <- SeuratObject::CreateSeuratObject(counts, meta.data = some_columns(counts))
  x@misc <- list(mine = 1, canal = list(model = "earlier", kept = TRUE))
  x
}

# Counts -------------------------------------------------------------------------------------------

test_that("every kind of matrix becomes the same dgCMatrix", {
  counts <- some_counts()
  dense <- as.matrix(counts)
  whole <- dense
  storage.mode(whole) <- "integer"
  forms <- list(counts, dense, whole, methods::as(counts, "RsparseMatrix"),
                methods::as(counts, "TsparseMatrix"), methods::as(counts, "unpackedMatrix"))
  for (form in forms) {
    cells <- cells_of(form, "counts")
    expect_s3_class(cells, "canal_cells")
    expect_s4_class(cells$counts, "dgCMatrix")
    expect_identical(as.matrix(cells$counts), dense)
    expect_null(cells$obs)
    expect_identical(cell_names(form), colnames(dense))
    expect_null(cell_columns(form))
  }
})

test_that("logical, symmetric, diagonal and pattern matrices keep all their values", {
  square <- matrix(c(1, 2, 2, 5), 2, dimnames = list(c("g", "h"), c("g", "h")))
  expect_identical(as.matrix(cells_of(square)$counts), square)
  expect_identical(as.matrix(cells_of(Matrix::Matrix(square, sparse = TRUE))$counts), square)
  expect_identical(unname(as.matrix(cells_of(Matrix::Diagonal(2, 3))$counts)), diag(3, 2))
  expect_identical(as.matrix(cells_of(square > 1)$counts), (square > 1) * 1)
  pattern <- methods::as(methods::as(some_counts(), "nMatrix"), "CsparseMatrix")
  expect_identical(as.matrix(cells_of(pattern)$counts), (as.matrix(some_counts()) > 0) * 1)
})

test_that("a SingleCellExperiment gives the assay that is asked for", {
  sce <- some_sce()
  cells <- cells_of(sce, "counts")
  expect_identical(cells$counts, some_counts())
  expect_identical(cells$obs$depth, 1:5)
  expect_identical(cells_of(sce, "logcounts")$counts, log1p(some_counts()))
  expect_error(cells_of(sce, "raw"), "\"raw\".*logcounts, counts", class = "canalR_error_assay")
  expect_error(cells_of(sce, NULL), "`assay.type`", class = "canalR_error_assay")
  SummarizedExperiment::assayNames(sce) <- c("", "")
  expect_error(cells_of(sce, "counts"), "none with a name", class = "canalR_error_assay")
})

test_that("a SummarizedExperiment with delayed counts is read", {
  skip_if_not_installed("SummarizedExperiment")
  skip_if_not_installed("DelayedArray")
  delayed <- DelayedArray::DelayedArray(some_counts()) * 2
  x <- SummarizedExperiment::SummarizedExperiment(list(counts = delayed))
  expect_identical(as.matrix(cells_of(x, "counts")$counts), as.matrix(some_counts()) * 2)
})

test_that("a Seurat object gives the layer of its default assay", {
  seurat <- some_seurat()
  cells <- cells_of(seurat, "counts")
  expect_identical(as.matrix(cells$counts), as.matrix(some_counts()))
  expect_s4_class(cells$counts, "dgCMatrix")
  expect_identical(cells$obs$depth, 1:5)
  expect_identical(cell_names(seurat), colnames(some_counts()))
  expect_error(cells_of(seurat, "raw"), "default assay \\(RNA\\).*counts",
               class = "canalR_error_assay")
})

test_that("an assay of the older kind without counts lists what it has", {
  seurat <- some_seurat()
  # Version 5 warns about the missing counts, too.
  suppressWarnings(
    seurat[["norm"]] <- SeuratObject::CreateAssayObject(data = log1p(some_counts()))
  )
  SeuratObject::DefaultAssay(seurat) <- "norm"
  expect_error(cells_of(seurat, "counts"), "only data.*DefaultAssay\\(x\\) <- \"RNA\"",
               class = "canalR_error_assay")
  expect_identical(as.matrix(cells_of(seurat, "data")$counts), as.matrix(log1p(some_counts())))
})

test_that("an assay with layers is read, split or not", {
  skip_if_not_installed("SeuratObject", "5.0.0")
  counts <- some_counts()
  # By name, as version 4 does not have it.
  create <- getExportedValue("SeuratObject", "CreateAssay5Object")
  seurat <- SeuratObject::CreateSeuratObject(create(counts = counts))
  expect_identical(as.matrix(cells_of(seurat, "counts")$counts), as.matrix(counts))
  seurat[["RNA"]] <- split(seurat[["RNA"]], f = c("b", "a", "b", "a", "b"))
  expect_identical(as.matrix(cells_of(seurat, "counts")$counts), as.matrix(counts))
  expect_error(cells_of(seurat, "raw"), "counts", class = "canalR_error_assay")
})

test_that("layers are chosen by name, or by the parts they were split into", {
  layers <- c("data", "counts.1", "counts.2", "countsraw")
  expect_identical(matching_layers(layers, "counts"), c("counts.1", "counts.2"))
  expect_identical(matching_layers(c("counts.1", "counts"), "counts"), "counts")
  expect_identical(matching_layers(layers, "counts.2"), "counts.2")
  expect_length(matching_layers(layers, "raw"), 0)
})

test_that("split layers are joined in the order of the object's cells", {
  counts <- some_counts()
  cells <- colnames(counts)
  joined <- join_layers(list(counts[, c(5, 2)], counts[, c(4, 1, 3)]), rownames(counts), cells)
  expect_identical(joined, counts)
  # The parts measured different genes: what a part lacks is 0.
  first <- counts[c(3, 1), 1:2]
  second <- counts[2:6, 3:5]
  expected <- as.matrix(counts)
  expected[c(2, 4, 5, 6), 1:2] <- 0
  expected[1, 3:5] <- 0
  joined <- join_layers(list(first, second), rownames(counts), cells)
  expect_s4_class(joined, "dgCMatrix")
  expect_identical(as.matrix(joined), expected)
})

test_that("layers that lack cells, or have them twice, are refused", {
  counts <- some_counts()
  expect_error(join_layers(list(counts[, 1:3]), rownames(counts), colnames(counts)),
               "none for 2 cells \\(cell4, cell5\\)", class = "canalR_error_assay")
  expect_error(join_layers(list(counts, counts[, 1:2]), rownames(counts), colnames(counts)),
               "more than one column for cell1, cell2", class = "canalR_error_assay")
})

test_that("layers without the SeuratObject that knows them are told", {
  skip_if_not_installed("SeuratObject")
  expect_error(layer_function("NoSuchFunction"), "SeuratObject 5", class = "canalR_error_package")
})

test_that("a package that is missing is named with how to install it", {
  expect_error(need_package("NoSuchPackage", "x", "for this test"),
               "`x`.*NoSuchPackage, for this test.*install.packages\\(\"NoSuchPackage\"\\)",
               class = "canalR_error_package")
})

test_that("other classes are refused", {
  for (x in list(1:3, list(), NULL, data.frame(a = 1))) {
    expect_error(cells_of(x, "counts"), "SingleCellExperiment", class = "canalR_error_class")
  }
  expect_error(cells_of(data.frame(a = 1), "counts"), "as.matrix", class = "canalR_error_class")
  expect_error(cells_of(matrix("a")), "character", class = "canalR_error_class")
  expect_error(cell_names(1L), class = "canalR_error_class")
  expect_error(cell_columns(1L), class = "canalR_error_class")
  expect_error(with_cell_results(1L, some_results()), class = "canalR_error_class")
  expect_error(sparse_foreign(quote(a)), "sparse matrix", class = "canalR_error_class")
})

# Files --------------------------------------------------------------------------------------------

test_that("a path that leads nowhere is told", {
  expect_error(cells_of("no-such.h5ad", "counts"), "no-such.h5ad", class = "canalR_error_file")
  expect_error(cells_of(tempdir(), "counts"), class = "canalR_error_file")
  expect_error(cells_of(c("a", "b"), "counts"), "2 strings", class = "canalR_error_class")
  expect_error(labels_of("no-such.h5ad", "type"), class = "canalR_error_file")
  foreign <- tempfile(fileext = ".h5ad")
  on.exit(unlink(foreign))
  writeLines("no HDF5 here", foreign)
  expect_error(cells_of(foreign, "counts"), class = "canalR_error_file")
})

test_that("the embedded cells are read from their file", {
  path <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
  skip_if(!nzchar(path), "the embedded cells are not installed")
  expected <- pancreas()
  cells <- cells_of(path, "counts")
  expect_s4_class(cells$counts, "dgCMatrix")
  expect_true(methods::validObject(cells$counts))
  expect_identical(dimnames(cells$counts), dimnames(expected$counts))
  expect_equal(cells$counts@x, expected$counts@x)
  expect_identical(cells_of(path, "X")$counts, cells$counts)
  expect_identical(as.character(cells$obs$batch), expected$batch)
  expect_identical(labels_of(path, "batch"), expected$batch)
  expect_identical(labels_of(cells, "batch"), expected$batch)
  expect_error(cells_of(path, "raw"), "\"raw\", but there is only X", class = "canalR_error_assay")
  expect_error(labels_of(path, "type"), "celltype", class = "canalR_error_labels")
  before <- tools::md5sum(path)
  results <- data.frame(canal_label = rep("a", ncol(cells$counts)))
  table <- with_cell_results(path, results)
  expect_identical(rownames(table), colnames(cells$counts))
  expect_identical(tools::md5sum(path), before)
  rownames(results) <- rev(colnames(cells$counts))
  expect_identical(rownames(with_cell_results(path, results)), rownames(results))
})

# Labels -------------------------------------------------------------------------------------------

test_that("labels come from a column or a vector, as text", {
  expected <- c("a", "b", "a", "b", "a")
  sce <- some_sce()
  seurat <- some_seurat()
  counts <- some_counts()
  for (x in list(sce, seurat, cells_of(sce))) {
    expect_identical(labels_of(x, "type"), expected)
    expect_identical(labels_of(x, "depth"), as.character(1:5))
  }
  for (x in list(sce, seurat, counts, as.matrix(counts))) {
    expect_identical(labels_of(x, expected), expected)
    expect_identical(labels_of(x, factor(expected, c("unused", "b", "a"))), expected)
    expect_identical(labels_of(x, S4Vectors::Rle(expected)), expected)
  }
  expect_identical(labels_of(counts, c(2, 1, 2, 1, 1)), c("2", "1", "2", "1", "1"))
  table <- S4Vectors::DataFrame(type = expected)
  expect_identical(labels_of(table, "type"), expected)
  expect_identical(labels_of(table, expected), expected)
})

test_that("labels named by cell are matched by name", {
  seurat <- some_seurat()
  SeuratObject::Idents(seurat) <- "type"
  expect_identical(labels_of(seurat, rev(SeuratObject::Idents(seurat))),
                   c("a", "b", "a", "b", "a"))
  counts <- some_counts()
  other <- stats::setNames(letters[1:5], c("one", "two", "three", "four", "five"))
  expect_identical(labels_of(counts, other), letters[1:5])
  names(other)[1:2] <- colnames(counts)[1:2]
  expect_error(labels_of(counts, other), "without 3 of the cells", class = "canalR_error_labels")
  names(other) <- colnames(counts)[c(1, 1:4)]
  expect_error(labels_of(counts, other), "cell5", class = "canalR_error_labels")
})

test_that("one string for one cell is its label, or a column of that name", {
  sce <- some_sce()[, 1]
  expect_identical(labels_of(sce, "type"), "a")
  expect_identical(labels_of(sce, "alpha"), "alpha")
  expect_identical(labels_of(some_counts()[, 1, drop = FALSE], "alpha"), "alpha")
})

test_that("labels that do not fit are refused", {
  sce <- some_sce()
  expect_error(labels_of(sce, "celltype"), "\"celltype\".*type, depth, canal_label",
               class = "canalR_error_labels")
  expect_error(labels_of(some_counts(), "type"), "no columns", class = "canalR_error_labels")
  expect_error(labels_of(sce, c("a", "b")), "5 cells; got 2 labels", class = "canalR_error_labels")
  expect_error(labels_of(sce, NULL), "got none", class = "canalR_error_labels")
  expect_error(labels_of(sce, list("a", "b", "a", "b", "a")), "class list",
               class = "canalR_error_labels")
  expect_error(labels_of(sce, c("a", NA, "b", "", " ")), "3 of 5 cells \\(cell2, cell4, cell5\\)",
               class = "canalR_error_labels")
  expect_error(labels_of(unname(as.matrix(some_counts())), c("a", NA, "b", "b", "b")),
               "1 of 5 cells \\(number 2\\)", class = "canalR_error_labels")
  expect_error(labels_of(sce, c("a", "b"), "truth"), "`truth`", class = "canalR_error_labels")
})

# Results ------------------------------------------------------------------------------------------

test_that("results go into a SingleCellExperiment and nothing else of it changes", {
  sce <- some_sce()
  out <- with_cell_results(sce, some_results(), some_embedding(), list(model = "new", n = 3))
  expect_identical(out$canal_label, some_results()$canal_label)
  expect_identical(out$canal_confidence, some_results()$canal_confidence)
  embedding <- SingleCellExperiment::reducedDim(out, "CANAL")
  expect_identical(unname(embedding), some_embedding())
  expect_identical(rownames(embedding), colnames(sce))
  expect_identical(S4Vectors::metadata(out),
                   list(mine = 1, canal = list(model = "new", kept = TRUE, n = 3)))
  back <- out
  SingleCellExperiment::reducedDim(back, "CANAL") <- NULL
  SummarizedExperiment::colData(back) <- SummarizedExperiment::colData(sce)
  S4Vectors::metadata(back) <- S4Vectors::metadata(sce)
  expect_equal(back, sce)
  named <- with_cell_results(sce, NULL, some_embedding(), name = "OTHER")
  expect_identical(SingleCellExperiment::reducedDimNames(named), c("PCA", "OTHER"))
})

test_that("a SummarizedExperiment has room for labels, not for an embedding", {
  skip_if_not_installed("SummarizedExperiment")
  x <- SummarizedExperiment::SummarizedExperiment(list(counts = some_counts()))
  expect_identical(with_cell_results(x, some_results())$canal_label, some_results()$canal_label)
  expect_error(with_cell_results(x, some_results(), some_embedding()),
               "as\\(x, \"SingleCellExperiment\"\\)", class = "canalR_error_class")
})

test_that("results go into a Seurat object and nothing else of it changes", {
  seurat <- some_seurat()
  expect_silent(out <- with_cell_results(seurat, some_results(), some_embedding(),
                                         list(model = "new", n = 3)))
  expect_identical(unname(out$canal_label), some_results()$canal_label)
  expect_identical(unname(out$canal_confidence), some_results()$canal_confidence)
  expect_identical(colnames(out), colnames(seurat))
  expect_identical(names(out[[]]), c(names(seurat[[]]), "canal_confidence"))
  expect_identical(unname(SeuratObject::Embeddings(out, "canal")), some_embedding())
  expect_identical(SeuratObject::Key(out[["canal"]]), "canal_")
  expect_identical(SeuratObject::Misc(out, "canal"), list(model = "new", kept = TRUE, n = 3))
  # Again: what is there is replaced, without a warning.
  expect_silent(again <- with_cell_results(out, some_results(), 2 * some_embedding(),
                                           list(model = "newer")))
  expect_identical(unname(SeuratObject::Embeddings(again, "canal")), 2 * some_embedding())
  expect_identical(SeuratObject::Misc(again, "canal"), list(model = "newer", kept = TRUE, n = 3))
  expect_identical(SeuratObject::Reductions(out), "canal")
  back <- out
  back@reductions <- seurat@reductions
  back@meta.data <- seurat@meta.data
  back@misc <- seurat@misc
  expect_identical(back, seurat)
})

test_that("cells without an embedding have a row of NA", {
  embedding <- some_embedding()
  embedding[2, ] <- NA
  sce <- with_cell_results(some_sce(), NULL, embedding)
  expect_identical(unname(SingleCellExperiment::reducedDim(sce, "CANAL")), embedding)
  expect_silent(seurat <- with_cell_results(some_seurat(), NULL, embedding))
  expect_identical(unname(SeuratObject::Embeddings(seurat, "canal")), embedding)
})

test_that("results for a matrix come as a DataFrame with a row per cell", {
  counts <- some_counts()
  for (x in list(counts, as.matrix(counts))) {
    out <- with_cell_results(x, some_results(), some_embedding(), list(model = "new"))
    expect_s4_class(out, "DFrame")
    expect_identical(rownames(out), colnames(counts))
    expect_identical(out$canal_label, some_results()$canal_label)
    expect_identical(unname(out$embedding), some_embedding())
    expect_identical(S4Vectors::metadata(out), list(canal = list(model = "new")))
  }
  only <- with_cell_results(counts, NULL, some_embedding())
  expect_identical(names(only), "embedding")
  expect_identical(S4Vectors::metadata(only), list())
})

test_that("a record's entry that is NULL removes, and new labels end an evaluation", {
  sce <- some_sce()
  out <- with_cell_results(sce, NULL, record = list(kept = NULL, evaluation = 1))
  expect_identical(cell_record(out), list(model = "earlier", evaluation = 1))
  expect_identical(cell_record(with_cell_results(out, NULL, some_embedding())), cell_record(out))
  expect_identical(cell_record(with_cell_results(out, some_results())), list(model = "earlier"))
  expect_identical(cell_record(some_counts()), list())
})

test_that("columns whose names are no R names are kept as they are", {
  results <- data.frame(`canal_prob_T cell, CD4+` = 1:5 / 10, check.names = FALSE)
  column <- "canal_prob_T cell, CD4+"
  sce <- with_cell_results(some_sce(), results)
  expect_identical(SummarizedExperiment::colData(sce)[[column]], 1:5 / 10)
  expect_identical(with_cell_results(some_seurat(), results)@meta.data[[column]], 1:5 / 10)
  expect_identical(with_cell_results(some_counts(), results)[[column]], 1:5 / 10)
})

test_that("results of another number of cells are refused", {
  for (x in list(some_sce(), some_seurat(), some_counts(), as.matrix(some_counts()))) {
    expect_error(with_cell_results(x, some_results()[1:3, ]), "5 cells; got 3 rows",
                 class = "canalR_error_cells")
    expect_error(with_cell_results(x, NULL, some_embedding()[1:2, ]), "got 2 rows",
                 class = "canalR_error_cells")
  }
})

# The note of where results come from --------------------------------------------------------------

test_that("the record of a model tells version, model and parameters", {
  model <- methods::new("CanalModel", labels = c("a", "b"), history = list(list(), list()),
                        provenance = list(id = "abc"))
  record <- model_record(model, list(novelty = "canal"))
  expect_named(record, c("version", "libtorch", "model", "parameters", "date"))
  expect_identical(record$version, as.character(utils::packageVersion("canalR")))
  expect_match(record$libtorch, "^[0-9]+[.][0-9]+")
  expect_identical(record$model, list(id = "abc", stages = 2L, types = c("a", "b")))
  expect_identical(record$parameters, list(novelty = "canal"))
  expect_match(record$date, "^[0-9-]{10} [0-9:]{8} UTC$")
})
