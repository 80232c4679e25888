# Folders as Cell Ranger writes them: a Matrix Market file of counts (genes x cells), a table of its
# rows and one of its columns. Version 2 has matrix.mtx, genes.tsv and barcodes.tsv, version 3
# features.tsv for the genes and all three compressed; STARsolo and others write either.

#' Read a 10x folder or `.h5` file
#'
#' Brings what Cell Ranger writes, a folder (`filtered_feature_bc_matrix`,
#' `filtered_gene_bc_matrices/...`) or the same in one file (`filtered_feature_bc_matrix.h5`,
#' `filtered_gene_bc_matrices_h5.h5`), into R as an object to work on. Wherever the path of an
#' `.h5ad` is taken, by [canal_train()] and [canal_predict()] say, that of such a folder or file is
#' too.
#'
#' @param path A folder with `matrix.mtx`, `barcodes.tsv` and `features.tsv` (Cell Ranger 3 and
#'   later) or `genes.tsv` (2), each plain or compressed (`.gz`); or an HDF5 file of Cell Ranger's,
#'   which is known by its content, whatever its name.
#' @param as `"SingleCellExperiment"` or `"Seurat"`; the package of that name is needed.
#' @param assay.type Name of the genome, where an `.h5` file of Cell Ranger 2 has several; else
#'   `"counts"`.
#' @param verbose `TRUE` shows progress and says what is done; `FALSE` does neither. Warnings come
#'   either way.
#'
#' @details
#' Genes are named by their symbols, the second column of `features.tsv` or `genes.tsv` (in a file
#' `features/name` or `gene_names`), or by their ids where there are none; cells by their barcodes
#' as they are, `-1` included. Symbols that come more than once stay so in a SingleCellExperiment,
#' and what looks genes up takes the first row, with a warning; Seurat makes them unique. Features
#' of another type than "Gene Expression" (the third column of `features.tsv`,
#' `features/feature_type`: antibodies, guides) are left out, which is told
#' (`canalR_message_features`).
#'
#' While a matrix is read, about 40 bytes per count that is not 0 are in memory, then 12; a folder's
#' is text, read by [Matrix::readMM()]. [canal_predict()] and others read a file's in blocks of
#' cells instead. Neither is ever written to.
#'
#' @return The object, its counts (genes x cells) in assay `"counts"` or Seurat assay `"RNA"`. What
#'   the file tells of the genes comes as DropletUtils' `read10xCounts()` names it: `ID` (Ensembl's,
#'   mostly), `Symbol` and, from Cell Ranger 3 on, `Type`, columns of `rowData` or of the Seurat
#'   assay's table of features (`x[["RNA"]][[]]`).
#' @section Errors: `canalR_error_file` for a folder without one of the files, with two of a kind,
#'   or with a pipe or device for one, for a matrix that is no Matrix Market file, not whole, or not
#'   of decimal numbers, and for tables with another number of lines than it has rows or columns;
#'   the same for a file that is none of Cell Ranger's, truncated or damaged, or compressed by what
#'   HDF5 has not; `canalR_error_assay` for several genomes and none chosen; `canalR_error_empty`
#'   where there is no gene expression; `canalR_error_package` where the class's package is missing.
#' @source 10x Genomics, Cell Ranger: feature-barcode matrices, Market Exchange Format.
#' @examples
#' folder <- tempfile()
#' dir.create(folder)
#' counts <- Matrix::sparseMatrix(i = c(1, 3, 2), j = c(1, 1, 2), x = c(4, 1, 7))
#' invisible(Matrix::writeMM(counts, file.path(folder, "matrix.mtx")))
#' writeLines(c("E1\tINS", "E2\tGCG", "E3\tSST"), file.path(folder, "genes.tsv"))
#' writeLines(c("AAAC-1", "AAAG-1"), file.path(folder, "barcodes.tsv"))
#' if (requireNamespace("SingleCellExperiment", quietly = TRUE)) {
#'   canal_read_10x(folder)
#' }
#' @export
canal_read_10x <- function(path, as = c("SingleCellExperiment", "Seurat"), assay.type = "counts",
                           verbose = TRUE) {
  check_flag(verbose, "verbose")
  if (missing(as)) as <- as[1]
  check_choice(as, c("SingleCellExperiment", "Seurat"), "as")
  path <- check_path(path)
  if (dir.exists(path)) {
    check_folder_assay(assay.type)
    return(object_of_cells(told(cells_in_10x(path, "path"), verbose), as))
  }
  file <- cell_file(path, "path")
  if (file$format != "10x") {
    canal_abort("file", "path", "a 10x folder or .h5 file",
                sprintf("\"%s\", an AnnData file", path), "canal_read_h5ad() reads it.")
  }
  object_of_cells(told(cells_in_10x_file(file, assay.type), verbose), as)
}

