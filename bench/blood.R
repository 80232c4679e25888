# Blood cells, sorted by FACS and from 10x, under one name for a type: T cells are one type, as the
# two sets divide them differently. Sourced by the scripts beside it.
blood_data <- function(folder) {
  facs <- canal_read_h5ad(file.path(folder, "pbmc_facs.h5ad"))
  names <- c("B cell" = "B", "CD14+" = "CD14+ Mono", "NK cell" = "NK", "T cell" = "T")
  facs$celltype <- ifelse(facs$celltype %in% names(names), names[facs$celltype], facs$celltype)
  tenx <- canal_read_h5ad(file.path(folder, "pbmc3k.h5ad"))
  tenx$celltype[tenx$celltype %in% c("CD8 T", "Memory CD4 T", "Naive CD4 T")] <- "T"
  list(facs = facs, pbmc3k = tenx)
}
