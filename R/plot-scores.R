# Scores of all types, cell by cell or group by group, as a picture.

#' Picture of the scores of all types
#'
#' A heatmap of the probabilities that a prediction gave every type: types in rows, cells in
#' columns, which are ordered by their label and, within a label, by its score. A second type that
#' lights up in many cells of a label is one that the model can hardly tell from it. The idea is
#' that of SingleR's `plotScoreHeatmap()`.
#'
#' Every label has the same width, whatever its number of cells (which is in brackets), so that rare
#' types can be seen. Where a label has more cells than fit, a sample of them is drawn, as the
#' caption tells.
#'
#' @param x What `canal_predict(..., probabilities = "columns")` or `"assay"` or
#'   `cellular_predict()` returned: a SingleCellExperiment, SummarizedExperiment, Seurat object or
#'   `DataFrame`.
#' @param prefix Whose results: columns `<prefix>_label` and `<prefix>_prob_<type>`, or an
#'   alternative experiment, Seurat assay (types x cells) or matrix column (cells x types)
#'   `<prefix>_scores`.
#' @param by `NULL`: a column per cell. Or groups of cells (clusters, samples): the name of a column
#'   of `x`, or a vector with one per cell; then the picture has a column per group, with the means
#'   of its cells, ordered by their highest type. Cells of the group `NA` are left out.
#' @param most Columns of the picture for cells, of all labels together, 100 to 100000.
#' @param seed Seed of the sample, one whole number. Your random numbers are not touched.
#'
#' @return A ggplot2 object. Cells without scores are left out, as the caption tells.
#' @section Errors: `canalR_error_prediction` where `x` has no scores or no labels;
#'   `canalR_error_empty` where no cell has scores; `canalR_error_labels` for a `by` of another
#'   length or an unknown column; `canalR_error_class` for another kind of `x`;
#'   `canalR_error_package` where ggplot2 is not installed; `canalR_error_argument`.
#' @source CANAL, Methods (softmax of the classifier). The picture is canalR's own.
#' @examplesIf requireNamespace("ggplot2", quietly = TRUE)
#' prediction <- S4Vectors::DataFrame(canal_label = c("alpha", "beta", "beta", "Unassigned"))
#' prediction$canal_prob_alpha <- c(0.9, 0.2, 0.1, 0.5)
#' prediction$canal_prob_beta <- c(0.1, 0.8, 0.9, 0.5)
#' canal_plot_scores(prediction)
#' canal_plot_scores(prediction, by = c(1, 2, 2, 2))
#' @export
canal_plot_scores <- function(x, prefix = "canal", by = NULL, most = 1200, seed = 1) {
  need_ggplot()
  check_one_name(prefix)
  check_number(most, "most", from = 100, to = 1e5, whole = TRUE)
  check_number(seed, "seed", from = 0, to = 2^31 - 1, whole = TRUE)
  scores <- cell_scores(x, prefix)
  scored <- which(rowSums(is.finite(scores)) == ncol(scores))
  if (!length(scored)) canal_abort("empty", "x", "at least one cell with scores", "none")
  left_out <- nrow(scores) - length(scored)
  caption <- if (left_out) sprintf("%s without scores left out.", cells_text(left_out))
  if (!is.null(by)) {
    groups <- labels_of(x, by, "by", wanted = integer())
    return(draw_group_scores(scores[scored, , drop = FALSE], groups[scored], caption))
  }
  labels <- written_column(x, paste0(prefix, "_label"), writes_labels(prefix))
  draw_cell_scores(scores[scored, , drop = FALSE], labels[scored], caption, most, seed)
}

# Probabilities of the types, cells x types, named by type: of columns <prefix>_prob_<type>, or of
# what is called <prefix>_scores.
cell_scores <- function(x, prefix = "canal") {
  columns <- cell_columns(x)
  start <- paste0(prefix, "_prob_")
  found <- grep(start, substr(colnames(columns), 1, nchar(start)), fixed = TRUE)
  scores <- if (length(found)) {
    types <- substring(colnames(columns)[found], nchar(start) + 1)
    matrix(unlist(lapply(found, function(i) as.numeric(columns[[i]]))), nrow(columns),
           length(found), dimnames = list(NULL, types))
  } else {
    stored_scores(x, paste0(prefix, "_scores"), prediction_record(x, prefix)$model$types)
  }
  if (!is.null(scores)) return(scores)
  canal_abort("prediction", "x", sprintf("cells with columns %s<type>, or with %s_scores", start,
                                         prefix), describe_columns(columns),
              sprintf("%s_predict(..., probabilities = \"columns\", prefix = \"%s\") writes them.",
                      method_of(prefix), prefix))
}