# Folders that are given for `x` ------------------------------------------------------------------

is_folder <- function(x) {
  is.character(x) && length(x) == 1 && !is.na(x) && dir.exists(path.expand(x))
}

cells_in_folder <- function(x, assay.type) {
  check_folder_assay(assay.type)
  cells_in_10x(path.expand(x), "x")
}

check_folder_assay <- function(assay.type) {
  check_assay_type(assay.type)
  if (assay.type != "counts") abort_assay(assay.type, "counts", "a matrix")
}

# The names of the cells, which need no counts to be read.
barcodes_alone <- function(x) {
  cells_alone(first_field(read_lines(files_10x(path.expand(x), "x")$barcodes, "x")))
}

# Reading -----------------------------------------------------------------------------------------

# argument: what the user named the folder with.
cells_in_10x <- function(folder, argument) {
  files <- files_10x(folder, argument)
  features <- read_features(files$features, argument)
  barcodes <- first_field(read_lines(files$barcodes, argument))
  header <- matrix_market_header(files$matrix, argument)
  check_lines(nrow(features), files$features, header$rows, "rows", argument)
  check_lines(length(barcodes), files$barcodes, header$columns, "columns", argument)
  counts <- read_matrix_market(files$matrix, header, argument)
  dimnames(counts) <- list(features$symbol, barcodes)
  rows <- gene_rows(features$type, argument)
  if (!is.null(rows)) {
    counts <- to_its_end(counts[rows, , drop = FALSE])
    features <- features[rows, ]
  }
  cells_result(counts, NULL, features_table(features$id, features$symbol, features$type))
}

# What is told of the genes, by DropletUtils' names: a row per gene, a column of each that is told.
features_table <- function(id, symbol, type) {
  columns <- list(ID = id, Symbol = symbol, Type = type)
  columns <- columns[vapply(columns, function(column) length(column) && !all(is.na(column)), NA)]
  structure(columns, class = "data.frame", row.names = seq_along(symbol))
}

parts_10x <- list(matrix = "matrix.mtx", features = c("features.tsv", "genes.tsv"),
                  barcodes = "barcodes.tsv")

# Paths of the three files, by the names of parts_10x.
files_10x <- function(folder, argument) {
  abort <- function(got, hint) {
    canal_abort("file", argument, paste(
      "a folder with matrix.mtx, features.tsv or genes.tsv, and barcodes.tsv, each once, plain or",
      "as .gz"
    ), sprintf("\"%s\", which has %s", folder, got), hint, call = NULL)
  }
  check_text_path(folder, argument)
  lapply(parts_10x, function(names) {
    names <- c(names, paste0(names, ".gz"))
    there <- names[file.exists(file.path(folder, names))]
    if (!length(there)) {
      abort(paste("no", names[1]), paste("Cell Ranger's lie in filtered_feature_bc_matrix or",
                                         "filtered_gene_bc_matrices/<genome>."))
    }
    # They could be of different runs or versions.
    if (length(there) > 1) abort(paste(there, collapse = " and "), "Keep the one that is meant.")
    check_regular_file(file.path(folder, there), argument)
  })
}

# Whatever goes wrong while a file is read, and what only draws a warning.
abort_unread <- function(path, problem, argument) {
  canal_abort("file", argument, sprintf("a whole %s", basename(path)),
              sprintf("%s: %s", path, problem),
              "Was it copied or downloaded to its end?", call = NULL)
}

# R would wait for the end of a pipe, and a device has none.
check_regular_file <- function(path, argument) {
  about_argument(argument, "a file that can be read to its end",
                 cpp_check_regular_file(path.expand(path)))
  path
}

reading <- function(path, argument, code) {
  abort <- function(problem) {
    pass_on_memory(problem)
    abort_unread(path, conditionMessage(problem), argument)
  }
  tryCatch(code, error = abort, warning = abort)
}

