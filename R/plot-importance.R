# The genes that a model attends to, as a picture.

#' @rdname canal-plots
#' @param genes How many genes of each type to show, of those that `x` lists. `NULL`: 3 to 15,
#'   what fits into a picture of 18 x 12 cm; more than 14 types take a larger one (from 25 on, of
#'   24 x 18 cm).
#' @export
plot.canal_importance <- function(x, ..., genes = NULL) {
  check_no_dots(...)
  need_ggplot()
  if (!nrow(x)) canal_abort("empty", "x", "importances of at least one type", "none")
  layout <- panel_layout(attr(x, "cells")[unique(x$type)])
  if (is.null(genes)) genes <- max(3, min(15, floor(layout$height / 9)))
  check_number(genes, "genes", from = 1, to = Inf, whole = TRUE)
  bars <- importance_bars(x, genes, layout)
  measure <- attr(x, "rank_by")
  # A lift of 1 is no difference, so that bars start from there.
  from <- if (measure == "lift") 1 else 0
  # Names stand in their bars: beside the panels they would leave many panels no width.
  ggplot2::ggplot(bars, ggplot2::aes(y = .data$row)) +
    ggplot2::geom_rect(ggplot2::aes(xmin = from, xmax = .data$value, ymin = .data$row - 0.42,
                                    ymax = .data$row + 0.42), fill = "#9ECAE1") +
    ggplot2::geom_vline(xintercept = from, colour = "grey40", linewidth = 0.4) +
    ggplot2::geom_text(ggplot2::aes(x = from, label = paste0(" ", .data$gene)), hjust = 0,
                       size = gene_text_size(bars, layout) / ggplot2::.pt) +
    ggplot2::facet_wrap(ggplot2::vars(.data$panel), ncol = layout$columns,
                        labeller = ggplot2::as_labeller(layout$titles)) +
    ggplot2::scale_x_continuous(n.breaks = 4, guide = ggplot2::guide_axis(check.overlap = TRUE)) +
    ggplot2::scale_y_reverse(breaks = NULL, expand = ggplot2::expansion(add = 0.1)) +
    ggplot2::labs(x = measure_names[[measure]], y = NULL) +
    importance_theme(layout$title_size)
}

measure_names <- c(lift = "share of attention over its mean in all types (lift)",
                   share = "share of attention")

# Panels and what room they have, in points, in a picture of 18 x 12 cm for up to 14 types, of
# 24 x 16 cm, which leaves 2 to spare, from 25 on, and of sizes between for those between; a letter
# is taken to be 0.6 of its size wide. cells: their numbers, named by type.
panel_layout <- function(cells) {
  picture <- c(510, 340) * max(1, min(4 / 3, sqrt(length(cells) / 14)))
  columns <- ceiling(sqrt(0.8 * length(cells)))
  rows <- ceiling(length(cells) / columns)
  size <- if (columns > 5) 6 else if (columns > 3) 7 else 10
  width <- 0.96 * picture[1] / columns
  letters <- floor(width / (0.6 * size))
  # Titles of many types in two or three lines, so that genes have room too.
  names <- if (columns > 5) shorten_middle(names(cells), 2 * letters - 6) else names(cells)
  lines <- lapply(sprintf("%s (%s)", names, thousands(cells)), strwrap, width = letters)
  titles <- vapply(lines, paste, "", collapse = "\n")
  height <- 0.9 * picture[2] / rows - (max(lengths(lines)) * size + 6) - 6
  list(columns = columns, width = width, height = height, title_size = size,
       titles = stats::setNames(titles, names(cells)))
}

# A row per type and gene; `row` counts the genes of a panel from the top.
importance_bars <- function(x, genes, layout) {
  bars <- as.data.frame(x)
  types <- names(layout$titles)
  bars <- bars[order(match(bars$type, types), bars$rank), ]
  bars$row <- stats::ave(bars$rank, bars$type, FUN = seq_along)
  bars <- bars[bars$row <= genes, ]
  bars$panel <- factor(bars$type, types)
  bars$value <- bars[[attr(x, "rank_by")]]
  bars
}

# In points, the largest that leaves every gene its line and the longest name in its panel.
gene_text_size <- function(bars, layout) {
  by_height <- 0.85 * layout$height / max(bars$row)
  by_width <- 0.85 * layout$width / (0.6 * (max(nchar(bars$gene)) + 1))
  max(4.5, min(9.5, by_height, by_width))
}

importance_theme <- function(title_size) {
  ggplot2::theme_bw(base_size = 11) + ggplot2::theme(
    strip.text = ggplot2::element_text(size = title_size, lineheight = 0.9,
                                       margin = ggplot2::margin(2, 2, 2, 2)),
    strip.background = ggplot2::element_rect(fill = "grey95", colour = NA),
    axis.text.x = ggplot2::element_text(size = title_size),
    panel.grid.major.y = ggplot2::element_blank(),
    panel.grid.minor = ggplot2::element_blank()
  )
}
