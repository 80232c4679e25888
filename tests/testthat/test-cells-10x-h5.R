# Cell Ranger's matrices in HDF5: the files are those of Python (fixtures/tenx), or made here.

symbols_3 <- c("GENE1", "GENE2", "GENE3", "GENE2", "ENSG5", "GENE6", "GENE7", "GENE8")

counts_10x_h5 <- function() {
  counts <- sparse(toy_counts(30, 12))
  colnames(counts) <- paste0("ACGT", 1:12, "-1")
  counts
}

dense_cells <- function(...) as.matrix(suppressMessages(cells_of(...))$counts)

# Whole, and in blocks of cells.
expect_tenx <- function(path, expected, assay = "counts") {
  expect_identical(dense_cells(path, assay), expected)
  for (size in c(1, 4)) {
    source <- with_blocks_of(size, told(cell_source(path, assay), FALSE))
    expect_identical(source$genes, rownames(expected))
    expect_identical(source$cells, colnames(expected))
    read <- lapply(source$blocks, source$read)
    expect_true(all(vapply(read, ncol, 0L) <= size))
    expect_identical(as.matrix(do.call(cbind, read)), expected)
  }
}

test_that("files of version 3 hold their counts, named by symbols or by ids", {
  path <- tenx_file("version_3")
  expect_tenx(path, tenx_values(symbols_3))
  expect_s4_class(cells_of(path)$counts, "dgCMatrix")
  expect_silent(cells_of(path))
  expect_identical(dense_cells(path, "matrix"), tenx_values(symbols_3))
  expect_null(cell_columns(path))
  expect_identical(cell_names(path), colnames(tenx_values(symbols_3)))
  expect_refused(cells_of(path, "spliced"), "assay", "assay.type")
  expect_refused(cells_of(path, 1), "assay", "assay.type")
})

test_that("files of version 2 hold their genome's counts", {
  path <- tenx_file("version_2")
  expected <- tenx_values(paste0("GRCh38_", 1:8))
  expect_tenx(path, expected)
  expect_tenx(path, expected, "GRCh38")
  expect_identical(cell_names(path), colnames(expected))
})

test_that("of several genomes one is chosen by name", {
  human <- tenx_values(paste0("hg19_", 1:8))
  for (name in c("version_2_two", "version_2_raw")) {
    path <- tenx_file(name)
    for (ask in list(cells_of, cell_source, canal_read_10x)) {
      error <- expect_error(ask(path, assay.type = "counts"), "they are hg19, mm10",
                            class = "canalR_error_assay")
      expect_match(conditionMessage(error), "assay.type = \"hg19\"", fixed = TRUE)
    }
    expect_tenx(path, human, "hg19")
  }
  expect_tenx(path, tenx_values(paste0("mm10_", 1:7), plus = 2), "mm10")
  expect_identical(cell_names(path), colnames(human))
  two <- tenx_file("version_2_two")
  expect_tenx(two, tenx_values(paste0("mm10_", 1:7), 4, 2, "-2"), "mm10")
  expect_error(cell_names(two), "canal_read_10x\\(assay.type = \"hg19\"\\)",
               class = "canalR_error_assay")
})

test_that("other features than genes are left out of files, and told once", {
  path <- tenx_file("version_3_types")
  expected <- tenx_values(symbols_3)[-c(3, 6, 8), ]
  expect_tenx(path, expected)
  for (ask in list(cells_of, cell_source)) {
    told <- capture_messages(ask(path, "counts"))
    expect_identical(told, paste("Features of other types than Gene Expression left out:",
                                 "2 Antibody Capture, 1 CRISPR Guide Capture.\n"))
  }
  counts <- counts_10x_h5()
  expect_error(cells_of(write_10x_h5(counts, types = rep("Antibody Capture", nrow(counts)))),
               "only 30 Antibody Capture", class = "canalR_error_empty")
})