read_lines <- function(path, argument) {
  check_regular_file(path, argument)
  reading(path, argument, {
    text <- look_through(path)
    check_whole_gzip(path, text)
    # readLines() would end a line there.
    if (text$counts[1] > 0) stop("it holds bytes of 0, which are in no text")
    connection <- file(path, "rt")
    on.exit(close(connection))
    lines <- readLines(connection, warn = FALSE, encoding = "UTF-8")
    foreign <- which(!validUTF8(lines))
    if (length(foreign)) stop(sprintf("line %d is no UTF-8 text", foreign[1]))
    lines
  })
}

first_field <- function(lines) sub("\t.*", "", lines)

# A row per feature: `id`, `symbol`, and `type`, NA where none is told.
read_features <- function(path, argument) {
  fields <- strsplit(read_lines(path, argument), "\t", fixed = TRUE)
  field <- function(n) vapply(fields, `[`, "", n)
  symbol <- field(2)
  unnamed <- is.na(symbol) | !nzchar(symbol)
  symbol[unnamed] <- field(1)[unnamed]
  # In genes.tsv a third column would be somebody's own.
  typed <- startsWith(basename(path), "features")
  data.frame(id = field(1), symbol = symbol,
             type = if (typed) field(3) else rep(NA_character_, length(symbol)),
             stringsAsFactors = FALSE)
}

# The numbers of rows, columns and values that the header declares, and how often each of the 256
# bytes comes in its `comments`.
matrix_market_header <- function(path, argument) {
  reading(path, argument, {
    lines <- first_lines(path)
    if (!length(lines) || !startsWith(lines[1], "%%MatrixMarket")) stop("no Matrix Market file")
    commented <- cumsum(!startsWith(lines, "%")) == 0
    comments <- byte_counts(charToRaw(paste(lines[commented], collapse = "")))
    sizes <- scan(text = c(lines[!commented], "")[1], quiet = TRUE)
    if (length(sizes) != 3 || !all(is.finite(sizes) & sizes >= 0)) {
      stop("its header has no numbers of rows, columns and values")
    }
    list(rows = sizes[1], columns = sizes[2], values = sizes[3], comments = comments)
  })
}

# The lines that end within so many bytes. A line that never ends, of which a small compressed file
# can have many gigabytes, is not read to its end.
first_lines <- function(path, most = 2^20) {
  connection <- gzfile(path, "rb")
  on.exit(close(connection))
  bytes <- readBin(connection, "raw", most)
  if (length(bytes) == most) {
    ends <- which(bytes == charToRaw("\n"))
    if (!length(ends)) stop(sprintf("its first line is longer than %s bytes", thousands(most)))
    bytes <- bytes[seq_len(max(ends))]
  }
  lines <- strsplit(rawToChar(bytes), "\n", fixed = TRUE, useBytes = TRUE)[[1]]
  sub("\r$", "", lines, useBytes = TRUE)
}

# A dgCMatrix without names. R opens compressed files as they are. What the header declares is made
# room for by readMM() before it reads on, so that it is looked at first: every value has a line.
read_matrix_market <- function(path, header, argument) {
  reading(path, argument, {
    text <- look_through(path)
    check_whole_gzip(path, text)
    if (text$lines < header$values) stop("fewer lines than values in its header")
    # A count may have lost digits.
    if (!text$ends_a_line) stop("its last line is cut off")
    check_plain_numbers(text, header$comments)
    connection <- file(path, "rt")
    on.exit(close(connection))
    counts <- sparse_counts(Matrix::readMM(connection))
    # Where a line is cut off, scan(), by which readMM() reads, fills it up.
    if (anyNA(counts@x)) stop("values are missing")
    if (length(scan(connection, "", nmax = 1, quiet = TRUE))) {
      stop("more values than its header tells")
    }
    counts
  })
}

# The bytes and lines of a text, how often each of the 256 bytes comes, and whether its last line
# has an end. gzfile() reads what is not compressed, too.
look_through <- function(path, chunk = 2^22) {
  connection <- gzfile(path, "rb")
  on.exit(close(connection))
  end <- charToRaw("\n")
  text <- list(bytes = 0, counts = numeric(256), ends_a_line = FALSE)
  while (length(bytes <- readBin(connection, "raw", chunk))) {
    text$bytes <- text$bytes + length(bytes)
    text$counts <- text$counts + byte_counts(bytes)
    text$ends_a_line <- bytes[length(bytes)] == end
  }
  text$lines <- text$counts[as.integer(end) + 1]
  text
}

