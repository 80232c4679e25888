# Cells in the plane, as a picture.

#' Picture of the cells' embedding
#'
#' A UMAP of the embedding that [canal_embed()] or [cellular_embed()] has made, or any two
#' dimensions that are there already; a dot per cell, coloured as the legend tells. Groups that
#' stand apart, as types mostly do, are named in the picture too, at the cell in the middle of each.
#' Those that mix, as batches should, are not: their names would stand among others' cells. Where
#' the names have no room, or there are more than 25, they are numbers that the legend explains, so
#' that nobody has to tell 60 colours apart; names of up to three letters, as of clusters, stay.
#'
#' A group stands apart where its own cells make up most of those round its middle: of the cells
#' nearest to that, as many as the group has, more than half are its own beyond chance. In a picture
#' that is smaller than 18 x 12 cm, names that would lie on others are left out.
#'
#' Of many cells the dots are small and let others shine through; they are drawn in random order, so
#' that no type hides another, above those that are "Unassigned" or have no label, in grey. A vector
#' file of 100,000 dots is large: `ggrastr::rasterise()` makes an image of the dots of the returned
#' picture, `ggplot2::ggsave("cells.png")` one of all of it.
#'
#' @param x A SingleCellExperiment, a Seurat object, a `DataFrame` or a data frame with an
#'   embedding.
#' @param colour_by Name of the column of cells that colours them: labels (text, a factor or `TRUE`
#'   and `FALSE`), or numbers, as `"canal_novelty"` has.
#' @param prefix Whose embedding, where `reduction` is `NULL`: `reducedDim(x, toupper(prefix))`, the
#'   Seurat reduction `tolower(prefix)`, or the column `embedding` of a `DataFrame`.
#' @param reduction `NULL`, which computes a UMAP of the embedding with the package uwot. Or the
#'   name of reduced dimensions of `x` ("UMAP", say), the first two of which are shown as they are.
#' @param seed Seed of the UMAP and of the order of the dots, one whole number. Your random numbers
#'   are not touched.
#' @param ... Arguments of `uwot::umap()`, such as `n_neighbors` and `min_dist`.
#'
#' @return A ggplot2 object, whose data has the coordinates (`x`, `y`), a row per cell. `x` is not
#'   changed. Cells without an embedding are left out, as the caption tells. More than 150 groups
#'   are drawn without legend and names, which it tells too. 100,000 cells of 64 dimensions take a
#'   UMAP of minutes.
#' @section Errors: `canalR_error_reduction` where `x` has no such embedding or reduction, or one of
#'   fewer than two dimensions; `canalR_error_prediction` where it has no column `colour_by`;
#'   `canalR_error_cells` where fewer than four cells have an embedding, too few for a UMAP;
#'   `canalR_error_class` for another kind of `x`; `canalR_error_package` where ggplot2 or uwot is
#'   not installed; `canalR_error_argument`.
#' @source McInnes et al. (2018) UMAP: Uniform Manifold Approximation and Projection. *Journal of
#'   Open Source Software* 3:861, as uwot computes it.
#' @examplesIf requireNamespace("ggplot2", quietly = TRUE)
#' cells <- S4Vectors::DataFrame(canal_label = rep(c("alpha", "beta"), each = 20))
#' cells$plane <- cbind(c(1:20, 30:49), sin(1:40))
#' canal_plot_embedding(cells, reduction = "plane")
#' @export
canal_plot_embedding <- function(x, colour_by = "canal_label", prefix = "canal", reduction = NULL,
                                 seed = 1, ...) {
  need_ggplot()
  check_one_name(prefix)
  check_number(seed, "seed", from = 0, to = 2^31 - 1, whole = TRUE)
  check_one_name(colour_by, "colour_by")
  if (!is.null(reduction)) check_one_name(reduction, "reduction")
  colour <- written_column(x, colour_by, if (colour_by == paste0(prefix, "_label")) {
    writes_labels(prefix)
  })
  if (!is.atomic(colour) || !is.null(dim(colour))) {
    canal_abort("argument", "colour_by", "a column of labels or numbers", describe_value(colour))
  }
  plane <- if (is.null(reduction)) {
    umap_of(prefix_embedding(x, prefix), seed, ...)
  } else {
    check_no_dots(...)
    first_two(reduction_of(x, reduction), reduction)
  }
  cells <- data.frame(x = plane[, 1], y = plane[, 2], colour = colour)
  used <- is.finite(cells$x) & is.finite(cells$y)
  if (!any(used)) canal_abort("cells", "x", "at least one cell with coordinates", "none")
  left_out <- if (!all(used)) {
    sprintf("%s without an embedding left out.", cells_text(sum(!used)))
  }
  cells <- with_seed(seed, cells[used, ][sample.int(sum(used)), ])
  axes <- if (is.null(reduction)) "UMAP" else reduction
  draw <- if (is.numeric(colour)) draw_numbers else draw_types
  picture <- draw(cells, colour_by)
  picture + ggplot2::labs(x = paste(axes, 1), y = paste(axes, 2),
                          caption = caption_of(left_out, picture$labels$caption))
}

# The embedding of a prefix, cells x width. Seurat's names are in lower case, others' in upper case.
prefix_embedding <- function(x, prefix) {
  name <- if (methods::is(x, "Seurat")) tolower(prefix) else toupper(prefix)
  if (is_table(x)) name <- "embedding"
  reduction_of(x, name, sprintf("%s_embed(..., prefix = \"%s\") makes it.", method_of(prefix),
                                prefix), "x")
}

