#' Genes that a model attends to, by cell type
#'
#' Tells how much of the network's attention each gene gets in the cells of each type, and how much
#' more than in the cells of the other types.
#'
#' A token's share of a cell is the attention that it gets from all tokens of the cell, in the mean
#' over layers and heads: the column means of the attention maps. It is exact, though the maps (N x
#' N) are never made. Shares of a type are the mean over its cells.
#'
#' Most of what attention differs by between genes is the same in all cells: it comes from a gene's
#' place in the sequence and from how much it is expressed anywhere. `lift` takes that out: the
#' share in this type's cells over the mean of the shares in all types (each type counts once). 1 is
#' no difference. A gene with a high lift is one whose state in these cells draws attention; that
#' need not be a gene by which the model decides, so read it beside what is known of the genes.
#'
#' The network runs on LibTorch's operators in float32 for this, not on the faster kernels that
#' [canal_predict()] uses, and holds the features of a layer for every cell that is worked on: about
#' 20 times N x `heads` x `features` bytes a thread (60 MB for 1,001 tokens of the published
#' network). A cell's shares are the same in whatever company and on any number of threads.
#'
#' @inheritParams canal_predict
#' @param model A [CanalModel-class]; with another `by` than `"label"` one without types will do, a
#'   pre-trained one for instance.
#' @param by What the cells are grouped by. `"label"`: the model's own most probable type of each
#'   cell. Any other string is the name of a column of `x` (such as `"canal_label"` after
#'   [canal_predict()]); or a vector with one label per cell.
#' @param top How many genes of each type to list. `Inf` for all.
#' @param rank_by What genes are ranked by: `"lift"`, or `"share"`.
#' @param maps Whose column means are taken. `"published"`: what scBERT's program computes, a
#'   layer's map after its attention has been added to its input. `"used"`: the map by which the
#'   layer computes that attention, which is what its name says; it takes less time.
#'
#' @return A data frame of class `canal_importance` with up to `top` rows per type, the first ranks
#'   first:
#'   * `type`;
#'   * `gene`;
#'   * `share`: of the attention in the cells of the type, 0 to 1. Genes and the closing token of
#'     the sequence, which is no gene and is not listed, sum to 1 over all genes of the model;
#'   * `lift`: share over the mean share of all types, from 0 on. 1 where there is one type;
#'   * `rank`: from 1, by `rank_by` among all genes of the model.
#'
#'   `as.matrix()` gives all shares (or lifts), genes x types; its attribute `closing` has the
#'   closing token's share by type. `attr(, "cells")` tells the number of cells of each type.
#' @section Errors: `canalR_error_model` where `by = "label"` and the model knows no types,
#'   `canalR_error_labels` for a column that is not there or missing labels, `canalR_error_empty`
#'   where no cell has enough genes, those of [canal_prepare()].
#' @source Yang et al. (2022) scBERT as a large-scale pretrained deep language model for cell type
#'   annotation of single-cell RNA-seq data. *Nature Machine Intelligence* 4:852,
#'   \doi{10.1038/s42256-022-00534-z}, for the shares; the lift is canalR's.
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' file <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
#' pancreas <- canal_read_h5ad(file)
#' model <- canal_model(canal_config("compact", n_genes = 50), rownames(pancreas), seed = 1)
#' model <- canal_train(pancreas, "celltype", model, epochs = 2, seed = 1, verbose = FALSE)
#' importance <- canal_gene_importance(pancreas, model, by = "celltype", top = 5,
#'                                     verbose = FALSE)
#' importance
#' dim(as.matrix(importance))
#' if (requireNamespace("ggplot2", quietly = TRUE)) plot(importance)
#' @export
canal_gene_importance <- function(x, model, by = "label", top = 20, rank_by = c("lift", "share"),
                                  maps = c("published", "used"), num_threads = NULL,
                                  device = "cpu", verbose = TRUE, assay.type = "counts",
                                  min_genes = NULL) {
  check_model(model)
  check_number(top, "top", from = 1, to = Inf, whole = TRUE)
  if (missing(rank_by)) rank_by <- rank_by[1]
  check_choice(rank_by, c("lift", "share"), "rank_by")
  if (missing(maps)) maps <- maps[1]
  check_choice(maps, c("published", "used"), "maps")
  check_flag(verbose, "verbose")
  check_min_genes(min_genes)
  check_device(device)
  own <- identical(by, "label")
  if (own) check_trained(model)
  threads <- thread_count(num_threads)
  query <- open_query(x, model, assay.type, min_genes, threads, verbose)
  on.exit(query$source$finish())
  if (!length(query$kept)) abort_no_cells(query)
  labels <- if (!own) labels_of(x, by, "by", wanted = query$kept)
  types <- if (own) model@labels else sort(unique(labels[query$kept]), method = "radix")
  type_of <- function(tokens, cells) {
    if (!own) return(match(labels[cells], types))
    logits <- run_network(tokens, model, "logits", threads, compute_on(device, "auto"))[[1]]
    max.col(logits, ties.method = "first")
  }
  sums <- attention_sums(query, model, length(types), type_of, maps, threads, device, verbose)
  importance_table(sums, model@genes, types, top, rank_by)
}

