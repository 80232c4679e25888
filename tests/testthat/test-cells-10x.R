counts_10x <- function() {
  counts <- sparse(toy_counts(30, 12))
  colnames(counts) <- paste0("ACGT", 1:12, "-1")
  counts
}

typed_features <- function(counts, type) {
  paste0("E", seq_len(nrow(counts)), "\t", rownames(counts), "\t", type)
}

gene_lines <- function(counts) typed_features(counts, "Gene Expression")

# Lines of a file of a folder, changed.
change_lines <- function(folder, name, change) {
  path <- file.path(folder, name)
  writeLines(change(readLines(path)), path)
}

test_that("both layouts hold the same cells", {
  counts <- counts_10x()
  old <- write_10x(counts)
  new <- write_10x(counts, gene_lines(counts), version = 3)
  on.exit(unlink(c(old, new), recursive = TRUE))
  expect_setequal(list.files(old), c("matrix.mtx", "genes.tsv", "barcodes.tsv"))
  expect_setequal(list.files(new), c("matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz"))
  for (folder in c(old, new, paste0(old, "/"))) {
    cells <- cells_of(folder)
    expect_s4_class(cells$counts, "dgCMatrix")
    expect_identical(cells$counts, counts)
    expect_null(cells$obs)
    expect_identical(cell_names(folder), colnames(counts))
    expect_null(cell_columns(folder))
  }
  # Compressed or not, each file by itself.
  compress(file.path(old, "barcodes.tsv"))
  expect_identical(cells_of(old)$counts, counts)
})

test_that("whole numbers, comments and Windows' line ends are read", {
  counts <- counts_10x()
  folder <- write_10x(counts)
  on.exit(unlink(folder, recursive = TRUE))
  change_lines(folder, "matrix.mtx", function(lines) {
    c("%%MatrixMarket matrix coordinate integer general",
      "%metadata_json: {\"software_version\": \"3.0.0, don't\", 7 7}", "% 9 9 9", lines[-1])
  })
  for (name in list.files(folder)) {
    change_lines(folder, name, function(lines) paste0(lines, "\r"))
  }
  expect_identical(cells_of(folder)$counts, counts)
})

test_that("genes are named by their symbols, or by the only column", {
  counts <- counts_10x()
  features <- gene_lines(counts)
  features[1:4] <- c("E1", "E2\t\tGene Expression", "E3\tNKX6-1\tGene Expression\tchr4\t1",
                     "E4\t5' \"IL#2\"")
  folder <- write_10x(counts, features, version = 3)
  on.exit(unlink(folder, recursive = TRUE))
  expect_identical(rownames(cells_of(folder)$counts)[1:5],
                   c("E1", "E2", "NKX6-1", "5' \"IL#2\"", "GENE5"))
  alone <- write_10x(counts, rownames(counts))
  on.exit(unlink(alone, recursive = TRUE), add = TRUE)
  expect_identical(cells_of(alone)$counts, counts)
})

test_that("other features than genes are left out, and told once", {
  counts <- counts_10x()
  type <- rep("Gene Expression", 30)
  type[c(3, 20, 30)] <- c("Antibody Capture", "CRISPR Guide Capture", "Antibody Capture")
  folder <- write_10x(counts, typed_features(counts, type), version = 3)
  on.exit(unlink(folder, recursive = TRUE))
  expect_message(cells <- cells_of(folder), "2 Antibody Capture, 1 CRISPR Guide Capture",
                 class = "canalR_message_features")
  expect_identical(cells$counts, counts[type == "Gene Expression", ])
  vocabulary <- rownames(counts)
  told <- capture_messages(canal_prepare(folder, vocabulary, n_genes = 5, min_genes = 1))
  expect_identical(sum(grepl("other types", told)), 1L)
  expect_silent(tokens <- canal_prepare(folder, vocabulary, n_genes = 5, min_genes = 1,
                                        verbose = FALSE))
  expect_identical(tokens, canal_prepare(counts[type == "Gene Expression", ], vocabulary,
                                         n_genes = 5, min_genes = 1, verbose = FALSE))
  # In genes.tsv a third column is somebody's own.
  own <- write_10x(counts, typed_features(counts, type))
  on.exit(unlink(own, recursive = TRUE), add = TRUE)
  expect_identical(cells_of(own)$counts, counts)
  tags <- write_10x(counts, typed_features(counts, "Antibody Capture"), version = 3)
  on.exit(unlink(tags, recursive = TRUE), add = TRUE)
  expect_error(cells_of(tags), "only 30 Antibody Capture", class = "canalR_error_empty")
})

