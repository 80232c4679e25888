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

put_results <- function(x, columns, embedding = NULL, record = list(), prefix = "canal") {
  with_cell_results(x, cell_findings(prefix, columns, embedding, record = record))
}

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
  expect_error(put_results(1L, some_results()), class = "canalR_error_class")
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
  table <- put_results(path, results)
  expect_identical(rownames(table), colnames(cells$counts))
  expect_identical(tools::md5sum(path), before)
  rownames(results) <- rev(colnames(cells$counts))
  expect_identical(rownames(put_results(path, results)), rownames(results))
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
  other <- stats::setNames(letters[1:5], paste0("s1_", colnames(counts)))
  expect_warning(taken <- labels_of(counts, other), "s1_cell1", class = "canalR_warning_labels")
  expect_identical(taken, letters[1:5])
  # Looked up by cluster, they have the clusters' names.
  clusters <- c("1" = "a", "2" = "b")[c("2", "1", "1", "2", "2")]
  expect_silent(expect_identical(labels_of(counts, clusters), unname(clusters)))
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
  # A matrix of texts is no path.
  expect_error(cell_source(matrix("1", 2, 2), "counts"), "matrix", class = "canalR_error")
  expect_identical(labels_of(sce, c("a", NA, "b", "", " "), wanted = integer()),
                   c("a", NA, "b", NA, NA))
})

test_that("labels that are almost the same are told", {
  expect_silent(warn_alike(c("CD4+ T", "CD4- T", "B")))
  expect_warning(warn_alike(c("T cell", "T_cell ", "B")), "\"T cell\" and \"T_cell \"",
                 class = "canalR_warning_labels")
  expect_warning(warn_alike("ALPHA", c("alpha", "beta")), "ALPHA", class = "canalR_warning_labels")
  # What was told at an earlier stage is not told again.
  expect_silent(warn_alike("beta", c("alpha", "ALPHA")))
})

test_that("an argument that is not there is named", {
  expect_refused(canal_predict(some_sce()), "argument", "model")
  expect_refused(canal_predict(model = stage_two()), "argument", "x")
  expect_refused(canal_embed(model = stage_two()), "argument", "x")
  expect_refused(canal_train(some_sce(), "type"), "argument", "model")
  expect_refused(canal_train(some_sce(), model = stage_two()), "argument", "labels")
})

test_that("genes that do not meet are told with the assay they are of", {
  seurat <- some_seurat()
  seurat$canal_label <- NULL
  counts <- some_counts()
  rownames(counts) <- paste0("protein", seq_len(nrow(counts)))
  seurat[["ADT"]] <- SeuratObject::CreateAssayObject(counts)
  SeuratObject::DefaultAssay(seurat) <- "ADT"
  expect_error(predict_quietly(seurat, stage_two()), "\"ADT\".*DefaultAssay\\(x\\) <- \"RNA\"",
               class = "canalR_error_overlap")
})

# Results ------------------------------------------------------------------------------------------


test_that("results go into a SingleCellExperiment and nothing else of it changes", {
  sce <- some_sce()
  out <- put_results(sce, some_results(), some_embedding(), list(model = "new", n = 3))
  expect_identical(out$canal_label, some_results()$canal_label)
  expect_identical(out$canal_confidence, some_results()$canal_confidence)
  embedding <- SingleCellExperiment::reducedDim(out, "CANAL")
  expect_identical(unname(embedding), some_embedding())
  expect_identical(rownames(embedding), colnames(sce))
  expect_identical(S4Vectors::metadata(out),
                   list(mine = 1, canal = list(model = "earlier", kept = TRUE,
                                           canal = list(model = "new", n = 3))))
  back <- out
  SingleCellExperiment::reducedDim(back, "CANAL") <- NULL
  SummarizedExperiment::colData(back) <- SummarizedExperiment::colData(sce)
  S4Vectors::metadata(back) <- S4Vectors::metadata(sce)
  expect_equal(back, sce)
  named <- put_results(sce, NULL, some_embedding(), prefix = "other")
  expect_identical(SingleCellExperiment::reducedDimNames(named), c("PCA", "OTHER"))
})

