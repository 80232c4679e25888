# Cells of several sources, or layers of one, side by side.

# parts: dgCMatrices (genes x cells). genes: the rows of the result; a gene that a part lacks is
# zero there. Of rows with one name the first counts.
bind_cells <- function(parts, genes) {
  to_its_end(do.call(cbind, lapply(unname(parts), rows_of_genes, genes = genes)))
}

rows_of_genes <- function(counts, genes) {
  if (identical(rownames(counts), genes)) return(counts)
  row <- match(genes, rownames(counts))
  there <- which(!is.na(row))
  place <- Matrix::sparseMatrix(i = there, j = row[there], x = 1,
                                dims = c(length(genes), nrow(counts)))
  placed <- methods::as(place %*% counts, "CsparseMatrix")
  dimnames(placed) <- list(genes, colnames(counts))
  placed
}

# A list of objects, or one alone as a list of it. Seurat objects and experiments are no lists;
# several paths are.
as_sources <- function(x) {
  if (is.character(x) && length(x) > 1) return(as.list(x))
  if (is.list(x) && is.null(oldClass(x))) x else list(x)
}