test_that("a symbol that comes twice draws a warning where genes are looked up", {
  counts <- counts_10x()
  rownames(counts)[9] <- "GENE2"
  folder <- write_10x(counts)
  on.exit(unlink(folder, recursive = TRUE))
  prepare <- function(x) {
    canal_prepare(x, unique(rownames(counts)), n_genes = NULL, min_genes = 1, verbose = FALSE)
  }
  expect_warning(tokens <- prepare(folder), "GENE2", class = "canalR_warning_duplicates")
  first <- prepare(counts[-9, ])
  expect_identical(as.matrix(tokens)[, "GENE2"], as.matrix(first)[, "GENE2"])
})

test_that("a folder is annotated, trained on, merged and pre-trained on as its matrix is", {
  query <- panc_cells("celseq2")
  folder <- write_10x(query$counts)
  on.exit(unlink(folder, recursive = TRUE))
  # The record beside the labels has the time of the call.
  labels <- function(x) as.data.frame(predict_quietly(x, stage_one(), seed = 1))
  expect_identical(labels(folder), labels(query$counts))
  one <- stage_one_cells()
  trained <- write_10x(one$counts)
  on.exit(unlink(trained, recursive = TRUE), add = TRUE)
  weights <- function(x) {
    canal_train(x, one$types, untrained(), epochs = 1, seed = 1, verbose = FALSE)@weights
  }
  expect_identical(weights(trained), weights(one$counts))
  merged <- canal_merge(list(a = folder, b = one$counts), as = "list", verbose = FALSE)
  expect_identical(merged, canal_merge(list(a = query$counts, b = one$counts), as = "list",
                                       verbose = FALSE))
})

test_that("labels of a folder's cells are a vector, and its barcodes are enough for that", {
  counts <- counts_10x()
  folder <- write_10x(counts)
  on.exit(unlink(folder, recursive = TRUE))
  writeLines("not read", file.path(folder, "matrix.mtx"))
  types <- rep(c("a", "b"), 6)
  expect_identical(labels_of(folder, types), types)
  expect_identical(labels_of(folder, rev(stats::setNames(types, colnames(counts)))), types)
  expect_error(labels_of(folder, "celltype"), "no columns", class = "canalR_error_labels")
  results <- data.frame(canal_label = types)
  expect_identical(rownames(with_cell_results(folder, cell_findings("canal", results))),
                   colnames(counts))
  expect_error(cells_of(folder), class = "canalR_error_file")
})

test_that("canal_read_10x() makes the objects that canal_read_h5ad() makes", {
  skip_if_not_installed("SingleCellExperiment")
  counts <- counts_10x()
  folder <- write_10x(counts, gene_lines(counts), version = 3)
  file <- write_h5ad(counts)
  on.exit(unlink(c(folder, file), recursive = TRUE))
  object <- canal_read_10x(folder)
  expect_s4_class(object, "SingleCellExperiment")
  expect_identical(SummarizedExperiment::assay(object, "counts"), counts)
  expect_equal(SummarizedExperiment::`rowData<-`(object, value = NULL), canal_read_h5ad(file))
  skip_if_not_installed("SeuratObject")
  seurat <- canal_read_10x(folder, "Seurat")
  expect_s4_class(seurat, "Seurat")
  expect_identical(cells_of(seurat)$counts, counts)
})

test_that("ids, symbols and types of the genes stay with them", {
  skip_if_not_installed("SingleCellExperiment")
  counts <- counts_10x()
  rownames(counts)[9] <- "GENE_2"
  type <- replace(rep("Gene Expression", 30), c(3, 20), "Antibody Capture")
  folder <- write_10x(counts, typed_features(counts, type), version = 3)
  old <- write_10x(counts)
  alone <- write_10x(counts, rownames(counts))
  on.exit(unlink(c(folder, old, alone), recursive = TRUE))
  about <- function(path) {
    as.list(SummarizedExperiment::rowData(canal_read_10x(path, verbose = FALSE)))
  }
  genes <- type == "Gene Expression"
  expected <- list(ID = paste0("E", which(genes)), Symbol = rownames(counts)[genes],
                   Type = type[genes])
  expect_identical(about(folder), expected)
  expect_identical(rownames(canal_read_10x(folder, verbose = FALSE)), expected$Symbol)
  expect_identical(about(old), list(ID = paste0("E", 1:30), Symbol = rownames(counts)))
  expect_identical(about(alone), list(ID = rownames(counts), Symbol = rownames(counts)))
  skip_if_not_installed("SeuratObject")
  seurat <- suppressWarnings(canal_read_10x(folder, "Seurat", verbose = FALSE))
  table <- seurat[["RNA"]][[]]
  expect_identical(as.list(table[names(expected)]), expected)
  # Seurat's own names of the genes.
  expect_identical(rownames(table)[8], "GENE-2")
})

