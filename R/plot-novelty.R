# How novel the cells look, as a picture.

#' Picture of the novelty of cells
#'
#' The distribution of the novelty score, with the threshold above which cells were called
#' "Unassigned". With the truth, cells of types that the model knows and cells of others stand above
#' one another: a good score has them on two sides of the threshold.
#'
#' @param x What [canal_predict()] or [cellular_predict()] returned: a SingleCellExperiment,
#'   SummarizedExperiment, Seurat object, `DataFrame` or data frame.
#' @param prefix Whose results: the column `<prefix>_novelty` (0 to 1), and the threshold of the
#'   record that was left with `x`. A prediction with `novelty = "none"` has no threshold. Where
#'   `merge()` or the like has lost the record, the picture comes without one, and its caption tells
#'   if cells are "Unassigned" all the same.
#' @param truth The true types: the name of a column of `x`, or a vector with one per cell; cells
#'   with `NA` are left out. `NULL`: unknown.
#' @param novel Types that the model did not know. `NULL`: those that are not among the model's,
#'   which the record names, and "Unassigned".
#'
#' @return A ggplot2 object. Bars count cells; one of the edges between them is the threshold. Cells
#'   without a score are left out, as the caption tells.
#' @section Errors: `canalR_error_prediction` where `x` has no such column, or where neither `novel`
#'   nor a record tells what the model knew; `canalR_error_empty` where no cell has a score;
#'   `canalR_error_labels` for a `truth` of another length or an unknown column;
#'   `canalR_error_class` for another kind of `x`;
#'   `canalR_error_package` where ggplot2 is not installed; `canalR_error_argument`.
#' @source CANAL, Methods (score and threshold of novel cells); scBERT (Yang et al. 2022), Methods
#'   (threshold of the confidence). The picture is canalR's own.
#' @examplesIf requireNamespace("ggplot2", quietly = TRUE)
#' prediction <- S4Vectors::DataFrame(canal_novelty = c(0.1, 0.15, 0.2, 0.3, 0.7, 0.8))
#' canal_plot_novelty(prediction)
#' truth <- rep(c("alpha", "ductal"), c(4, 2))
#' canal_plot_novelty(prediction, truth = truth, novel = "ductal")
#' @export
canal_plot_novelty <- function(x, prefix = "canal", truth = NULL, novel = NULL) {
  need_ggplot()
  check_one_name(prefix)
  score <- as.numeric(written_column(x, paste0(prefix, "_novelty"), writes_labels(prefix)))
  used <- is.finite(score)
  caption <- if (!all(used)) sprintf("%s without a score left out.", cells_text(sum(!used)))
  panel <- rep("cells", length(score))
  if (!is.null(truth)) {
    truth <- labels_of(x, truth, "truth", wanted = integer())
    unknown <- truth %in% c(novel_types(x, prefix, truth, novel), unassigned_label)
    panel <- ifelse(unknown, "types unknown to the model", "types that the model knows")
    missing <- used & is.na(truth)
    if (any(missing)) caption <- c(caption, sprintf("%s without truth left out.",
                                                    cells_text(sum(missing))))
    used <- used & !missing
  }
  if (!any(used)) canal_abort("empty", "x", "at least one cell with a novelty score", "none")
  threshold <- novelty_threshold_of(prediction_record(x, prefix)$parameters)
  draw_novelty(data.frame(score = score, panel = panel)[used, ], threshold,
               c(caption, if (is.null(threshold)) lost_threshold(x, prefix)))
}

# Only by a threshold do cells become "Unassigned".
lost_threshold <- function(x, prefix) {
  labels <- as.character(cell_columns(x)[[paste0(prefix, "_label")]])
  if (unassigned_label %in% labels) {
    "There are \"Unassigned\" cells, but no record of the threshold that made them so."
  }
}

novel_types <- function(x, prefix, truth, novel) {
  if (!is.null(novel)) return(check_novel(novel))
  known <- prediction_record(x, prefix)$model$types
  if (length(known)) return(setdiff(truth, known))
  canal_abort("prediction", "x", "cells with the record of their prediction", "cells without",
              "`novel` can name the types that the model did not know.")
}

# On the scale of the score, which is 1 - confidence where the confidence is what was looked at.
# NULL where nothing was. parameters: of the record of a prediction.
novelty_threshold_of <- function(parameters) {
  if (is.numeric(parameters$novelty_threshold)) return(1 - parameters$novelty_threshold)
  if (!is.numeric(parameters$threshold)) return(NULL)
  if (identical(parameters$novelty, "threshold")) 1 - parameters$threshold else parameters$threshold
}

draw_novelty <- function(cells, threshold, caption) {
  called <- c(sprintf("up to the threshold (%.3g)", c(threshold, NA)[1]), "above it: Unassigned")
  above <- if (is.null(threshold)) FALSE else cells$score > threshold
  cells$called <- factor(ifelse(above, called[2], called[1]), called)
  picture <- ggplot2::ggplot(cells, ggplot2::aes(x = .data$score, fill = .data$called)) +
    ggplot2::geom_histogram(breaks = score_edges(cells$score, threshold), colour = "white",
                            linewidth = 0.15) +
    threshold_line(threshold) +
    ggplot2::facet_wrap(ggplot2::vars(.data$panel), ncol = 1, scales = "free_y",
                        labeller = ggplot2::as_labeller(panel_texts(cells, threshold))) +
    ggplot2::scale_fill_manual(values = stats::setNames(c("#0072B2", "#E69F00"), called),
                               limits = called) +
    ggplot2::scale_y_continuous(labels = thousands,
                                expand = ggplot2::expansion(mult = c(0, 0.08))) +
    ggplot2::coord_cartesian(xlim = range(0, 1, cells$score)) +
    ggplot2::labs(x = "novelty score", y = "cells", fill = NULL, caption = caption_of(caption)) +
    picture_theme() + ggplot2::theme(legend.position = "top", legend.justification = "left")
  if (is.null(threshold)) picture + ggplot2::guides(fill = "none") else picture
}

# Edges of bars of 0.02, the threshold one of them, from 0 (or the least score) to 1 (or the
# greatest).
score_edges <- function(score, threshold) {
  ends <- range(0, 1, score, finite = TRUE)
  first <- c(threshold, 0)[1]
  edges <- first + 0.02 * seq(floor((ends[1] - first) / 0.02), ceiling((ends[2] - first) / 0.02))
  # Those that differ by rounding from an end would make a bar of no width.
  c(ends[1], edges[edges > ends[1] + 1e-6 & edges < ends[2] - 1e-6], ends[2])
}

threshold_line <- function(threshold) {
  if (is.null(threshold)) return(NULL)
  ggplot2::geom_vline(xintercept = threshold, linetype = "dashed", linewidth = 0.5)
}

# "types that the model knows: 1,204 cells, 5.2 % above the threshold"
panel_texts <- function(cells, threshold) {
  vapply(split(cells, cells$panel), function(part) {
    above <- if (!is.null(threshold)) {
      sprintf(", %s above the threshold", as_percent(mean(part$score > threshold)))
    }
    name <- if (part$panel[1] == "cells") "" else paste0(part$panel[1], ": ")
    paste0(name, cells_text(nrow(part)), above)
  }, "")
}
