# From the truth to the labels, as a picture of flows.

#' Picture of the flow from the truth to the labels
#'
#' An alluvial diagram: true types on the left, labels on the right, and between them bands as thick
#' as there are cells. Bands from one type to another stand out; what stays with its type is pale,
#' "Unassigned" and what has no label, or no truth, is grey.
#'
#' @param x What [canal_predict()] or [cellular_predict()] returned: a SingleCellExperiment,
#'   SummarizedExperiment, Seurat object, `DataFrame` or data frame.
#' @param truth The true types: the name of a column of `x`, or a vector with one per cell. Cells
#'   with `NA` make a band of their own, the last.
#' @param prefix Whose labels: the column `<prefix>_label`.
#'
#' @return A ggplot2 object. 60 types take 24 x 18 cm.
#' @section Errors: `canalR_error_prediction` where `x` has no such column; `canalR_error_labels`
#'   for a `truth` of another length or an unknown column; `canalR_error_empty` for no cells;
#'   `canalR_error_class` for another kind of `x`;
#'   `canalR_error_package` where ggplot2 is not installed; `canalR_error_argument`.
#' @source canalR's own picture, of the confusion that [canal_evaluate()] counts.
#' @examplesIf requireNamespace("ggplot2", quietly = TRUE)
#' prediction <- S4Vectors::DataFrame(
#'   canal_label = c("alpha", "alpha", "beta", "beta", "beta", "Unassigned"),
#'   cell_type = c("alpha", "alpha", "alpha", "beta", "beta", "ductal")
#' )
#' canal_plot_flow(prediction, "cell_type")
#' @export
canal_plot_flow <- function(x, truth, prefix = "canal") {
  need_ggplot()
  check_one_name(prefix)
  labels <- written_column(x, paste0(prefix, "_label"), writes_labels(prefix))
  truth <- labels_of(x, truth, "truth", wanted = integer())
  if (!length(labels)) canal_abort("empty", "x", "at least one cell", "none")
  flows <- flow_table(truth, labels)
  sides <- list(truth = flow_side(flows, "truth"), label = flow_side(flows, "label"))
  flows <- placed_flows(flows, sides)
  ggplot2::ggplot(flow_outlines(flows), ggplot2::aes(x = .data$x, y = .data$y)) +
    # A line round it, so that a flow of one cell among thousands can be seen.
    ggplot2::geom_polygon(ggplot2::aes(group = .data$flow, fill = .data$kind,
                                       colour = .data$kind), alpha = 0.75, linewidth = 0.15) +
    side_boxes(sides) +
    ggplot2::scale_fill_manual(values = flow_colours(), aesthetics = c("fill", "colour")) +
    ggplot2::scale_x_continuous(breaks = NULL, expand = c(0, 0)) +
    side_axes(sides) +
    ggplot2::labs(x = NULL, fill = NULL, colour = NULL,
                  caption = caption_of(cells_text(length(labels)))) +
    flow_theme(sides)
}

right_flow <- "label as the truth"
wrong_flow <- "another label"

flow_colours <- function() {
  stats::setNames(c("#9ECAE1", "#D55E00", "grey55", "grey80"),
                  c(right_flow, wrong_flow, unassigned_label, no_label))
}

# A row per truth and label that have cells in common. Both have the same types in the same order.
flow_table <- function(truth, labels) {
  truth <- with_type_levels(truth)
  labels <- with_type_levels(labels)
  last <- c(unassigned_label, no_label)
  types <- sort(setdiff(union(levels(truth), levels(labels)), last))
  counts <- as.data.frame(table(truth = factor(truth, c(types, last)),
                                label = factor(labels, c(types, last))), responseName = "cells")
  flows <- counts[counts$cells > 0, ]
  same <- as.character(flows$truth) == as.character(flows$label)
  kind <- ifelse(flows$label %in% last, as.character(flows$label),
                 ifelse(same, right_flow, wrong_flow))
  # Without a truth no label is wrong.
  kind[flows$truth == no_label] <- no_label
  flows$kind <- factor(kind, names(flow_colours()))
  flows
}

# The boxes of one side: type, cells, and from where to where they go, from 0 at the top to 1.15
# below; the gaps between them make up 0.15.
flow_side <- function(flows, side) {
  cells <- rowsum(flows$cells, as.integer(flows[[side]]))
  share <- cells[, 1] / sum(cells)
  gap <- if (length(share) > 1) 0.15 / (length(share) - 1) else 0
  to <- cumsum(share) + gap * (seq_along(share) - 1)
  data.frame(type = levels(flows[[side]])[as.integer(rownames(cells))], cells = cells[, 1],
             from = to - share, to = to)
}