test_that("missing, doubled and foreign files are told", {
  folder <- write_10x(counts_10x())
  on.exit(unlink(folder, recursive = TRUE))
  expect_refused(canal_read_10x(file.path(folder, "genes.tsv")), "file", "path")
  expect_refused(canal_read_10x(tempfile()), "file", "path")
  expect_refused(canal_read_10x(1), "argument", "path")
  expect_refused(canal_read_10x(folder, "loom"), "argument", "as")
  expect_error(canal_read_h5ad(folder), "canal_read_10x", class = "canalR_error_file")
  expect_refused(cells_of(folder, "spliced"), "assay", "assay.type")
  for (name in list.files(folder)) {
    copy <- tempfile()
    dir.create(copy)
    file.copy(list.files(folder, full.names = TRUE), copy)
    unlink(file.path(copy, name))
    missing <- if (name == "genes.tsv") "features.tsv" else name
    expect_error(cells_of(copy), paste("has no", missing), class = "canalR_error_file")
    expect_refused(canal_read_10x(copy), "file", "path")
    unlink(copy, recursive = TRUE)
  }
  file.copy(file.path(folder, "genes.tsv"), file.path(folder, "features.tsv"))
  expect_error(cells_of(folder), "features.tsv and genes.tsv", class = "canalR_error_file")
})

test_that("tables with another number of lines than the matrix has rows or columns are told", {
  for (name in c("genes.tsv", "barcodes.tsv")) {
    for (change in list(function(lines) lines[-1], function(lines) c(lines, "one\tmore"))) {
      folder <- write_10x(counts_10x())
      change_lines(folder, name, change)
      expect_error(cells_of(folder), paste("a line in", name), class = "canalR_error_file")
      unlink(folder, recursive = TRUE)
    }
  }
})

test_that("a matrix that is cut off anywhere, or is none, is told", {
  counts <- counts_10x()
  counts@x[length(counts@x)] <- 1234
  folder <- write_10x(counts)
  on.exit(unlink(folder, recursive = TRUE))
  path <- file.path(folder, "matrix.mtx")
  whole <- readBin(path, "raw", file.size(path))
  refused <- function(bytes) {
    writeBin(bytes, path)
    expect_error(cells_of(folder), "matrix.mtx", class = "canalR_error_file")
  }
  # Anywhere, and within the last line, where "1234" may become "12".
  n <- length(whole)
  for (cut in unique(c(0, 1, 20, 60, 200, round(n / 2), n - (1:12)))) refused(whole[seq_len(cut)])
  refused(c(whole, charToRaw("1 1 4\n")))
  refused(charToRaw("gene,cell,count\n1,1,4\n"))
  refused(as.raw(0:255))
  text <- function(...) charToRaw(paste0(..., collapse = ""))
  refused(text("%%MatrixMarket matrix coordinate integer general\n30 12 1\n31 1 4\n"))
  refused(text("%%MatrixMarket matrix coordinate integer general\n30 12 1\n1 1 four\n"))
  refused(text("%%MatrixMarket matrix coordinate integer general\n30 12 2\n1 1 4\n2 1\n"))
  writeBin(whole, path)
  expect_identical(cells_of(folder)$counts, counts)
  compress(path)
  packed <- readBin(paste0(path, ".gz"), "raw", 1e5)
  for (cut in c(10, 40, length(packed) - c(100, 20, 4))) {
    writeBin(packed[seq_len(cut)], paste0(path, ".gz"))
    expect_error(cells_of(folder), "matrix.mtx.gz", class = "canalR_error_file")
  }
})

