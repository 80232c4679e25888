#' Read an AnnData file
#'
#' Brings an `.h5ad` into R as an object to work on. [canal_train()] and [canal_predict()] take the
#' path itself, too. [canal_read_10x()] reads Cell Ranger's folders and `.h5` files.
#'
#' @param path An `.h5ad` file, as AnnData 0.7 or later writes it, backed ones included. Of what its
#'   arrays may be compressed by, gzip and LZF can be read, and the plugins that HDF5 finds.
#' @param as `"SingleCellExperiment"` or `"Seurat"`; the package of that name is needed.
#' @param assay.type Name of the matrix with raw counts: `"counts"` (the layer of that name if there
#'   is one, else `X`), `"X"`, `"raw/X"` or a layer.
#'
#' @return The object, its counts in assay `"counts"` or Seurat assay `"RNA"`, its `obs` as columns
#'   of cells: categorical and text columns as text, `NA` where a value is missing. What else the
#'   file holds (`obsm`, columns of `var`, other layers, `uns`) stays there: zellkonverter's
#'   `readH5AD()` brings all of it.
#' @section Errors and warnings: `canalR_error_file` for a missing, truncated or foreign file, and
#'   for one whose arrays are compressed by a plugin of HDF5's that is not there (Blosc, Zstandard),
#'   `canalR_error_assay` for a matrix that it does not hold, or for a file without any,
#'   `canalR_error_package` where the class's package is missing. Warning:
#'   `canalR_warning_transformed` where the values look like logarithms, or scaled, and so are no
#'   counts, with the names of the file's other matrices.
#' @source AnnData's file format: Virshup et al. (2021) anndata: annotated data. *bioRxiv*
#'   2021.12.16.473007.
#' @examples
#' file <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
#' if (requireNamespace("SingleCellExperiment", quietly = TRUE)) {
#'   canal_read_h5ad(file)
#' }
#' @export
canal_read_h5ad <- function(path, as = c("SingleCellExperiment", "Seurat"),
                            assay.type = "counts") {
  if (missing(as)) as <- as[1]
  check_choice(as, c("SingleCellExperiment", "Seurat"), "as")
  file <- cell_file(check_path(path), "path")
  if (file$format != "h5ad") {
    canal_abort("file", "path", "an AnnData file (.h5ad)",
                sprintf("\"%s\", a matrix of Cell Ranger's", path), "canal_read_10x() reads it.")
  }
  cells <- cells_in_h5ad(file, assay.type)
  warn_transformed(cells, h5ad_layer(file, assay.type))
  object_of_cells(cells, as)
}

# What comes into an assay "counts" and is none would be taken for counts from there on.
warn_transformed <- function(cells, layer) {
  facts <- facts_of(cells$counts, thread_count(NULL))
  if (facts$not_finite > 0) return(invisible())
  looks <- transformed_text(facts, function() sampled_cells(cells$counts))
  if (is.null(looks)) return(invisible())
  canal_warn("transformed", "path", "raw counts", sprintf("in %s %s", layer, looks),
             paste("They are in the assay for counts now.", other_matrices(cells$others)))
}

# cells: of cells_of().
object_of_cells <- function(cells, as, argument = "as") {
  with_features(object_of(cells$counts, cells$obs, as, argument), cells$features)
}

# features: a data frame with a row per gene in their order, or NULL.
with_features <- function(object, features) {
  if (is.null(features)) return(object)
  if (methods::is(object, "Seurat")) {
    name <- SeuratObject::DefaultAssay(object)
    # Seurat has changed the names that it does not like.
    rownames(features) <- rownames(object[[name]])
    object[[name]] <- SeuratObject::AddMetaData(object[[name]], features)
  } else {
    SummarizedExperiment::rowData(object)[names(features)] <- features
  }
  object
}

# counts: dgCMatrix, genes x cells. columns: a data frame with a row per cell in their order, or
# NULL. as: "SingleCellExperiment" or "Seurat"; `argument` is what it was chosen with.
object_of <- function(counts, columns, as, argument = "as") {
  if (as == "Seurat") {
    need_package("SeuratObject", argument, "which makes Seurat objects")
    # By their names Seurat finds the cells.
    if (!is.null(columns)) columns <- `rownames<-`(as.data.frame(columns), colnames(counts))
    return(SeuratObject::CreateSeuratObject(counts, meta.data = columns))
  }
  need_package("SingleCellExperiment", argument, "which makes such objects")
  object <- SingleCellExperiment::SingleCellExperiment(list(counts = counts))
  SummarizedExperiment::colData(object)[names(columns)] <- columns
  object
}

# A path as an object that can be changed; its counts are in assay "counts".
experiment_at <- function(path, assay.type) {
  object_of_cells(cells_of(path, assay.type), "SingleCellExperiment", "x")
}