# Reduced dimensions by their name, cells x width; matrix columns of a DataFrame.
reduction_of <- function(x, name, hint = NULL, argument = "reduction") {
  if (methods::is(x, "SingleCellExperiment")) {
    there <- SingleCellExperiment::reducedDimNames(x)
    if (name %in% there) return(as.matrix(SingleCellExperiment::reducedDim(x, name)))
  } else if (methods::is(x, "Seurat")) {
    need_seurat()
    there <- SeuratObject::Reductions(x)
    if (name %in% there) return(SeuratObject::Embeddings(x, name))
  } else {
    columns <- cell_columns(x)
    there <- Filter(function(column) is.matrix(columns[[column]]), colnames(columns))
    if (name %in% there) return(columns[[name]])
  }
  canal_abort("reduction", argument, sprintf("cells with the reduced dimensions \"%s\"", name),
              if (length(there)) paste("only", some_of(there)) else "cells with none", hint)
}

first_two <- function(values, name) {
  if (ncol(values) >= 2) return(values[, 1:2, drop = FALSE])
  canal_abort("reduction", "reduction", "at least two dimensions",
              sprintf("%d in %s", ncol(values), name))
}

# UMAP of the rows that are there, NA for others; cells x 2. One thread, so that a seed gives the
# same picture.
umap_of <- function(embedding, seed, ...) {
  need_package("uwot", "reduction", "which computes UMAPs")
  there <- rowSums(is.finite(embedding)) == ncol(embedding)
  if (sum(there) < 4) {
    canal_abort("cells", "x", "at least four cells with an embedding", as.character(sum(there)),
                "`reduction` can name two dimensions that are there.")
  }
  check_known(names(list(...)), names(formals(uwot::umap)), "uwot::umap")
  settings <- utils::modifyList(list(n_neighbors = min(15, sum(there) - 1), n_threads = 1),
                                list(...))
  plane <- matrix(NA_real_, nrow(embedding), 2)
  cells <- unname(embedding[there, , drop = FALSE])
  found <- with_seed(seed, keep_lent_options(do.call(uwot::umap, c(list(cells), settings))))
  plane[there, ] <- found[, 1:2]
  plane
}

# What goes on to another function by `...` is to be an argument of it.
check_known <- function(names, known, receiver) {
  unknown <- setdiff(names, known)
  if (!length(unknown)) return(invisible())
  canal_abort("argument", "...", sprintf("arguments of %s(), by name", receiver),
              some_of(unknown), "See the arguments of this function, too: `colour_by`, say.")
}

# How large dots are and how much they hide, so that 200 can be seen and 100,000 told apart.
dots <- function(cells) {
  many <- 60 / sqrt(nrow(cells))
  ggplot2::geom_point(ggplot2::aes(colour = .data$colour), shape = 16, stroke = 0,
                      size = max(0.4, min(2, many)), alpha = max(0.5, min(0.9, many)))
}

draw_numbers <- function(cells, name) {
  # Missing ones lie below.
  cells <- cells[order(!is.na(cells$colour)), ]
  ggplot2::ggplot(cells, ggplot2::aes(x = .data$x, y = .data$y)) +
    dots(cells) +
    ggplot2::scale_colour_viridis_c(name = name, na.value = "grey80", direction = -1) +
    plane_theme(9)
}

draw_types <- function(cells, name) {
  cells$colour <- with_type_levels(cells$colour)
  types <- levels(cells$colour)
  # Those of no type lie below.
  cells <- cells[order(!cells$colour %in% c(unassigned_label, no_label)), ]
  colours <- type_colours(types)
  picture <- ggplot2::ggplot(cells, ggplot2::aes(x = .data$x, y = .data$y)) + dots(cells)
  looks <- legend_looks(types)
  if (is.null(looks)) {
    return(picture +
             ggplot2::scale_colour_manual(values = colours, limits = types, guide = "none") +
             ggplot2::labs(caption = sprintf("%s groups of %s, too many for a legend.",
                                             thousands(length(types)), name)) +
             plane_theme(9))
  }
  labels <- type_labels(cells, 470 - looks$width)
  picture +
    label_layers(labels) +
    ggplot2::scale_colour_manual(values = colours, limits = types, name = name,
                                 labels = legend_names(types, labels)) +
    ggplot2::guides(colour = ggplot2::guide_legend(ncol = looks$columns,
                                                   override.aes = list(size = 2, alpha = 1))) +
    plane_theme(looks$size)
}

# Number of columns, size of the text and width, in points, of a legend that fits into 12 cm or, of
# more than 31 types, into 18 cm; NULL where none does. A letter is about 0.6 of its size wide.
legend_looks <- function(types) {
  if (length(types) > 150) return(NULL)
  columns <- findInterval(length(types), c(0, 32, 101))
  size <- max(5, min(9, 230 / min(length(types), 31)))
  letters <- max(nchar(shorten_middle(types, longest_in_legend)))
  list(columns = columns, size = size, width = columns * size * (0.6 * letters + 2))
}

longest_in_legend <- 36

plane_theme <- function(legend_size) {
  picture_theme() + ggplot2::theme(
    panel.grid.major = ggplot2::element_blank(), axis.text = ggplot2::element_blank(),
    axis.ticks = ggplot2::element_blank(), legend.text = ggplot2::element_text(size = legend_size),
    legend.key.height = grid::unit(1.25 * legend_size, "pt"),
    legend.key.width = grid::unit(legend_size, "pt")
  )
}

# What the legend calls the types: those that are numbers in the picture have these in front.
legend_names <- function(types, labels) {
  names <- shorten_middle(types, longest_in_legend)
  if (is.null(labels) || identical(labels$text, labels$type)) return(names)
  number <- labels$text[match(types, labels$type)]
  ifelse(is.na(number), names, paste(number, names))
}