test_that("a matrix has decimal numbers, and its comments what they like", {
  counts <- counts_10x()
  for (value in c("0x10", "Inf", "nan", "TRUE", "1e5L", "\u00b2")) {
    folder <- write_10x(counts)
    change_lines(folder, "matrix.mtx", function(lines) {
      c(lines[1:2], sub("[^ ]+$", value, lines[3]), lines[-(1:3)])
    })
    expect_error(cells_of(folder), "matrix.mtx", class = "canalR_error_file")
    unlink(folder, recursive = TRUE)
  }
  folder <- write_10x(counts)
  on.exit(unlink(folder, recursive = TRUE))
  change_lines(folder, "matrix.mtx", function(lines) {
    values <- sub("[^ ]+$", "+1.5e+01", lines[-(1:2)])
    c(lines[1], "% 0x10, Inf, \u00b2 and caf\u00e9", lines[2], gsub(" ", "\t", values))
  })
  expect_identical(unique(cells_of(folder)$counts@x), 15)
})

test_that("negative values are refused where counts are needed, as those of an .h5 file are", {
  counts <- counts_10x()
  counts@x[5] <- -5
  folder <- write_10x(counts)
  file <- write_10x_h5(counts)
  on.exit(unlink(c(folder, file), recursive = TRUE))
  for (path in c(folder, file)) {
    expect_identical(cells_of(path)$counts, counts)
    expect_error(canal_prepare(path, rownames(counts), verbose = FALSE), "1 negative value",
                 class = "canalR_error_counts")
  }
})