test_that("a file is known by its content", {
  path <- tenx_file("version_3")
  other <- tempfile(fileext = ".h5ad")
  file.copy(path, other)
  expect_identical(cells_of(other), cells_of(path))
  counts <- counts_10x_h5()
  path <- write_h5ad(counts)
  file.copy(path, renamed <- tempfile(fileext = ".h5"))
  expect_identical(cells_of(renamed)$counts, counts)
  expect_error(canal_read_h5ad(other), "canal_read_10x\\(\\) reads it",
               class = "canalR_error_file")
  expect_error(canal_read_10x(renamed), "canal_read_h5ad\\(\\) reads it",
               class = "canalR_error_file")
  for (path in c(tenx_file("molecules"), system.file("DESCRIPTION", package = "canalR"))) {
    expect_error(cells_of(path), class = "canalR_error_file")
    expect_refused(canal_read_10x(path), "file", "path")
  }
  expect_error(cells_of(tenx_file("molecules")), "nor does it hold a matrix as Cell Ranger",
               class = "canalR_error_file")
})

test_that("canal_read_10x() makes the same of a file as of its folder", {
  skip_if_not_installed("SingleCellExperiment")
  counts <- counts_10x_h5()
  features <- paste0("E", seq_len(nrow(counts)), "\t", rownames(counts), "\tGene Expression")
  folder <- write_10x(counts, features, version = 3)
  old <- write_10x(counts)
  on.exit(unlink(c(folder, old), recursive = TRUE))
  file <- write_10x_h5(counts)
  expect_equal(canal_read_10x(file), canal_read_10x(folder))
  expect_equal(canal_read_10x(write_10x_h5(counts, genome = "GRCh38")), canal_read_10x(old))
  about <- SummarizedExperiment::rowData(canal_read_10x(file))
  expect_identical(as.list(about), list(ID = paste0("E", 1:30), Symbol = rownames(counts),
                                        Type = rep("Gene Expression", 30)))
  types <- replace(about$Type, 3, "Antibody Capture")
  typed <- SummarizedExperiment::rowData(canal_read_10x(write_10x_h5(counts, types),
                                                        verbose = FALSE))
  expect_identical(typed, about[-3, ])
  # Neither is told.
  bare <- write_10x_h5(counts, change = function(matrix) {
    matrix$features <- matrix$features["name"]
    matrix
  })
  expect_identical(names(SummarizedExperiment::rowData(canal_read_10x(bare))), "Symbol")
  skip_if_not_installed("SeuratObject")
  expect_identical(cells_of(canal_read_10x(file, "Seurat"))$counts, counts)
  expect_refused(canal_read_10x(folder, assay.type = "hg19"), "assay", "assay.type")
})

# The same wherever a path is taken ----------------------------------------------------------------

test_that("a file is prepared, annotated, embedded and trained on as its matrix is", {
  query <- panc_cells("celseq2")
  typed <- panc_cells("celseq2")$counts
  types <- rep("Gene Expression", nrow(typed))
  # Antibodies beside the genes change nothing.
  typed <- rbind(typed, typed[1:2, ])
  rownames(typed)[nrow(typed) - 1:0] <- c("CD3_TotalSeqB", "CD4_TotalSeqB")
  types <- c(types, rep("Antibody Capture", 2))
  paths <- c(write_10x_h5(query$counts), write_10x_h5(typed, types),
             write_10x_h5(query$counts, genome = "hg19"))
  on.exit(unlink(paths))
  labels <- function(x, novelty) {
    result <- predict_quietly(x, stage_one(), novelty = novelty, seed = 1,
                              probabilities = "columns")
    list(as.data.frame(result), S4Vectors::metadata(result)$canal$canal$prediction$parameters)
  }
  embedded <- function(x) canal_embed(x, stage_one(), verbose = FALSE)$embedding
  prepared <- function(x) canal_prepare(x, stage_one(), verbose = FALSE)
  expected <- list(labels(query$counts, "none"), labels(query$counts, "canal"))
  for (path in paths) {
    for (size in c(7, 1e6)) {
      expect_identical(with_blocks_of(size, labels(path, "none")), expected[[1]])
      expect_identical(with_blocks_of(size, labels(path, "canal")), expected[[2]])
      expect_identical(with_blocks_of(size, embedded(path)), embedded(query$counts))
    }
    expect_identical(prepared(path), prepared(query$counts))
  }
  told <- capture_messages(canal_predict(paths[2], stage_one()))
  expect_identical(sum(grepl("2 Antibody Capture", told)), 1L)
  one <- stage_one_cells()
  trained <- write_10x_h5(one$counts)
  on.exit(unlink(trained), add = TRUE)
  weights <- function(x) {
    canal_train(x, one$types, untrained(), epochs = 1, seed = 1, verbose = FALSE)@weights
  }
  expect_identical(weights(trained), weights(one$counts))
})