# Where each flow leaves its box on the left and enters that on the right, in the order of the boxes
# on the other side, so that flows cross as little as may be.
placed_flows <- function(flows, sides) {
  total <- sum(flows$cells)
  start <- function(side, other) {
    box <- sides[[side]]$from[match(flows[[side]], sides[[side]]$type)]
    order <- order(flows[[side]], flows[[other]])
    before <- numeric(nrow(flows))
    before[order] <- stats::ave(flows$cells[order], as.integer(flows[[side]])[order],
                                FUN = function(cells) cumsum(cells) - cells)
    box + before / total
  }
  flows$left <- start("truth", "label")
  flows$right <- start("label", "truth")
  flows$thick <- flows$cells / total
  # What is wrong lies on top.
  flows[order(flows$kind == wrong_flow), ]
}

# The outline of each flow: along its upper edge and back along the lower one.
flow_outlines <- function(flows, steps = 40) {
  along <- seq(0, 1, length.out = steps)
  bend <- (1 - cos(pi * along)) / 2
  outline <- function(i) {
    upper <- flows$left[i] + (flows$right[i] - flows$left[i]) * bend
    data.frame(flow = i, kind = flows$kind[i], x = c(along, rev(along)),
               y = c(upper, rev(upper + flows$thick[i])))
  }
  do.call(rbind, lapply(seq_len(nrow(flows)), outline))
}

# Boxes at the ends of the flows, and lines from them to their names, which stand apart.
side_boxes <- function(sides) {
  box <- 0.015
  ends <- list(truth = c(0, -1), label = c(1, 1))
  boxes <- do.call(rbind, lapply(names(sides), function(name) {
    side <- sides[[name]]
    at <- ends[[name]][1]
    out <- ends[[name]][2]
    data.frame(side, near = at, far = at + out * box, name_at = at + out * 0.06,
               middle = (side$from + side$to) / 2, text = side_text_places(side, sides))
  }))
  list(
    ggplot2::geom_rect(ggplot2::aes(xmin = .data$near, xmax = .data$far, ymin = .data$from,
                                    ymax = .data$to), data = boxes, inherit.aes = FALSE,
                       fill = "grey25", colour = "grey25", linewidth = 0.1),
    ggplot2::geom_segment(ggplot2::aes(x = .data$far, xend = .data$name_at, y = .data$middle,
                                       yend = .data$text), data = boxes, inherit.aes = FALSE,
                          colour = "grey50", linewidth = 0.25)
  )
}

# Names at the heights of their boxes' middles, moved so far that none covers another: the least
# squares under that condition, by isotonic regression.
side_text_places <- function(side, sides) {
  height <- flow_text_size(sides) * most_lines(side_names(side))
  apart <- min(1.15 / max(nrow(side) - 1, 1), 1.15 * 1.15 * height / 280)
  steps <- (seq_len(nrow(side)) - 1) * apart
  moved <- stats::isoreg((side$from + side$to) / 2 - steps)$yf
  pmin(pmax(moved, 0), 1.15 - max(steps)) + steps
}

side_names <- function(side) in_lines(sprintf("%s (%s)", side$type, thousands(side$cells)))

# The names are those of two axes, which get the room that they need.
side_axes <- function(sides) {
  left <- side_text_places(sides$truth, sides)
  right <- side_text_places(sides$label, sides)
  ggplot2::scale_y_reverse(
    name = "truth (cells)", breaks = left, labels = side_names(sides$truth),
    expand = ggplot2::expansion(add = 0.012),
    sec.axis = ggplot2::sec_axis(~ ., name = "label (cells)", breaks = right,
                                 labels = side_names(sides$label))
  )
}

flow_text_size <- function(sides) {
  names <- lapply(sides, side_names)
  min(vapply(names, name_text_size, 0, length = 150))
}

flow_theme <- function(sides) {
  text <- ggplot2::element_text(size = flow_text_size(sides), colour = "black")
  picture_theme() + ggplot2::theme(
    panel.border = ggplot2::element_blank(), panel.grid.major = ggplot2::element_blank(),
    axis.ticks = ggplot2::element_blank(), axis.text.y = text, axis.text.y.right = text,
    legend.position = "top", legend.key.size = grid::unit(11, "pt")
  )
}