# NULL where there are none. types: what the model calls them.
stored_scores <- function(x, name, types = NULL) {
  if (methods::is(x, "SingleCellExperiment") &&
        name %in% SingleCellExperiment::altExpNames(x)) {
    return(t(as.matrix(SummarizedExperiment::assay(SingleCellExperiment::altExp(x, name)))))
  }
  if (methods::is(x, "Seurat") && name %in% SeuratObject::Assays(x)) {
    assay <- x[[name]]
    scores <- t(as.matrix(seurat_layer(assay, seurat_layers(assay)[1])))
    place <- match(colnames(scores), seurat_feature_names(types))
    colnames(scores) <- ifelse(is.na(place), colnames(scores), types[place])
    return(scores)
  }
  columns <- cell_columns(x)
  if (name %in% colnames(columns) && is.matrix(columns[[name]])) columns[[name]]
}

# scores: cells x types. labels: one per cell.
draw_cell_scores <- function(scores, labels, caption, most, seed) {
  labels <- with_type_levels(labels)
  # Labels in the order of the types, so that the picture has a diagonal.
  shown <- levels(labels)[order(match(levels(labels), colnames(scores)))]
  width <- max(1, most %/% length(shown))
  chosen <- with_seed(seed, lapply(shown, function(label) {
    ordered_sample(which(labels == label), scores, label, width)
  }))
  counts <- label_counts(labels)
  sampled <- any(counts > width)
  order <- unlist(lapply(chosen, function(cells) {
    cells[ceiling(seq_len(width) * length(cells) / width)]
  }))
  tiles <- data.frame(column = seq_along(order),
                      type = factor(rep(colnames(scores), each = length(order)),
                                    rev(colnames(scores))), score = c(scores[order, ]))
  cells <- stats::setNames(as.vector(counts), names(counts))
  names <- table_names(colnames(scores), shown, cells, in_rows = FALSE)
  ggplot2::ggplot(tiles, ggplot2::aes(x = .data$column, y = .data$type)) +
    ggplot2::geom_raster(ggplot2::aes(fill = .data$score)) +
    ggplot2::geom_vline(xintercept = seq_len(length(shown) - 1) * width + 0.5,
                        colour = if (length(shown) > 25) "grey85" else "grey50",
                        linewidth = 0.3) +
    ggplot2::scale_x_continuous(position = "top", expand = c(0, 0), labels = names$columns,
                                breaks = (seq_along(shown) - 0.5) * width + 0.5) +
    ggplot2::labs(x = "cells by label", caption = caption_of(
      caption, if (sampled) {
        sprintf("Of labels with more than %s cells a sample of so many is shown (seed %g).",
                thousands(width), seed)
      }
    )) +
    scores_looks(names)
}

# At most so many of the cells, those that score highest for the label first. Cells of no type are
# ordered by the type that comes closest.
ordered_sample <- function(cells, scores, label, most) {
  if (length(cells) > most) cells <- sort(cells[sample.int(length(cells), most)])
  best <- max.col(scores[cells, , drop = FALSE], ties.method = "first")
  own <- if (label %in% colnames(scores)) scores[cells, label] else scores[cbind(cells, best)]
  if (label %in% colnames(scores)) cells[order(-own)] else cells[order(best, -own)]
}

draw_group_scores <- function(scores, groups, caption) {
  missing <- is.na(groups)
  if (all(missing)) canal_abort("empty", "by", "at least one group", "none")
  if (any(missing)) caption <- c(caption, paste(cells_text(sum(missing)),
                                                "of no group left out."))
  sizes <- label_counts(groups[!missing])
  means <- rowsum(scores[!missing, , drop = FALSE], groups[!missing]) / as.vector(sizes)
  best <- max.col(means, ties.method = "first")
  means <- means[order(best, -means[cbind(seq_along(best), best)]), , drop = FALSE]
  names <- table_names(colnames(scores), rownames(means), stats::setNames(as.vector(sizes),
                                                                          names(sizes)),
                       in_rows = FALSE)
  tiles <- data.frame(group = factor(rownames(means), rownames(means)),
                      type = factor(rep(colnames(means), each = nrow(means)),
                                    rev(colnames(means))), score = c(means))
  ggplot2::ggplot(tiles, ggplot2::aes(x = .data$group, y = .data$type)) +
    ggplot2::geom_tile(ggplot2::aes(fill = .data$score), colour = "grey88", linewidth = 0.2) +
    ggplot2::scale_x_discrete(position = "top", expand = c(0, 0), labels = names$columns) +
    ggplot2::labs(x = "groups (cells)", caption = caption_of(caption)) +
    scores_looks(names)
}

scores_looks <- function(names) {
  list(
    ggplot2::scale_fill_gradientn(colours = share_colours, limits = c(0, 1), labels = as_percent),
    ggplot2::scale_y_discrete(expand = c(0, 0), labels = names$rows),
    ggplot2::labs(y = NULL, fill = "probability"),
    table_theme(names),
    ggplot2::theme(panel.border = ggplot2::element_rect(fill = NA, colour = "grey50",
                                                        linewidth = 0.3))
  )
}
