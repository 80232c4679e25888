#' Read an AnnData file
#'
#' Brings an `.h5ad` into R as an object to work on. [canal_train()] and [canal_predict()] take the
#' path itself, too. [canal_read_10x()] reads Cell Ranger's folders.
#'
#' @param path An `.h5ad` file.
#' @param as `"SingleCellExperiment"` or `"Seurat"`; the package of that name is needed.
#' @param assay.type Which matrix: `"counts"` (the layer of that name if there is one, else `X`),
#'   `"X"`, `"raw/X"` or a layer.
#'
#' @return The object, its counts in assay `"counts"` or Seurat assay `"RNA"`, its `obs` as columns
#'   of cells.
#' @section Errors: `canalR_error_file` for a missing, truncated or foreign file,
#'   `canalR_error_assay` for a matrix that it does not hold, `canalR_error_package` where the
#'   class's package is missing.
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
  cells <- cells_in_h5ad(check_path(path), assay.type)
  object_of(cells$counts, cells$obs, as)
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
  cells <- cells_of(path, assay.type)
  object_of(cells$counts, cells$obs, "SingleCellExperiment", "x")
}
