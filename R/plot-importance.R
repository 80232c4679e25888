# The genes that a model attends to, as a picture.

#' @rdname canal-plots
#' @param genes How many genes of each type to show, of those that `x` lists. `NULL`: what fits.
#' @export
plot.canal_importance <- function(x, ..., genes = NULL) {
  need_package("ggplot2", "x", "which draws the plots")
  types <- unique(x$type)
  if (!length(types)) canal_abort("empty", "x", "importances of at least one type", "none")
  if (is.null(genes)) genes <- max(3, min(15, floor(72 / length(types))))
  check_number(genes, "genes", from = 1, to = Inf, whole = TRUE)
  bars <- importance_bars(x, genes)
  measure <- attr(x, "rank_by")
  # A lift of 1 is no difference, so that bars start from there.
  from <- if (measure == "lift") 1 else 0
  ggplot2::ggplot(bars, ggplot2::aes(y = .data$row)) +
    ggplot2::geom_vline(xintercept = from, colour = "grey60", linewidth = 0.4) +
    ggplot2::geom_segment(ggplot2::aes(x = from, xend = .data$value, yend = .data$row),
                          colour = "#9ECAE1", linewidth = 1.4) +
    ggplot2::geom_point(ggplot2::aes(x = .data$value), colour = "#08306B", size = 1.8) +
    ggplot2::facet_wrap(ggplot2::vars(.data$panel), scales = "free_y") +
    ggplot2::scale_y_discrete(labels = function(rows) sub("^[0-9]+ ", "", rows)) +
    ggplot2::labs(x = measure_names[[measure]], y = NULL) +
    importance_theme(length(types), genes)
}

measure_names <- c(lift = "share of attention over its mean in all types (lift)",
                   share = "share of attention")

# A row per type and gene. Genes have their own order in every panel, so that a row is named by
# panel and gene.
importance_bars <- function(x, genes) {
  bars <- as.data.frame(x)
  types <- unique(bars$type)
  bars <- bars[order(match(bars$type, types), bars$rank), ]
  bars <- bars[stats::ave(bars$rank, bars$type, FUN = seq_along) <= genes, ]
  names <- sprintf("%s (%s)", types, thousands(attr(x, "cells")[types]))
  bars$panel <- factor(names[match(bars$type, types)], names)
  bars$row <- paste(match(bars$type, types), bars$gene)
  bars$row <- factor(bars$row, rev(bars$row))
  bars$value <- bars[[attr(x, "rank_by")]]
  bars
}

importance_theme <- function(n_types, genes) {
  rows <- ceiling(sqrt(n_types)) * genes
  ggplot2::theme_bw(base_size = 11) + ggplot2::theme(
    axis.text.y = ggplot2::element_text(size = max(5, min(10, 330 / rows)), colour = "black"),
    strip.text = ggplot2::element_text(size = if (n_types > 12) 7.5 else 10),
    strip.background = ggplot2::element_rect(fill = "grey95", colour = NA),
    panel.grid.major.y = ggplot2::element_blank(),
    panel.grid.minor = ggplot2::element_blank()
  )
}
