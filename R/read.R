#' Read an AnnData file
#'
#' Brings an `.h5ad` into R as an object to work on. [canal_train()] and [canal_predict()] take the
#' path itself, too.
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
  cells <- cells_of(check_path(path), assay.type)
  if (as == "Seurat") {
    need_package("SeuratObject", "as", "which makes Seurat objects")
    return(SeuratObject::CreateSeuratObject(cells$counts, meta.data = obs_by_cell(cells)))
  }
  need_package("SingleCellExperiment", "as", "which makes such objects")
  object <- SingleCellExperiment::SingleCellExperiment(list(counts = cells$counts))
  SummarizedExperiment::colData(object)[names(cells$obs)] <- cells$obs
  object
}

# The columns of cells under the cells' names, by which Seurat finds them; NULL without any.
obs_by_cell <- function(cells) {
  if (is.null(cells$obs)) return(NULL)
  `rownames<-`(as.data.frame(cells$obs), colnames(cells$counts))
}