test_that("a SummarizedExperiment has room for labels, not for an embedding", {
  skip_if_not_installed("SummarizedExperiment")
  x <- SummarizedExperiment::SummarizedExperiment(list(counts = some_counts()))
  expect_identical(put_results(x, some_results())$canal_label, some_results()$canal_label)
  expect_error(put_results(x, some_results(), some_embedding()),
               "as\\(x, \"SingleCellExperiment\"\\)", class = "canalR_error_class")
})

test_that("results go into a Seurat object and nothing else of it changes", {
  seurat <- some_seurat()
  expect_silent(out <- put_results(seurat, some_results(), some_embedding(),
                                         list(embedding = list(n = 3))))
  expect_identical(unname(out$canal_label), some_results()$canal_label)
  expect_identical(unname(out$canal_confidence), some_results()$canal_confidence)
  expect_identical(colnames(out), colnames(seurat))
  expect_identical(names(out[[]]), c(names(seurat[[]]), "canal_confidence"))
  expect_identical(unname(SeuratObject::Embeddings(out, "canal")), some_embedding())
  expect_identical(SeuratObject::Key(out[["canal"]]), "canal_")
  expect_identical(SeuratObject::Misc(out, "canal")$canal, list(embedding = list(n = 3)))
  # Again: what is there is replaced, without a warning.
  expect_silent(again <- put_results(out, some_results(), 2 * some_embedding(),
                                           list(embedding = list(n = 4))))
  expect_identical(unname(SeuratObject::Embeddings(again, "canal")), 2 * some_embedding())
  expect_identical(SeuratObject::Misc(again, "canal")$canal,
                   list(embedding = list(n = 4)))
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
  sce <- put_results(some_sce(), NULL, embedding)
  expect_identical(unname(SingleCellExperiment::reducedDim(sce, "CANAL")), embedding)
  expect_silent(seurat <- put_results(some_seurat(), NULL, embedding))
  expect_identical(unname(SeuratObject::Embeddings(seurat, "canal")), embedding)
})

test_that("results for a matrix come as a DataFrame with a row per cell", {
  counts <- some_counts()
  for (x in list(counts, as.matrix(counts))) {
    out <- put_results(x, some_results(), some_embedding(), list(model = "new"))
    expect_s4_class(out, "DFrame")
    expect_identical(rownames(out), colnames(counts))
    expect_identical(out$canal_label, some_results()$canal_label)
    expect_identical(unname(out$embedding), some_embedding())
    expect_identical(S4Vectors::metadata(out), list(canal = list(canal = list(model = "new"))))
  }
  only <- put_results(counts, NULL, some_embedding())
  expect_identical(names(only), "embedding")
  expect_identical(S4Vectors::metadata(only), list())
})

test_that("a record's entry that is NULL removes, and new labels end their evaluation", {
  sce <- some_sce()
  evaluations <- list(canal_label = 1, other_label = 2)
  out <- with_cell_record(sce, list(kept = NULL, evaluation = evaluations))
  expect_identical(cell_record(out), list(model = "earlier", evaluation = evaluations))
  expect_identical(cell_record(put_results(out, NULL, some_embedding())), cell_record(out))
  expect_identical(cell_record(put_results(out, some_results()))$evaluation, evaluations[2])
  expect_identical(cell_record(some_counts()), list())
  expect_error(with_cell_record(some_counts(), list()), class = "canalR_error_class")
})

test_that("a prediction and an embedding of one prefix are both on record", {
  for (x in list(some_sce(), some_seurat())) {
    x <- put_results(x, some_results(), record = list(prediction = list(n = 1, m = 2)))
    x <- put_results(x, NULL, some_embedding(), list(embedding = list(n = 3)))
    x <- put_results(x, some_results(), record = list(prediction = list(n = 4)))
    expect_identical(cell_record(x)$canal, list(prediction = list(n = 4), embedding = list(n = 3)))
  }
})

