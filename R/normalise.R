# Library sizes and what is made of them: shared by CELLULAR and by the methods of canal_compare().

# log(1 + total count / sum) by the natural logarithm, sparse; cells without counts stay 0.
#
# counts: dgCMatrix, genes x cells. sums: a library size per cell, where `counts` are only some of
# the genes that it was made of.
log_normalise <- function(counts, total = 1e4, sums = Matrix::colSums(counts)) {
  scale <- unname(ifelse(sums > 0, total / sums, 0))
  counts@x <- log1p(counts@x * rep(scale, diff(counts@p)))
  counts
}

# What CELLULAR scales cells to: the mean, over all cells, of all counts of a cell. Cells without
# counts are cells.
mean_library_size <- function(counts) sum(counts@x) / ncol(counts)