byte_counts <- function(bytes) tabulate(as.integer(bytes) + 1L, 256)

# scan() takes 0x10 for 16, and has words for numbers; no count is written so. text: what
# look_through() saw.
check_plain_numbers <- function(text, comments) {
  plain <- as.integer(charToRaw("0123456789+-.eE \t\r\n"))
  others <- (text$counts - comments)[-(plain + 1)]
  if (any(others > 0)) stop("characters that are none of a number")
}

# Where a compressed file is cut off or damaged, R reads up to there and says nothing. gzip's last
# four bytes are the number of those that it holds; bgzip's files, which are of many parts, tell it
# of each and end with an empty one. bzip2's and xz's, which R opens too, tell no number. text: what
# look_through() saw.
check_whole_gzip <- function(path, text) {
  connection <- file(path, "rb", raw = TRUE)
  on.exit(close(connection))
  head <- readBin(connection, "raw", 14)
  begins_with <- function(start) identical(utils::head(head, length(start)), start)
  if (any(vapply(other_starts, begins_with, NA))) stop("it is compressed, but not by gzip")
  if (!begins_with(gzip_start)) return(invisible())
  size <- file.size(path)
  if (is_bgzip(head)) {
    held <- bgzip_bytes(connection, size)
  } else {
    held <- number_at(connection, size - 4, 4)
    text$bytes <- text$bytes %% 2^32
  }
  if (!identical(held, as.numeric(text$bytes))) {
    stop("it is cut off, damaged, or of several compressed files")
  }
}

gzip_start <- as.raw(c(0x1f, 0x8b))
other_starts <- list(charToRaw("BZh"), as.raw(c(0xfd, 0x37, 0x7a, 0x58, 0x5a)),
                     as.raw(c(0x5d, 0x00, 0x00, 0x80, 0x00)))

# A flag says that there is an extra field; else a name may stand where it would.
is_bgzip <- function(head) {
  length(head) >= 14 && identical(head[1:2], gzip_start) && (head[4] & as.raw(4)) != 0 &&
    identical(head[13:14], charToRaw("BC"))
}

# The number that so many bytes of a file are, the lowest first; NA where the file has none there.
number_at <- function(connection, at, bytes) {
  if (at < 0) return(NA_real_)
  seek(connection, at)
  digits <- as.numeric(readBin(connection, "raw", bytes))
  if (length(digits) == bytes) sum(digits * 256^(seq_len(bytes) - 1)) else NA_real_
}

# The bytes that bgzip's blocks hold, by what each tells of itself; NA where one is damaged or there
# is no empty one, of 28 bytes, at the end.
bgzip_bytes <- function(connection, size) {
  held <- last <- at <- 0
  while (at < size) {
    seek(connection, at)
    if (!is_bgzip(readBin(connection, "raw", 14))) return(NA_real_)
    last <- number_at(connection, at + 16, 2) + 1
    at <- at + last
    held <- held + number_at(connection, at - 4, 4)
    if (is.na(held)) return(NA_real_)
  }
  if (at == size && last == 28) held else NA_real_
}

check_lines <- function(lines, path, expected, of_what, argument) {
  if (lines == expected) return(invisible())
  canal_abort("file", argument,
              sprintf("a line in %s for each of the %s %s of the matrix", basename(path),
                      thousands(expected), of_what),
              paste(thousands(lines), "lines"), "Are the files of one run?", call = NULL)
}

# The numbers of the features that are genes, NULL where all are. type: one per feature, NA where
# none is told, or empty.
gene_rows <- function(type, argument) {
  other <- !is.na(type) & type != "Gene Expression"
  if (!any(other)) return(NULL)
  types <- label_counts(type[other])
  words <- paste(thousands(as.integer(types)), names(types), collapse = ", ")
  if (all(other)) {
    canal_abort("empty", argument, "features of the type Gene Expression", paste("only", words),
                call = NULL)
  }
  canal_inform("features", sprintf("Features of other types than Gene Expression left out: %s.",
                                   words))
  which(!other)
}
