# Pictures, as ggplot2 objects: print them, change them, save them with ggplot2::ggsave().

# `.data` is what ggplot2 calls the plotted table inside aes().
utils::globalVariables(".data")

#' Pictures of an evaluation and of a stream
#'
#' `plot()` of a [canal_evaluate()] result shows the confusion matrix: a row per true type, a column
#' per label, coloured by the share of the row, with the numbers of cells. `plot()` of a
#' [canal_stream()] shows the accuracy on each stage's held-out cells over the stages, and their
#' average.
#'
#' Colours run from white to dark blue, and lines differ in shape too, so that colour-blind eyes and
#' grey printers tell them apart. Labels of up to 60 types are readable in a picture of 20 cm;
#' numbers in the tiles of 60 types take 35 cm.
#'
#' @param x A `canal_evaluation` (see [canal_evaluation()]) or a `canal_stream`.
#' @param ... Not used.
#' @param counts Write the numbers of cells into the tiles? `NULL`: up to 25 types. The number of
#'   cells of each true type is always there.
#'
#' @return A ggplot2 object.
#' @section Errors: `canalR_error_package` where ggplot2 is not installed, `canalR_error_empty` for
#'   an evaluation of no cells.
#' @examplesIf requireNamespace("ggplot2", quietly = TRUE)
#' evaluation <- canal_evaluate(c("alpha", "beta", "beta"), c("alpha", "beta", "alpha"))
#' plot(evaluation)
#' @name canal-plots
NULL

#' @rdname canal-plots
#' @export
plot.canal_evaluation <- function(x, ..., counts = NULL) {
  need_package("ggplot2", "x", "which draws the plots")
  if (!length(x$confusion)) {
    canal_abort("empty", "x", "an evaluation of at least one cell", "none")
  }
  n_types <- max(dim(x$confusion))
  if (is.null(counts)) counts <- n_types <= 25
  cells <- cells_by_type(x)
  tiles <- confusion_tiles(x$confusion, cells)
  picture <- ggplot2::ggplot(tiles, ggplot2::aes(x = .data$predicted, y = .data$truth)) +
    ggplot2::geom_tile(ggplot2::aes(fill = .data$share), colour = "grey88",
                       linewidth = if (n_types > 20) 0.1 else 0.3) +
    ggplot2::scale_fill_gradientn(colours = c("white", "#9ECAE1", "#3182BD", "#08306B"),
                                  limits = c(0, 1), labels = as_percent) +
    ggplot2::scale_x_discrete(position = "top", expand = c(0, 0)) +
    ggplot2::scale_y_discrete(expand = c(0, 0), labels = with_cell_numbers(cells)) +
    ggplot2::coord_fixed() +
    ggplot2::labs(x = "label", y = "truth (cells)", fill = "share of\ntrue type",
                  caption = paste(strwrap(headline(x), 60), collapse = "\n")) +
    confusion_theme(n_types)
  if (counts) picture + tile_counts(tiles, n_types) else picture
}

with_cell_numbers <- function(cells) {
  function(types) sprintf("%s (%s)", types, thousands(cells[types]))
}

# Rows of the truth from top to bottom, which a discrete axis counts from the bottom.
confusion_tiles <- function(confusion, cells) {
  tiles <- expand.grid(truth = rownames(confusion), predicted = colnames(confusion),
                       stringsAsFactors = FALSE)
  tiles$cells <- as.vector(confusion)
  tiles$share <- tiles$cells / pmax(cells[tiles$truth], 1)
  tiles$truth <- factor(tiles$truth, rev(rownames(confusion)))
  tiles$predicted <- factor(tiles$predicted, colnames(confusion))
  tiles
}

# Cells of each true type; those without prediction are part of it, but in no tile.
cells_by_type <- function(evaluation) {
  cells <- rowSums(evaluation$confusion)
  left_out <- evaluation$by_type$left_out[match(names(cells), evaluation$by_type$type)]
  # Novel types share one entry of the table, so theirs cannot be told apart.
  left_out[is.na(left_out)] <- 0
  cells + left_out
}

# Empty tiles stay empty: a page of zeros hides the numbers that matter.
tile_counts <- function(tiles, n_types) {
  filled <- tiles[tiles$cells > 0, ]
  filled$ink <- ifelse(filled$share > 0.5, "white", "black")
  ggplot2::geom_text(
    ggplot2::aes(label = thousands(.data$cells), colour = I(.data$ink)),
    data = filled, size = max(1.5, min(4.2, 45 / n_types))
  )
}

confusion_theme <- function(n_types) {
  text_size <- max(5.5, min(11, 190 / n_types))
  ggplot2::theme_minimal(base_size = 12) + ggplot2::theme(
    axis.text = ggplot2::element_text(size = text_size, colour = "black"),
    axis.text.x.top = ggplot2::element_text(angle = 90, hjust = 0, vjust = 0.5),
    plot.caption.position = "plot",
    panel.grid = ggplot2::element_blank(),
    plot.background = ggplot2::element_rect(fill = "white", colour = NA)
  )
}

as_percent <- function(shares) sprintf("%g %%", round(100 * shares, 1))

#' @rdname canal-plots
#' @export
plot.canal_stream <- function(x, ...) {
  need_package("ggplot2", "x", "which draws the plots")
  lines <- stream_lines(x)
  looks <- line_looks(levels(lines$cells_of))
  # A stage's only point draws no line; it is no fault, so it is given to the points alone.
  several <- lines[lines$cells_of %in% names(which(table(lines$cells_of) > 1)), ]
  ggplot2::ggplot(lines, ggplot2::aes(x = .data$stage, y = .data$accuracy,
                                      colour = .data$cells_of, shape = .data$cells_of,
                                      linetype = .data$cells_of)) +
    ggplot2::geom_line(data = several, linewidth = 0.8) +
    ggplot2::geom_point(size = 3) +
    ggplot2::scale_colour_manual(values = looks$colour) +
    ggplot2::scale_shape_manual(values = looks$shape) +
    ggplot2::scale_linetype_manual(values = looks$linetype) +
    ggplot2::scale_x_continuous(breaks = x$stage, expand = ggplot2::expansion(add = 0.3)) +
    ggplot2::scale_y_continuous(labels = as_percent) +
    ggplot2::labs(x = "after stage", y = "accuracy", colour = "held-out cells",
                  shape = "held-out cells", linetype = "held-out cells") +
    ggplot2::theme_bw(base_size = 12) +
    ggplot2::theme(panel.grid.minor = ggplot2::element_blank())
}

# Long form: a row per stage and line.
stream_lines <- function(stream) {
  stages <- stream$stage
  columns <- c(paste0("accuracy_", stages), "average_accuracy")
  names <- c(paste("of stage", stages), "average")
  lines <- data.frame(stage = rep(stages, length(columns)),
                      accuracy = unlist(as.data.frame(stream)[columns], use.names = FALSE),
                      cells_of = factor(rep(names, each = length(stages)), names))
  lines[!is.na(lines$accuracy), ]
}

# Okabe and Ito's colours, and shapes that tell lines apart where colours come round again.
line_looks <- function(names) {
  stages <- length(names) - 1
  colours <- c("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
  shapes <- c(16, 17, 15, 18, 8, 3, 4, 7, 9, 10, 12)
  list(colour = stats::setNames(c(rep_len(colours, stages), "black"), names),
       shape = stats::setNames(c(rep_len(shapes, stages), 1), names),
       linetype = stats::setNames(c(rep("solid", stages), "dashed"), names))
}
