# What the stages have learned and forgotten, as a picture.

#' @rdname canal-plots
#' @export
plot.canal_stream <- function(x, ...) {
  check_no_dots(...)
  need_ggplot()
  lines <- stream_lines(x)
  looks <- line_looks(levels(lines$cells_of))
  # A stage's only point draws no line; it is no fault, so it is given to the points alone.
  several <- lines[lines$cells_of %in% names(which(label_counts(lines$cells_of) > 1)), ]
  limits <- levels(lines$cells_of)
  picture <- ggplot2::ggplot(lines, ggplot2::aes(x = .data$stage, y = .data$value,
                                                 colour = .data$cells_of, shape = .data$cells_of,
                                                 linetype = .data$cells_of)) +
    ggplot2::geom_line(data = several, linewidth = 0.8) +
    ggplot2::geom_point(size = 2.6) +
    ggplot2::scale_colour_manual(values = looks$colour, limits = limits) +
    ggplot2::scale_shape_manual(values = looks$shape, limits = limits) +
    ggplot2::scale_linetype_manual(values = looks$linetype, limits = limits) +
    ggplot2::scale_x_continuous(breaks = x$stage, expand = ggplot2::expansion(add = 0.3)) +
    ggplot2::scale_y_continuous(labels = as_percent) +
    ggplot2::labs(x = "after stage", y = NULL, colour = "held-out cells", shape = "held-out cells",
                  linetype = "held-out cells") +
    picture_theme()
  if (nlevels(lines$panel) == 1) return(picture + ggplot2::labs(y = "accuracy"))
  picture + ggplot2::facet_wrap(ggplot2::vars(.data$panel), ncol = 1, scales = "free_y")
}

# Long form: a row per stage and line. Nothing can be forgotten in the only stage.
stream_lines <- function(stream) {
  stages <- stream$stage
  columns <- c(paste0("accuracy_", stages), "average_accuracy",
               if (length(stages) > 1) "forgetting")
  names <- c(paste("of stage", stages), "average")
  lines <- data.frame(
    stage = rep(stages, length(columns)), panel = rep(panel_names(columns), each = length(stages)),
    value = unlist(as.data.frame(stream)[columns], use.names = FALSE),
    cells_of = factor(rep(c(names, "average")[seq_along(columns)], each = length(stages)), names)
  )
  lines$panel <- factor(lines$panel, unique(lines$panel))
  lines[!is.na(lines$value), ]
}

panel_names <- function(columns) {
  ifelse(columns == "forgetting",
         "forgetting (earlier stages' accuracy, below its best, on average)", "accuracy")
}

# Colours, and shapes that tell lines apart where colours come round again.
line_looks <- function(names) {
  stages <- length(names) - 1
  shapes <- c(16, 17, 15, 18, 8, 3, 4, 7, 9, 10, 12)
  list(colour = stats::setNames(c(rep_len(line_colours, stages), "black"), names),
       shape = stats::setNames(c(rep_len(shapes, stages), 1), names),
       linetype = stats::setNames(c(rep("solid", stages), "dashed"), names))
}