test_that("a file is merged, filtered and compared with labels as its matrix is", {
  counts <- counts_10x_h5()
  path <- write_10x_h5(counts)
  on.exit(unlink(path))
  merged <- function(x) canal_merge(list(a = x, b = counts), as = "list", verbose = FALSE)
  expect_identical(merged(path), merged(counts))
  named <- canal_merge(c(path, write_h5ad(counts)), as = "list", verbose = FALSE)
  expect_identical(unique(as.character(named$cells$source))[1], sub("[.]h5$", "", basename(path)))
  types <- rep(c("a", "b"), 6)
  expect_identical(labels_of(path, rev(stats::setNames(types, colnames(counts)))), types)
  expect_error(labels_of(path, "celltype"), "no columns", class = "canalR_error_labels")
  before <- tools::md5sum(path)
  table <- with_cell_results(path, cell_findings("canal", data.frame(canal_label = types)))
  expect_identical(rownames(table), colnames(counts))
  expect_identical(tools::md5sum(path), before)
  expect_refused(canal_update_symbols(path), "class", "x")
  skip_if_not_installed("scuttle")
  skip_if_not_installed("SingleCellExperiment")
  filtered <- canal_quality_filter(path, min_cells = 1, verbose = FALSE)
  expect_identical(canal_quality_report(filtered),
                   canal_quality_report(canal_quality_filter(counts, min_cells = 1,
                                                             verbose = FALSE)))
})

# Damage -------------------------------------------------------------------------------------------

test_that("what is damaged is told by a condition, before anything is computed", {
  counts <- counts_10x_h5()
  refused <- function(change, fragment, genome = NULL) {
    path <- write_10x_h5(counts, genome = genome, change = change)
    on.exit(unlink(path))
    for (read in list(cells_of, canal_read_10x)) {
      expect_error(read(path), fragment, class = "canalR_error_file")
    }
    expect_refused(canal_read_10x(path), "file", "path")
  }
  put <- function(...) function(matrix) utils::modifyList(matrix, list(...))
  for (genome in list(NULL, "hg19")) {
    refused(put(shape = c(30L, 11L)), "13 starts for 11 rows", genome)
    refused(put(shape = c(31L, 12L)), "names 30 genes and its matrix has 31", genome)
    refused(put(barcodes = colnames(counts)[-1]), "names 11 cells and its matrix has 12", genome)
    refused(put(data = counts@x[-1]), "not as many indices as values", genome)
    refused(put(indices = rep(30L, length(counts@i))), "an index beyond its shape", genome)
    refused(put(indptr = rev(counts@p)), "starts out of order", genome)
    refused(put(indptr = NULL), "without its 'indptr'", genome)
    refused(put(shape = NULL), "without its 'shape'", genome)
  }
  refused(put(features = list(name = "one")), "names 1 genes and its matrix has 30")
  refused(put(features = list(feature_type = rep("Gene Expression", 29))),
          "names 29 types of features and its matrix has 30")
  path <- tenx_file("version_3")
  bytes <- readBin(path, "raw", 1e6)
  for (share in c(0.1, 0.5, 0.9, 0.99)) {
    writeBin(bytes[seq_len(share * length(bytes))], path)
    expect_error(cells_of(path), class = "canalR_error_file")
  }
})
