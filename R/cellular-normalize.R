#' Log-normalise counts as CELLULAR does
#'
#' Scales the counts of every cell so that they add up to the same total, the mean library size of
#' all cells, and takes log(1 + x), the natural logarithm. CELLULAR's training and prediction do so
#' by themselves, from raw counts; this is for looking at the values, and for other methods.
#'
#' @param x Genes x cells, raw counts: a SingleCellExperiment, SummarizedExperiment or Seurat object
#'   (its default assay), a matrix or Matrix such as a `dgCMatrix`, or the path of an `.h5ad`, or
#'   of a 10x `.h5` file or folder (see [canal_read_10x()]).
#' @param target What the counts of a cell add up to once scaled, a number above 0. `NULL` takes the
#'   mean library size: all counts over all cells, those without any among them. Cells to be
#'   compared with others need the same target, not a mean of their own.
#' @param assay.type Name of the assay (Seurat: layer, which may be split; `.h5ad`: layer, or `"X"`;
#'   10x `.h5` of several genomes: one of them) with raw counts.
#' @param verbose `TRUE` shows progress and says what is done; `FALSE` does neither. Warnings come
#'   either way. Told are the target, cells without counts, and values that were replaced.
#'
#' @details The values have the names that other packages look for, so that those find them: assay
#'   `"logcounts"`, Seurat's layer (slot, before version 5) `"data"`. Values that were there are
#'   replaced, which is told. Mind that scuttle's `logNormCounts()` takes the logarithm to base 2
#'   under the same name. Nothing becomes dense. Cells without counts stay 0. Of rows with one name
#'   all are counted.
#'
#' @return For an experiment or a Seurat object the object with these values, and the target in its
#'   record (`metadata(x)$canal$normalisation`, `x@@misc$canal$normalisation`: `method`, `target`
#'   and, of an experiment, `assay`, or of a Seurat object, `layer`). For a matrix or a path a
#'   `dgCMatrix` (genes x cells) with the attribute `cellular_target`, which subsetting loses.
#' @section Errors: `canalR_error_class` (another `x`), `canalR_error_argument` (`target`),
#'   `canalR_error_empty` (no cell, no gene or no count), `canalR_error_file` (a path that cannot be
#'   read), `canalR_error_assay`, `canalR_error_names`, and those of values that are no raw counts
#'   as in [canal_prepare()].
#' @seealso [cellular_qc()], which comes before it.
#' @source CELLULAR (Andrekson and Mercado 2024), Methods.
#' @examples
#' counts <- matrix(c(3, 0, 1, 0, 6, 2), 3, dimnames = list(c("A", "B", "C"), c("one", "two")))
#' values <- cellular_normalize(counts)
#' values
#' attr(values, "cellular_target")
#' colSums(expm1(as.matrix(values)))
#' @export
cellular_normalize <- function(x, target = NULL, assay.type = "counts", verbose = TRUE) {
  check_flag(verbose, "verbose")
  if (!is.null(target)) check_target(target)
  cells <- told(cells_of(x, assay.type), verbose)
  counts <- cells$counts
  check_judged(counts, raw_hint(cells$others))
  sums <- Matrix::colSums(counts)
  if (!any(sums > 0)) canal_abort("empty", "x", "cells with counts", "none in any cell")
  if (is.null(target)) target <- mean_library_size(counts)
  values <- log_normalise(counts, target, sums)
  tell_normalised(colnames(counts)[sums == 0], length(sums), target, verbose)
  with_values(x, values, target, assay.type, verbose)
}

check_target <- function(target) {
  if (is_number(target) && target > 0 && is.finite(target)) return(invisible())
  canal_abort("argument", "target", "one number above 0, or NULL", describe_value(target))
}

# empty: names of the cells without counts.
tell_normalised <- function(empty, n_cells, target, verbose) {
  canal_inform("normalise", sprintf("%s cells scaled to %s counts, then log(1 + x).",
                                    thousands(n_cells), format(target, digits = 6)), verbose)
  if (length(empty)) {
    canal_inform("normalise", sprintf("%s of %s cells have no counts and stay 0: %s.",
                                      thousands(length(empty)), thousands(n_cells),
                                      some_of(empty)), verbose)
  }
}

tell_replaced <- function(what, verbose) {
  canal_inform("normalise", sprintf("%s was there and is replaced.", what), verbose)
}

# The linter does not look for the generic.
# nolint start: object_name_linter.

# A user's object with log-normalised values (dgCMatrix, all its genes x all its cells) where its
# neighbours look for them, and the target. assay.type: where the counts came from.
with_values <- function(x, values, target, assay.type, verbose) UseMethod("with_values")

# Matrices and paths.
#' @exportS3Method
with_values.default <- function(x, values, target, assay.type, verbose) {
  for (name in c("canal_symbols", "canal_quality")) attr(values, name) <- attr(x, name)
  attr(values, "cellular_target") <- target
  values
}

#' @exportS3Method
with_values.SummarizedExperiment <- function(x, values, target, assay.type, verbose) {
  if ("logcounts" %in% SummarizedExperiment::assayNames(x)) {
    tell_replaced("Assay \"logcounts\"", verbose)
  }
  SummarizedExperiment::assay(x, "logcounts") <- values
  with_normalisation(x, list(method = "cellular", target = target, assay = "logcounts"))
}

#' @exportS3Method
with_values.Seurat <- function(x, values, target, assay.type, verbose) {
  name <- SeuratObject::DefaultAssay(x)
  assay <- x@assays[[name]]
  x@assays[[name]] <- if (is_layered(assay)) {
    with_data_layers(assay, values, assay.type, verbose)
  } else {
    with_data_slot(assay, values, verbose)
  }
  with_normalisation(x, list(method = "cellular", target = target, layer = "data"))
}
# nolint end

with_normalisation <- function(x, record) {
  with_cell_record(x, list(normalisation = record))
}

# The counts themselves stand in `data` until an object is normalised.
with_data_slot <- function(assay, values, verbose) {
  there <- methods::slot(assay, "data")
  if (length(there) && !identical(there, methods::slot(assay, "counts"))) {
    tell_replaced("Slot \"data\"", verbose)
  }
  methods::slot(assay, "data") <- values
  assay
}

# One layer for each that the counts were split into: `counts.1` becomes `data.1`.
with_data_layers <- function(assay, values, assay.type, verbose) {
  layers <- seurat_layers(assay)
  counted <- matching_layers(layers, assay.type)
  named <- paste0("data", substring(counted, nchar(assay.type) + 1))
  old <- matching_layers(layers, "data")
  if (length(old)) tell_replaced(paste("Layer", some_of(dQuote(old, FALSE))), verbose)
  put <- layer_function("LayerData<-")
  # Of another split, these would stand beside the new ones.
  for (layer in setdiff(old, named)) assay <- put(assay, layer = layer, value = NULL)
  for (i in seq_along(counted)) {
    part <- seurat_layer(assay, counted[i])
    assay <- put(assay, layer = named[i], value = values[rownames(part), colnames(part),
                                                         drop = FALSE])
  }
  assay
}
