# What the rest of canalR asks of a user's object, whatever its class: counts, cell names, columns
# of cells, a place for results and for the record of how they came about. One file per family of
# classes (cells-matrix.R, cells-sce.R, cells-seurat.R; paths: cells-h5ad.R, cells-10x.R) holds the
# methods.

# The counts of an object: list(counts, obs) of class `canal_cells`; `counts` is a dgCMatrix
# (genes x cells, with dimnames), `obs` the columns of cells as a data.frame or DataFrame, or NULL.
# The list answers the questions below too, so that a file need not be read twice.
cells_of <- function(x, assay.type = "counts") UseMethod("cells_of")

# Names of the cells in order, or NULL.
cell_names <- function(x) UseMethod("cell_names")

# The columns of cells as a data.frame or DataFrame, or NULL.
cell_columns <- function(x) UseMethod("cell_columns")

# The record that canalR has left with an object: a list, empty where there is none.
cell_record <- function(x) UseMethod("cell_record")

# Puts results beside what the object holds: nothing else of it changes, cells keep their order.
#
# results: a data.frame with a row per cell, in the order of the cells. Columns of these names are
#   replaced.
# embedding: a cells x width matrix, or NULL.
# record: a list merged into the one there is, entry by entry; an entry that is NULL removes. New
#   labels remove an `evaluation`, which was of the old ones.
# name: what the embedding is called; lower case in Seurat objects, whose keys are so.
with_cell_results <- function(x, results, embedding = NULL, record = NULL, name = "CANAL") {
  UseMethod("with_cell_results")
}

cells_result <- function(counts, obs) {
  structure(list(counts = counts, obs = obs), class = "canal_cells")
}

#' @exportS3Method
cells_of.canal_cells <- function(x, assay.type = "counts") x

#' @exportS3Method
cell_names.canal_cells <- function(x) colnames(x$counts)

#' @exportS3Method
cell_columns.canal_cells <- function(x) x$obs

#' @exportS3Method
cells_of.default <- function(x, assay.type = "counts") abort_class(x)

#' @exportS3Method
cell_names.default <- function(x) abort_class(x)

#' @exportS3Method
cell_columns.default <- function(x) abort_class(x)

# Anything may be asked whether canalR has left a record with it.
#' @exportS3Method
cell_record.default <- function(x) list()

#' @exportS3Method
with_cell_results.default <- function(x, results, embedding = NULL, record = NULL,
                                      name = "CANAL") {
  abort_class(x)
}

abort_class <- function(x, call = sys.call(-1)) {
  hint <- if (is.data.frame(x)) "as.matrix() makes a matrix of a data frame of counts."
  canal_abort("class", "x", paste(
    "a SingleCellExperiment, SummarizedExperiment or Seurat object, a matrix or Matrix",
    "(genes x cells), or the path of an .h5ad file or a 10x folder"
  ), paste("an object of class", class(x)[1]), hint, call = call)
}

abort_assay <- function(wanted, found, what, hint = NULL) {
  got <- if (length(found)) paste0("only ", paste(found, collapse = ", ")) else "none with a name"
  canal_abort("assay", "assay.type", sprintf("the name of %s of `x`", what),
              sprintf("%s, but there is %s", describe_name(wanted), got), hint)
}

describe_name <- function(name) {
  if (is.character(name) && length(name) == 1) return(encodeString(name, quote = "\""))
  sprintf("an object of class %s and length %d", class(name)[1], length(name))
}

check_assay_type <- function(assay.type) {
  if (is.character(assay.type) && length(assay.type) == 1 && !is.na(assay.type)) {
    return(invisible())
  }
  canal_abort("assay", "assay.type", "one name", describe_name(assay.type))
}

# Packages of users' classes are suggested, not required: an object may have been read from a file
# where its package is missing.
need_package <- function(package, argument, purpose) {
  if (requireNamespace(package, quietly = TRUE)) return(invisible())
  bioconductor <- package %in% c("SingleCellExperiment", "SummarizedExperiment", "scuttle",
                                 "SingleR")
  canal_abort("package", argument, sprintf("the package %s, %s", package, purpose),
              "none installed",
              sprintf("Install it with %s(\"%s\").",
                      if (bioconductor) "BiocManager::install" else "install.packages", package))
}

# Entry by entry, not deeply: old and new parameters must not mix. An evaluation is of the labels
# that were there, so new labels end it. NULL where nothing is left to keep.
merged_record <- function(earlier, record, results) {
  merged <- as.list(earlier)
  if (any(grepl("_label$", names(results)))) merged$evaluation <- NULL
  for (entry in names(record)) merged[[entry]] <- record[[entry]]
  if (length(merged)) merged
}

# Columns of an earlier prediction that new labels leave without meaning: another model's types.
stale_columns <- function(columns, results) {
  by <- sub("_label$", "", grep("_label$", names(results), value = TRUE))
  old <- lapply(by, function(method) grep(sprintf("^%s_prob_", method), columns, value = TRUE))
  setdiff(as.character(unlist(old)), names(results))
}

check_results <- function(results, embedding, n_cells) {
  rows <- c(if (!is.null(results)) nrow(results), if (!is.null(embedding)) nrow(embedding))
  if (all(rows == n_cells)) return(invisible())
  canal_abort("cells", "results", sprintf("a row for each of the %d cells", n_cells),
              sprintf("%s rows", paste(unique(rows), collapse = " and ")))
}
