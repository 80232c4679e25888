# Small AnnData files, and reading them in small blocks.

# Runs code with blocks of so many cells.
with_blocks_of <- function(size, code) {
  with_binding("cells_in_block", function(header, ...) size, code)
}

# A dgCMatrix (genes x cells) as X of an .h5ad. more: other parts of the file, NULL for one that it
# is to lack.
write_h5ad <- function(counts, layout = c("csr", "csc", "dense"), more = list()) {
  layout <- match.arg(layout)
  table <- function(names) {
    structure(list(`_index` = names), h5_attributes = list(`_index` = "_index"))
  }
  path <- tempfile(fileext = ".h5ad")
  parts <- list(X = h5ad_matrix(counts, layout), obs = table(colnames(counts)),
                var = table(rownames(counts)))
  for (name in names(more)) parts[[name]] <- more[[name]]
  cpp_write_tree(path, parts)
  path
}

# One with columns of cells, as AnnData 0.8 writes them. cells: list(counts, types).
h5ad_with_obs <- function(cells) {
  marked <- function(values, kind, ...) {
    structure(values, h5_attributes = list(`encoding-type` = kind, `encoding-version` = "0.2.0",
                                           ...))
  }
  table <- function(names, columns = list()) {
    marked(c(list(`_index` = marked(names, "string-array")), columns), "dataframe",
           `_index` = "_index", `column-order` = as.character(names(columns)))
  }
  columns <- list(depth = marked(unname(colSums(as.matrix(cells$counts))), "array"),
                  type = marked(cells$types, "string-array"))
  path <- tempfile(fileext = ".h5ad")
  x <- h5ad_matrix(cells$counts, "csr")
  attr(x, "h5_attributes") <- c(attr(x, "h5_attributes"), `encoding-version` = "0.1.0")
  tree <- list(X = x, obs = table(colnames(cells$counts), columns),
               var = table(rownames(cells$counts)))
  cpp_write_tree(path, marked(tree, "anndata"))
  # Without the checksum of canalR's own files, which AnnData's have not.
  connection <- file(path, "r+b")
  on.exit(close(connection))
  seek(connection, 0, rw = "write")
  writeBin(raw(512), connection)
  path
}

# A file whose X are logarithms, with the counts in raw/X and in a layer of that name.
write_logged_h5ad <- function(counts, layer = "umis", layout = "csr") {
  whole <- h5ad_matrix(counts, layout)
  var <- structure(list(`_index` = rownames(counts)), h5_attributes = list(`_index` = "_index"))
  write_h5ad(log_normalised(counts), layout,
             list(raw = list(X = whole, var = var), layers = stats::setNames(list(whole), layer)))
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