test_that("pipes, devices and folders in the place of files are refused, links are followed", {
  skip_on_os("windows")
  skip_if(!nzchar(Sys.which("mkfifo")), "no mkfifo")
  folder <- write_10x(counts_10x())
  on.exit(unlink(folder, recursive = TRUE))
  elsewhere <- paste0(folder, "-files")
  on.exit(unlink(elsewhere, recursive = TRUE), add = TRUE)
  file.rename(folder, elsewhere)
  names <- list.files(elsewhere)
  # A folder with `put` in the place of one of its files.
  with_odd <- function(odd, put) {
    dir.create(folder)
    others <- setdiff(names, odd)
    file.symlink(file.path(elsewhere, others), file.path(folder, others))
    path <- file.path(folder, odd)
    put(path)
    # A session that waits for a pipe would never say so.
    found <- in_new_session("
      problem <- tryCatch(canal_read_10x(value), error = identity)
      result <- list(class = class(problem), text = conditionMessage(problem))
    ", folder)
    unlink(folder, recursive = TRUE)
    expect_true("canalR_error_file" %in% found$class)
    expect_match(found$text, odd, fixed = TRUE)
    found$text
  }
  for (odd in names) {
    text <- with_odd(odd, function(path) system2("mkfifo", shQuote(path)))
    expect_match(text, "`path`: .* is a pipe or device, not a file")
  }
  expect_match(with_odd("genes.tsv", function(path) file.symlink("/dev/zero", path)), "device")
  expect_match(with_odd("barcodes.tsv", dir.create), "is a folder")
  dir.create(folder)
  file.symlink(file.path(elsewhere, names), file.path(folder, names))
  expect_identical(cells_of(folder)$counts, counts_10x())
})

test_that("sizes that only the header declares are not believed", {
  for (sizes in c("30 12 2000000000", "30 500000000 1", "1000000000 12 1", "30 12 -1", "30 12",
                  "30 12 x")) {
    folder <- write_10x(counts_10x())
    change_lines(folder, "matrix.mtx", function(lines) c(lines[1], sizes, lines[3]))
    expect_error(cells_of(folder), class = "canalR_error_file")
    unlink(folder, recursive = TRUE)
  }
})

# A member of gzip as bgzip makes it: its size, less one, stands in its header behind "BC".
bgzip_part <- function(text) {
  plain <- tempfile()
  on.exit(unlink(plain))
  connection <- gzfile(plain, "wb")
  writeBin(charToRaw(text), connection)
  close(connection)
  bytes <- readBin(plain, "raw", 1e6)
  size <- length(bytes) + 8 - 1
  c(bytes[1:3], as.raw(4), bytes[5:10], as.raw(c(6, 0)), charToRaw("BC"),
    as.raw(c(2, 0, size %% 256, size %/% 256)), bytes[-(1:10)])
}
bgzip_end <- as.raw(c(0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, 0x42, 0x43, 2, 0, 0x1b, 0, 3, 0,
                      rep(0, 8)))

test_that("a table in bgzip's parts is read, and refused without its last one", {
  counts <- counts_10x()
  folder <- write_10x(counts, gene_lines(counts), version = 3)
  on.exit(unlink(folder, recursive = TRUE))
  path <- file.path(folder, "barcodes.tsv.gz")
  lines <- paste0(colnames(counts), "\n")
  parts <- c(bgzip_part(paste(lines[1:5], collapse = "")),
             bgzip_part(paste(lines[-(1:5)], collapse = "")))
  writeBin(c(parts, bgzip_end), path)
  expect_identical(cells_of(folder)$counts, counts)
  writeBin(parts, path)
  expect_error(cells_of(folder), "cut off", class = "canalR_error_file")
})

test_that("one changed bit of bgzip's parts gives no other lines", {
  path <- tempfile()
  on.exit(unlink(path))
  lines <- paste0("gene-", 1:9)
  whole <- c(unlist(lapply(split(paste0(lines, "\n"), rep(1:3, 3)), function(part) {
    bgzip_part(paste(part, collapse = ""))
  }), use.names = FALSE), bgzip_end)
  writeBin(whole, path)
  expect_setequal(read_lines(path, "path"), lines)
  read <- read_lines(path, "path")
  for (at in seq_along(whole)) for (bit in 0:7) {
    changed <- whole
    changed[at] <- xor(changed[at], as.raw(bitwShiftL(1L, bit)))
    writeBin(changed, path)
    found <- tryCatch(read_lines(path, "path"), canalR_error_file = function(error) NULL)
    expect_true(is.null(found) || identical(found, read))
  }
})

test_that("what other programs compressed is refused, as nothing tells where it is cut off", {
  path <- tempfile()
  on.exit(unlink(path))
  for (open in c(bzfile, xzfile)) {
    connection <- open(path, "wt")
    writeLines(paste0("gene-", 1:9), connection)
    close(connection)
    expect_error(read_lines(path, "path"), "not by gzip", class = "canalR_error_file")
  }
})

test_that("one changed bit of a compressed table gives no other names", {
  counts <- counts_10x()
  folder <- write_10x(counts, gene_lines(counts), version = 3)
  on.exit(unlink(folder, recursive = TRUE))
  path <- file.path(folder, "barcodes.tsv.gz")
  whole <- readBin(path, "raw", file.size(path))
  for (at in seq_along(whole)) {
    changed <- whole
    changed[at] <- xor(changed[at], as.raw(bitwShiftL(1L, at %% 8L)))
    writeBin(changed, path)
    found <- tryCatch(colnames(cells_of(folder)$counts), canalR_error_file = function(error) NULL)
    expect_true(is.null(found) || identical(found, colnames(counts)))
  }
})

test_that("compressed tables are refused where they are cut off, and need no last line end", {
  counts <- counts_10x()
  folder <- write_10x(counts, gene_lines(counts), version = 3)
  on.exit(unlink(folder, recursive = TRUE))
  for (name in c("features.tsv.gz", "barcodes.tsv.gz")) {
    path <- file.path(folder, name)
    whole <- readBin(path, "raw", file.size(path))
    # Without its last bytes the sum of the file is gone and nothing else.
    for (size in seq(2, length(whole) - 1)) {
      writeBin(whole[seq_len(size)], path)
      found <- tryCatch(cells_of(folder)$counts, canalR_error_file = function(error) NULL)
      expect_true(is.null(found) || size > length(whole) - 12 && identical(found, counts))
    }
    writeBin(whole, path)
    lines <- readLines(path)
    connection <- gzfile(path, "wb")
    writeBin(charToRaw(paste(lines, collapse = "\n")), connection)
    close(connection)
    expect_identical(cells_of(folder)$counts, counts)
    writeBin(whole, path)
  }
})

test_that("the name that gzip keeps is no mark of bgzip's", {
  folder <- tempfile()
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  # The third and fourth letters stand where bgzip has its mark.
  path <- file.path(folder, "10BC_labels.csv")
  writeLines(c("a", "b"), path)
  skip_if(system2("gzip", shQuote(path)) != 0, "there is no gzip")
  path <- paste0(path, ".gz")
  expect_identical(readBin(path, "raw", 14)[13:14], charToRaw("BC"))
  expect_identical(read_lines(path, "labels"), c("a", "b"))
})

test_that("a line that does not end is not read to its end", {
  counts <- counts_10x()
  folder <- write_10x(counts, gene_lines(counts), version = 3)
  on.exit(unlink(folder, recursive = TRUE))
  connection <- gzfile(file.path(folder, "matrix.mtx.gz"), "wb")
  writeBin(charToRaw("%%MatrixMarket"), connection)
  writeBin(rep(charToRaw(" "), 2^21), connection)
  close(connection)
  expect_error(cells_of(folder), "longer than", class = "canalR_error_file")
})