test_that("new labels end what an earlier call left under their prefix, and nothing else", {
  earlier <- data.frame(canal_label = "a", canal_prob_a = 1:5, canal_top_1 = "a",
                        canal_top_1_confidence = 1, canal_cluster = "a", canal_cluster_share = 1,
                        canal_mine = 3, canalb_prob_a = 2)
  for (x in list(some_sce(), some_seurat())) {
    x <- put_results(x, earlier)
    x <- put_results(x, data.frame(canal_label = rep("b", 5)))
    left <- intersect(names(earlier), colnames(cell_columns(x)))
    expect_identical(left, c("canal_label", "canal_mine", "canalb_prob_a"))
  }
})

test_that("scores have a place of their own, which labels without scores end", {
  scores <- matrix(1:10 / 10, 5, dimnames = list(NULL, c("T_cell", "B cell")))
  findings <- cell_findings("my", data.frame(my_label = rep("a", 5)), scores = scores)
  sce <- with_cell_results(some_sce(), findings)
  beside <- SingleCellExperiment::altExp(sce, "my_scores")
  expect_identical(unname(SummarizedExperiment::assay(beside, "probabilities")), unname(t(scores)))
  expect_identical(rownames(beside), colnames(scores))
  expect_false("my_scores" %in% SingleCellExperiment::altExpNames(put_results(
    sce, data.frame(my_label = 1:5), prefix = "my"
  )))
  expect_silent(seurat <- with_cell_results(some_seurat(), findings))
  expect_identical(unname(as.matrix(seurat@assays$my_scores@data)), unname(t(scores)))
  expect_identical(rownames(seurat[["my_scores"]]), c("T-cell", "B cell"))
  expect_identical(SeuratObject::DefaultAssay(seurat), SeuratObject::DefaultAssay(some_seurat()))
  expect_silent(again <- with_cell_results(seurat, findings))
  expect_identical(again@assays, seurat@assays)
  expect_null(put_results(seurat, data.frame(my_label = 1:5), prefix = "my")@assays$my_scores)
  table <- with_cell_results(some_counts(), findings)
  expect_identical(unname(table$my_scores), unname(scores))
  expect_error(with_cell_results(as(some_sce(), "SummarizedExperiment"), findings), "altExps",
               class = "canalR_error_class")
})

test_that("cells without scores have missing ones", {
  scores <- matrix(c(NA, 1:4 / 4), 5, 2, dimnames = list(NULL, c("a", "b")))
  findings <- cell_findings("canal", scores = scores)
  expect_identical(unname(as.matrix(with_cell_results(some_seurat(),
                                                      findings)@assays$canal_scores@data)),
                   unname(t(scores)))
})

test_that("a Seurat object logs the call", {
  findings <- cell_findings("canal", some_results(),
                            record = list(prediction = list(parameters = list(top_k = 2))),
                            call = logged_call("canal_predict", quote(f(x, model))))
  command <- with_cell_results(some_seurat(), findings)@commands[["canal_predict.RNA"]]
  expect_s4_class(command, "SeuratCommand")
  expect_identical(command@params, list(top_k = 2))
  expect_match(command@call.string, "canal_predict(x, model)", fixed = TRUE)
  findings$prefix <- "second"
  expect_identical(names(with_cell_results(some_seurat(), findings)@commands),
                   "canal_predict.RNA.second")
})

test_that("a call that objects stand in is logged without them", {
  call <- as.call(list(canal_predict, some_counts(), quote(model), top_k = 2))
  expect_identical(logged_call("canal_predict", call),
                   list(name = "canal_predict",
                        text = "canal_predict(`<dgCMatrix>`, model, top_k = 2)"))
  cells <- stage_two_cells()
  seurat <- SeuratObject::CreateSeuratObject(cells$counts)
  done <- do.call(canal_predict, list(seurat, stage_two(), verbose = FALSE))
  expect_lt(nchar(done@commands[["canal_predict.RNA"]]@call.string), 200)
})

