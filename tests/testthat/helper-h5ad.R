# Small AnnData files, and reading them in small blocks.

# Runs code with blocks of so many cells.
with_blocks_of <- function(size, code) {
  with_binding("cells_in_block", function(header, ...) size, code)
}

# A dgCMatrix (genes x cells) as X of an .h5ad.
write_h5ad <- function(counts, layout = c("csr", "csc", "dense")) {
  layout <- match.arg(layout)
  table <- function(names) {
    structure(list(`_index` = names), h5_attributes = list(`_index` = "_index"))
  }
  path <- tempfile(fileext = ".h5ad")
  cpp_write_tree(path, list(X = h5ad_matrix(counts, layout), obs = table(colnames(counts)),
                            var = table(rownames(counts))))
  path
}

h5ad_matrix <- function(counts, layout) {
  if (layout == "dense") return(unname(t(as.matrix(counts))))
  # Genes x cells by columns is cells x genes by rows.
  if (layout == "csc") {
    counts <- methods::as(methods::as(Matrix::t(counts), "generalMatrix"), "CsparseMatrix")
  }
  shape <- if (layout == "csc") dim(counts) else rev(dim(counts))
  structure(list(data = counts@x, indices = counts@i, indptr = counts@p),
            h5_attributes = list(`encoding-type` = paste0(layout, "_matrix"), shape = shape))
}
