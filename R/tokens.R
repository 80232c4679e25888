#' Tokens of cells
#'
#' What [canal_prepare()] returns and the network reads: every cell as one small whole number per
#' gene, its expression binned. One byte per token.
#'
#' A `CanalTokens` looks like a matrix of cells x genes: `dim()`, `rownames()` (cells), `colnames()`
#' (genes), `x[i, ]` or `x[i]` (a choice of cells by number, name or logical), `as.matrix()` (an
#' integer matrix).
#'
#' @slot tokens Raw matrix, genes x cells (a cell's tokens lie together), with dimnames; values 0 to
#'   `n_bins`.
#' @slot genes The genes of the tokens, in order.
#' @slot n_bins The highest token.
#' @slot target_sum The total each cell was normalised to.
#' @slot min_genes Cells with fewer detected genes were dropped.
#' @slot overlap List: `measured`, how many vocabulary genes the input has; `vocabulary`, how many
#'   there are; `missing`, the symbols it lacks.
#' @slot dropped Data frame with a row per dropped cell: `cell`, `detected` (genes) and `reason`.
#' @slot all_cells Every cell that came in, in order, the dropped ones included.
#'
#' @param object,x A `CanalTokens`.
#' @param i Cells: numbers, names or logical.
#' @param j,drop,... Not used: tokens are chosen by cell only.
#'
#' @return `dim()`: cells, genes. `dimnames()`: a list of the names of both. `x[i, ]`: a
#'   `CanalTokens` of fewer cells. `as.matrix()`: an integer matrix, cells x genes.
#'
#' @examples
#' counts <- matrix(rpois(200, 5), 10, dimnames = list(LETTERS[1:10], paste0("cell", 1:20)))
#' tokens <- canal_prepare(counts, LETTERS[1:10], n_genes = NULL)
#' tokens
#' dim(tokens)
#' as.matrix(tokens[1:3, ])
#' @name CanalTokens-class
#' @aliases CanalTokens
#' @exportClass CanalTokens
setClass("CanalTokens", slots = c(
  tokens = "matrix",
  genes = "character",
  n_bins = "numeric",
  target_sum = "numeric",
  min_genes = "numeric",
  overlap = "list",
  dropped = "data.frame",
  all_cells = "character"
))

setValidity("CanalTokens", function(object) {
  tokens <- object@tokens
  cells <- colnames(tokens)
  problems <- c(
    if (!is.raw(tokens)) "`tokens` must be raw",
    if (!identical(rownames(tokens), object@genes)) "`tokens` must have a row for each of `genes`",
    if (length(cells) != ncol(tokens) || anyDuplicated(cells)) {
      "cells must have names that are all different"
    },
    if (!all(cells %in% object@all_cells)) "`all_cells` must hold every cell",
    if (length(object@n_bins) != 1) "`n_bins` must be one number",
    if (!all(c("measured", "vocabulary", "missing") %in% names(object@overlap))) {
      "`overlap` must tell `measured`, `vocabulary` and `missing`"
    },
    if (!all(c("cell", "detected", "reason") %in% names(object@dropped))) {
      "`dropped` must tell `cell`, `detected` and `reason`"
    }
  )
  if (length(problems)) problems else TRUE
})

#' @rdname CanalTokens-class
#' @export
setMethod("dim", "CanalTokens", function(x) rev(dim(x@tokens)))

#' @rdname CanalTokens-class
#' @export
setMethod("dimnames", "CanalTokens", function(x) rev(dimnames(x@tokens)))

#' @rdname CanalTokens-class
#' @aliases [,CanalTokens-method
#' @export
setMethod("[", "CanalTokens", function(x, i, j, ..., drop = TRUE) {
  if (!missing(j)) {
    canal_abort("argument", "j", "tokens chosen by cell only, x[i, ]", "a choice of genes",
                "Choose genes with the `genes` argument of canal_prepare().")
  }
  if (missing(i)) return(x)
  cells <- chosen_cells(x, i)
  x@tokens <- x@tokens[, cells, drop = FALSE]
  # The dropped cells were not asked for: the rest stands for itself.
  x@all_cells <- as.character(colnames(x@tokens))
  x@dropped <- x@dropped[0, , drop = FALSE]
  x
})

# Numbers of the cells that `i` means.
chosen_cells <- function(x, i) {
  cells <- rownames(x)
  names(cells) <- cells
  chosen <- match(cells[i], cells)
  if (anyNA(chosen)) {
    canal_abort("argument", "i", sprintf("some of the %d cells", length(cells)),
                paste("unknown ones:", some_of(as.character(i)[is.na(chosen)])))
  }
  if (anyDuplicated(chosen)) {
    canal_abort("duplicates", "i", "each cell once",
                paste(some_of(unique(cells[chosen[duplicated(chosen)]])), "more than once"))
  }
  chosen
}

#' @rdname CanalTokens-class
#' @method as.matrix CanalTokens
#' @export
as.matrix.CanalTokens <- function(x, ...) {
  values <- matrix(as.integer(x@tokens), nrow(x@tokens), dimnames = dimnames(x@tokens))
  t(values)
}

# In blocks, as comparing makes four bytes of every token.
share_not_zero <- function(tokens, block = 1000) {
  if (!length(tokens)) return(NA_real_)
  starts <- seq(1, ncol(tokens), by = block)
  counted <- vapply(starts, function(from) {
    to <- min(from + block - 1, ncol(tokens))
    sum(tokens[, from:to] != as.raw(0))
  }, numeric(1))
  sum(counted) / length(tokens)
}

#' @rdname CanalTokens-class
#' @export
setMethod("show", "CanalTokens", function(object) {
  number <- thousands
  overlap <- object@overlap
  cat(sprintf("<CanalTokens> %s cells x %s genes, tokens 0 to %d\n",
              number(nrow(object)), number(ncol(object)), object@n_bins))
  cat(sprintf("  overlap: %s of %s vocabulary genes measured (%.0f %%)\n",
              number(overlap$measured), number(overlap$vocabulary),
              100 * overlap$measured / overlap$vocabulary))
  cat(sprintf("  dropped: %s of %s cells with fewer than %s detected genes\n",
              number(nrow(object@dropped)), number(length(object@all_cells)),
              number(object@min_genes)))
  cat(sprintf("  not zero: %.1f %% of the tokens\n", 100 * share_not_zero(object@tokens)))
})