test_that("no embedding of anybody else's is replaced", {
  for (x in list(some_sce(), some_seurat())) {
    expect_silent(check_free_names(x, "a", "embedding"))
    x <- put_results(x, NULL, some_embedding(), list(embedding = list(n = 1)), "a")
    expect_silent(check_free_names(x, "a", "embedding"))
    expect_refused(check_free_names(x, "A", "embedding"), "argument", "prefix")
  }
  expect_error(check_free_names(some_sce(), "pca", "embedding"), "PCA",
               class = "canalR_error_argument")
  # Its key is the assay's.
  expect_error(check_free_names(some_seurat(), "rna", "embedding"), "\"rna_\"",
               class = "canalR_error_argument")
  expect_refused(canal_embed(some_sce(), stage_two(), prefix = "pca"), "argument", "prefix")
})

test_that("no columns, scores or assays of anybody else's are replaced", {
  counts <- some_counts()
  sce <- some_sce()
  SingleCellExperiment::altExp(sce, "adt_scores") <-
    SummarizedExperiment::SummarizedExperiment(list(counts = counts))
  seurat <- some_seurat()
  suppressWarnings(seurat[["adt_scores"]] <- SeuratObject::CreateAssayObject(counts))  # of its key
  for (x in list(sce, seurat)) {
    x$canal_label <- NULL
    expect_refused(check_free_names(x, "adt", "prediction"), "argument", "prefix")
    expect_silent(check_free_names(x, "canal", "prediction"))
    for (column in c("canal_label", "canal_prob_beta", "canal_cluster")) {
      taken <- x
      taken[[column]] <- "mine"
      expect_error(check_free_names(taken, "canal", "prediction"), column,
                   class = "canalR_error_argument")
      expect_refused(canal_predict(taken, stage_two()), "argument", "prefix")
    }
    # Of an earlier call, and of one whose record was lost on the way.
    own <- put_results(x, NULL, record = list(prediction = list(n = 1)))
    own$canal_label <- "mine"
    expect_silent(check_free_names(own, "canal", "prediction"))
    for (name in c("label", "confidence", "novelty", "reason", "pruned")) {
      x[[paste0("canal_", name)]] <- NA
    }
    expect_silent(check_free_names(x, "canal", "prediction"))
  }
})

test_that("a prefix is letters and digits", {
  for (prefix in list("a_b", "1a", "", NA_character_, c("a", "b"), 3, NULL, "quality", "t.x")) {
    expect_error(check_prefix(prefix), "`prefix`", class = "canalR_error_argument")
  }
  expect_silent(check_prefix("Model2"))
})

test_that("columns whose names are no R names are kept as they are", {
  results <- data.frame(`canal_prob_T cell, CD4+` = 1:5 / 10, check.names = FALSE)
  column <- "canal_prob_T cell, CD4+"
  sce <- put_results(some_sce(), results)
  expect_identical(SummarizedExperiment::colData(sce)[[column]], 1:5 / 10)
  expect_identical(put_results(some_seurat(), results)@meta.data[[column]], 1:5 / 10)
  expect_identical(put_results(some_counts(), results)[[column]], 1:5 / 10)
})

