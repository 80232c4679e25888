# The confusion matrix of an evaluation, as a picture.

#' @rdname canal-plots
#' @param counts Write the numbers of cells into the tiles? `NULL`: where they have room, in
#'   18 x 12 cm. The number of cells of each true type is always there.
#' @export
plot.canal_evaluation <- function(x, ..., counts = NULL) {
  check_no_dots(...)
  need_ggplot()
  if (!length(x$confusion)) {
    canal_abort("empty", "x", "an evaluation of at least one cell", "none")
  }
  x$confusion <- with_rows_for_numbers(x$confusion)
  n_types <- max(dim(x$confusion))
  text_size <- tile_text_size(x$confusion)
  if (is.null(counts)) counts <- n_types <= 25 && text_size >= 3.7
  check_flag(counts, "counts")
  cells <- cells_by_type(x)
  tiles <- confusion_tiles(x$confusion, cells)
  names <- table_names(rownames(x$confusion), colnames(x$confusion), cells)
  picture <- ggplot2::ggplot(tiles, ggplot2::aes(x = .data$predicted, y = .data$truth)) +
    ggplot2::geom_tile(ggplot2::aes(fill = .data$share), colour = "grey88",
                       linewidth = if (n_types > 20) 0.1 else 0.3) +
    error_scale() +
    ggplot2::scale_x_discrete(position = "top", expand = c(0, 0), labels = names$columns) +
    ggplot2::scale_y_discrete(expand = c(0, 0), labels = names$rows) +
    ggplot2::coord_fixed() +
    ggplot2::labs(x = "label", y = "truth (cells)", fill = "share of\ntrue type",
                  caption = caption_of(headline(x))) +
    table_theme(names)
  if (counts) picture + tile_counts(tiles, max(3.7, text_size)) else picture
}

# Where columns have but numbers, a type without cells of its own needs a row that tells its number.
# Rows then are in the order of the columns, those without one after them.
with_rows_for_numbers <- function(confusion) {
  types <- colnames(confusion)
  lacking <- setdiff(types, c(rownames(confusion), unassigned_label))
  if (!has_numbers(types) || !length(lacking)) return(confusion)
  empty <- matrix(0L, length(lacking), ncol(confusion), dimnames = list(lacking, types))
  known <- setdiff(types, unassigned_label)
  rbind(confusion, empty)[c(known, setdiff(rownames(confusion), known)), , drop = FALSE]
}

# White is none at all: among few errors a light tile would be overlooked, were it not for the step
# from none to some.
error_scale <- function() {
  ggplot2::scale_fill_gradientn(
    colours = c("white", "#DCE9F5", "#9ECAE1", "#3182BD", "#08306B"),
    values = c(0, 1e-6, 0.15, 0.5, 1), limits = c(0, 1), labels = as_percent
  )
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

# In points: with it the longest number fits into its tile in a picture of 18 x 12 cm.
tile_text_size <- function(confusion) {
  min(12, 0.95 * 190 / max(dim(confusion)) / (0.6 * max(nchar(thousands(c(confusion))))))
}

# Empty tiles stay empty: a page of zeros hides the numbers that matter.
tile_counts <- function(tiles, text_size) {
  filled <- tiles[tiles$cells > 0, ]
  filled$ink <- ifelse(filled$share > 0.4, "white", "black")
  ggplot2::geom_text(
    ggplot2::aes(label = thousands(.data$cells), colour = I(.data$ink)),
    data = filled, size = text_size / ggplot2::.pt
  )
}
