# What the rest of canalR asks of a user's object, whatever its class: counts, cell names, columns
# of cells, a place for results and for the record of how they came about. One file per family of
# classes (cells-matrix.R, cells-sce.R, cells-seurat.R; paths: cells-file.R) holds the methods.

# The counts of an object: list(counts, obs) of class `canal_cells`; `counts` is a dgCMatrix
# (genes x cells, with dimnames), `obs` the columns of cells as a data.frame or DataFrame, or NULL.
# The list answers the questions below too, so that a file need not be read twice. What only a file
# has comes with it: `features`, a data.frame with a row per gene, and `others`, the names of the
# matrices of an .h5ad that were not read.
cells_of <- function(x, assay.type = "counts") UseMethod("cells_of")

# Names of the cells in order, or NULL.
cell_names <- function(x) UseMethod("cell_names")

# The columns of cells as a data.frame or DataFrame, or NULL.
cell_columns <- function(x) UseMethod("cell_columns")

# The record that canalR has left with an object: a list, empty where there is none.
cell_record <- function(x) UseMethod("cell_record")

# Merges a list into that record, entry by entry; an entry that is NULL removes.
with_cell_record <- function(x, record) UseMethod("with_cell_record")

# Puts results (see cell_findings()) beside what the object holds: nothing else of it changes, cells
# keep their order. A path has a table of them instead.
with_cell_results <- function(x, findings) UseMethod("with_cell_results")

cells_result <- function(counts, obs, features = NULL, others = NULL) {
  structure(list(counts = counts, obs = obs, features = features, others = others),
            class = "canal_cells")
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
with_cell_record.default <- function(x, record) abort_class(x)

#' @exportS3Method
with_cell_results.default <- function(x, findings) abort_class(x)

abort_class <- function(x) {
  hint <- if (is.data.frame(x)) {
    "as.matrix() makes a matrix of a data frame of counts."
  } else if (methods::is(x, "CanalTokens")) {
    "Tokens hold no counts: give the cells that they were prepared from."
  }
  canal_abort("class", "x", paste(
    "a SingleCellExperiment, SummarizedExperiment or Seurat object, a matrix or Matrix",
    "(genes x cells), or the path of an .h5ad file, a 10x .h5 file or a 10x folder"
  ), paste("an object of class", class(x)[1]), hint)
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