test_that("results of another number of cells are refused", {
  for (x in list(some_sce(), some_seurat(), some_counts(), as.matrix(some_counts()))) {
    expect_error(put_results(x, some_results()[1:3, ]), "5 cells; got 3 rows",
                 class = "canalR_error_cells")
    expect_error(put_results(x, NULL, some_embedding()[1:2, ]), "got 2 rows",
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

test_that("objects that are bound together have one record", {
  sce <- some_sce()
  S4Vectors::metadata(sce) <- list(mine = 1)
  colnames(sce) <- paste0("a_", colnames(sce))
  note <- function(n) list(prediction = list(n = n))
  one <- put_results(sce, some_results(), record = note(1))
  one <- put_results(one, data.frame(own_label = 1:5), record = note(9), prefix = "own")
  expect_identical(cell_record(SummarizedExperiment::cbind(one, one)), cell_record(one))
  two <- put_results(sce, some_results(), record = note(2))
  two <- put_results(two, data.frame(own_label = 5:1), record = note(8), prefix = "own")
  two <- with_cell_record(two, list(quality = "two's"))
  both <- SummarizedExperiment::cbind(one, two)
  expect_identical(sum(names(S4Vectors::metadata(both)) == "canal"), 2L)
  expect_identical(cell_record(both),
                   c(cell_record(one), list(quality = "two's",
                                            merged = list(cell_record(two)[c("canal", "own")]))))
  both <- put_results(both, some_results()[c(1:5, 1:5), ], record = note(3))
  expect_identical(names(S4Vectors::metadata(both)), c("mine", "canal", "mine"))
  record <- S4Vectors::metadata(both)$canal
  expect_identical(record[c("canal", "own")], list(canal = note(3), own = note(9)))
  expect_identical(record$merged, list(list(own = note(8))))
  both <- put_results(both, data.frame(own_label = 1:10), record = note(4), prefix = "own")
  expect_identical(cell_record(both),
                   list(canal = note(3), own = note(4), quality = "two's"))
  three <- SummarizedExperiment::cbind(SummarizedExperiment::cbind(one, two), put_results(
    put_results(sce, some_results(), record = note(5)), data.frame(own_label = 1:5), prefix = "own"
  ))
  expect_length(cell_record(three)$merged, 2)
})

test_that("what is on record as written is replaced, and nobody else's", {
  first <- data.frame(canal_label = "a", canal_prob_a = 1:5, canal_top_1 = "a",
                      canal_top_1_confidence = 1)
  noted <- list(prediction = list(columns = names(first)))
  for (x in list(some_sce(), some_seurat())) {
    x$canal_label <- NULL
    x <- put_results(x, first, record = noted)
    mine <- c("canal_prob_mine", "canal_top_2", "canal_cluster", "canal_prob_b")
    for (column in mine) x[[column]] <- "mine"
    wanted <- function(...) list(columns = c(label_columns("canal"), ...))
    expect_silent(check_free_names(x, "canal", "prediction", wanted("canal_prob_a")))
    for (column in mine) {
      expect_error(check_free_names(x, "canal", "prediction", wanted(column)), column,
                   class = "canalR_error_argument")
    }
    again <- put_results(x, data.frame(canal_label = rep("b", 5)),
                         record = list(prediction = list(columns = "canal_label")))
    expect_identical(setdiff(colnames(cell_columns(x)), colnames(cell_columns(again))),
                     c("canal_prob_a", "canal_top_1", "canal_top_1_confidence"))
    expect_identical(as.character(again$canal_prob_mine), rep("mine", 5))
  }
})

test_that("scores that a prediction did not write stay", {
  labels <- data.frame(my_label = rep("a", 5))
  noted <- list(prediction = list(columns = "my_label"))
  scores <- matrix(1:10 / 10, 5, dimnames = list(NULL, c("T", "B")))
  for (x in list(some_sce(), some_seurat())) {
    x <- put_results(x, labels, record = noted, prefix = "my")
    own <- with_cell_results(x, cell_findings("my", scores = scores))
    expect_identical(places_of_scores(put_results(own, labels, record = noted, prefix = "my")),
                     places_of_scores(own))
    expect_error(check_free_names(own, "my", "prediction", list(scores = "my_scores")),
                 "my_scores", class = "canalR_error_argument")
    told <- with_cell_results(x, cell_findings("my", labels, scores = scores, record = list(
      prediction = c(noted$prediction, scores = "my_scores")
    )))
    expect_silent(check_free_names(told, "my", "prediction", list(scores = "my_scores")))
    expect_identical(places_of_scores(put_results(told, labels, record = noted, prefix = "my")),
                     places_of_scores(x))
  }
})