abort_no_cells <- function(query) {
  canal_abort("empty", "x", sprintf("cells with at least %g detected genes", query$min_genes),
              sprintf("none in %d cells", length(query$cells)),
              "A smaller `min_genes` keeps shallower cells.")
}

# Shares of all cells added up by type: `shares` (N x types) and `cells`, how many. A few hundred
# cells at a time, as shares of all at once would be cells x N numbers. type_of(tokens, cells): the
# types of cells by their number.
attention_sums <- function(query, model, n_types, type_of, maps, threads, device, verbose,
                           at_once = 256) {
  reader <- cpp_attention_reader(model@weights, device)
  progress <- cell_progress("Reading attention", length(query$kept), verbose)
  sums <- list(shares = matrix(0, length(model@genes) + 1, n_types), cells = integer(n_types))
  done <- 0
  for (block in query$source$blocks) {
    cells <- query$kept[query$kept >= block[1] & query$kept <= block[2]]
    if (!length(cells)) next
    counts <- query$source$read(block)
    for (some in split(cells, (seq_along(cells) - 1) %/% at_once)) {
      tokens <- pass_input(query$pass, counts, some - block[1] + 1, threads)
      shares <- cpp_attention_shares(reader, tokens, maps, threads,
                                     shifted_progress(progress, done))
      sums <- add_shares(sums, shares, type_of(tokens, some))
      done <- done + length(some)
    }
  }
  sums
}

# shares: cells x N.
add_shares <- function(sums, shares, type) {
  added <- rowsum(shares, type)
  place <- as.integer(rownames(added))
  sums$shares[, place] <- sums$shares[, place] + t(added)
  sums$cells <- sums$cells + tabulate(type, length(sums$cells))
  sums
}

# sums: of attention_sums(). Types without cells have no shares.
importance_table <- function(sums, genes, types, top, rank_by) {
  there <- sums$cells > 0
  types <- types[there]
  cells <- setNames(sums$cells[there], types)
  means <- sums$shares[, there, drop = FALSE] / rep(cells, each = nrow(sums$shares))
  shares <- means[seq_along(genes), , drop = FALSE]
  dimnames(shares) <- list(genes, types)
  tables <- lapply(types, leading_genes, shares = shares, lift = lift_of(shares), top = top,
                   rank_by = rank_by)
  structure(do.call(rbind, tables), class = c("canal_importance", "data.frame"), cells = cells,
            shares = shares, closing = setNames(means[nrow(means), ], types), rank_by = rank_by)
}

# Shares over the mean of all types. shares: genes x types.
lift_of <- function(shares) shares / rowMeans(shares)

leading_genes <- function(type, shares, lift, top, rank_by) {
  table <- data.frame(type = type, gene = rownames(shares), share = unname(shares[, type]),
                      lift = unname(lift[, type]), stringsAsFactors = FALSE)
  # Equal lifts (one type, say) go by share, and equal shares by the genes' order.
  table <- table[order(-table[[rank_by]], -table$share), ]
  table$rank <- seq_len(nrow(table))
  rownames(table) <- NULL
  utils::head(table, min(top, nrow(table)))
}

#' @rdname canal_gene_importance
#' @param what `"share"` or `"lift"`.
#' @param ... Not used.
#' @method as.matrix canal_importance
#' @export
as.matrix.canal_importance <- function(x, what = c("share", "lift"), ...) {
  if (missing(what)) what <- what[1]
  check_choice(what, c("share", "lift"), "what")
  shares <- attr(x, "shares")
  structure(if (what == "share") shares else lift_of(shares), closing = attr(x, "closing"))
}

#' @rdname canal_gene_importance
#' @param n At most that many genes of a type are printed.
#' @method print canal_importance
#' @export
print.canal_importance <- function(x, ..., n = 8) {
  cells <- attr(x, "cells")
  rank_by <- attr(x, "rank_by")
  cat(sprintf("<canal_importance> %s cells, %d types, %s genes; by %s\n", thousands(sum(cells)),
              length(cells), thousands(nrow(attr(x, "shares"))), rank_by))
  for (type in unique(x$type)) {
    rows <- utils::head(x[x$type == type, ], n)
    value <- if (rank_by == "lift") sprintf("%.2f", rows$lift) else sprintf("%.4f", rows$share)
    text <- sprintf("  %s (%s): %s", type, thousands(cells[[type]]),
                    paste(rows$gene, value, collapse = ", "))
    cat(strwrap(text, getOption("width"), indent = 2, exdent = 4), sep = "\n")
  }
  invisible(x)
}

#' @rdname canal_gene_importance
#' @param row.names,optional As in [as.data.frame()].
#' @method as.data.frame canal_importance
#' @export
as.data.frame.canal_importance <- function(x, row.names = NULL, optional = FALSE, ...) {
  columns <- c("type", "gene", "share", "lift", "rank")
  as.data.frame(unclass(x)[columns], row.names = row.names, stringsAsFactors = FALSE)
}

# Some rows are still importances; some columns are a plain table.
#' @export
`[.canal_importance` <- function(x, ...) {
  chosen <- as.data.frame(x)[...]
  if (!is.data.frame(chosen) || !identical(names(chosen), names(x))) return(chosen)
  structure(chosen, class = class(x), cells = attr(x, "cells"), shares = attr(x, "shares"),
            closing = attr(x, "closing"), rank_by = attr(x, "rank_by"))
}
