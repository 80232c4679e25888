# Cells in the plane, as a picture.

#' Picture of the cells' embedding
#'
#' A UMAP of the embedding that [canal_embed()] or [cellular_embed()] has made, or any two
#' dimensions that are there already; a dot per cell. Types are named in the picture, at the cell
#' in the middle of each. Where the names have no room they are numbers, which the legend explains,
#' so that nobody has to tell 60 colours apart.
#'
#' Of many cells the dots are small and let others shine through; they are drawn in random order, so
#' that no type hides another, above those that are "Unassigned" or have no label, in grey. A vector
#' file of 100,000 dots is large: `ggrastr::rasterise()` makes an image of the dots of the returned
#' picture, `ggplot2::ggsave("cells.png")` one of all of it.
#'
#' @param x A SingleCellExperiment, a Seurat object or a `DataFrame` with an embedding.
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
#'   changed. Cells without an embedding are left out, as the caption tells. 100,000 cells of 64
#'   dimensions take a UMAP of minutes.
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
  caption <- if (!all(used)) {
    caption_of(sprintf("%s without an embedding left out.", cells_text(sum(!used))))
  }
  cells <- with_seed(seed, cells[used, ][sample.int(sum(used)), ])
  axes <- if (is.null(reduction)) "UMAP" else reduction
  picture <- if (is.numeric(colour)) draw_numbers(cells, colour_by) else draw_types(cells)
  picture + ggplot2::labs(x = paste(axes, 1), y = paste(axes, 2), caption = caption)
}

# The embedding of a prefix, cells x width. Seurat's names are in lower case, others' in upper case.
prefix_embedding <- function(x, prefix) {
  name <- if (methods::is(x, "Seurat")) tolower(prefix) else toupper(prefix)
  if (methods::is(x, "DataFrame")) name <- "embedding"
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
  plane[there, ] <- with_seed(seed, do.call(uwot::umap, c(list(
    unname(embedding[there, , drop = FALSE])
  ), settings)))[, 1:2]
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

draw_types <- function(cells) {
  cells$colour <- with_type_levels(cells$colour)
  types <- levels(cells$colour)
  cells <- cells[order(!cells$colour %in% c(unassigned_label, no_label)), ]
  labels <- type_labels(cells)
  legend <- legend_names(types, labels)
  ggplot2::ggplot(cells, ggplot2::aes(x = .data$x, y = .data$y)) +
    dots(cells) +
    label_layers(labels) +
    ggplot2::scale_colour_manual(values = type_colours(types), limits = types,
                                 breaks = names(legend), labels = unname(legend), name = NULL) +
    ggplot2::guides(colour = ggplot2::guide_legend(
      ncol = if (length(legend) > 31) 2 else 1, override.aes = list(size = 2, alpha = 1)
    )) +
    plane_theme(max(5, min(9, 230 / min(length(legend), 31))))
}

plane_theme <- function(legend_size) {
  picture_theme() + ggplot2::theme(
    panel.grid.major = ggplot2::element_blank(), axis.text = ggplot2::element_blank(),
    axis.ticks = ggplot2::element_blank(), legend.text = ggplot2::element_text(size = legend_size),
    legend.key.height = grid::unit(1.25 * legend_size, "pt"),
    legend.key.width = grid::unit(legend_size, "pt")
  )
}

# A row per named type: where its text stands, and the line that leads there. The text is the name
# where all have room, else a number. Cells of no type have their grey, and the legend.
type_labels <- function(cells) {
  types <- setdiff(levels(cells$colour), c(unassigned_label, no_label))
  if (!length(types)) return(NULL)
  # Points of the panel in a picture of 18 x 12 cm; the legend of numbers takes half of it.
  if (length(types) <= 25) {
    named <- placed_texts(cells, types, types, panel = c(430, 290), size = 8)
    if (!is.null(named)) return(named)
  }
  placed_texts(cells, types, as.character(seq_along(types)), panel = c(230, 290), size = 6.5,
               far = Inf)
}

# NULL where the texts have to go farther than `far` points from where they belong.
placed_texts <- function(cells, types, texts, panel, size, far = 60) {
  extent <- c(diff(range(cells$x)), diff(range(cells$y)))
  scale <- panel / ifelse(extent > 0, extent, 1)
  clouds <- do.call(rbind, lapply(types, function(type) {
    cloud_of(cells$x[cells$colour == type] * scale[1], cells$y[cells$colour == type] * scale[2])
  }))
  widths <- 0.66 * size * nchar(texts) + 4
  height <- 1.35 * size
  # A text hides its cloud where that is small: there it stands above it.
  small <- clouds[, "height"] < 3 * height
  wanted <- clouds[, c("x", "y"), drop = FALSE]
  wanted[small, 2] <- wanted[small, 2] + clouds[small, "height"] / 2 + 0.7 * height
  centre <- scale * c(mean(range(cells$x)), mean(range(cells$y)))
  bounds <- rbind(centre - panel / 2, centre + panel / 2 + c(0, height))
  places <- apart(wanted, widths, height, bounds, far)
  if (is.null(places)) return(NULL)
  # A line leads from a text that had to go away to its cloud, from the edge of its box on.
  moved <- sqrt(rowSums((places - wanted)^2)) > height
  edge <- places + pmax(pmin(clouds[, c("x", "y")] - places, cbind(widths, height) / 2),
                        -cbind(widths, height) / 2)
  data.frame(type = types, text = texts, size = size, x = places[, 1] / scale[1],
             y = places[, 2] / scale[2], cloud_x = clouds[, "x"] / scale[1],
             cloud_y = clouds[, "y"] / scale[2], edge_x = edge[, 1] / scale[1],
             edge_y = edge[, 2] / scale[2], moved = moved)
}

# The middle of a type's cells, which is one of them: in a type of several clouds the medians may
# lie between these. And the height of the cloud round it.
cloud_of <- function(x, y) {
  far <- sqrt((x - stats::median(x))^2 + (y - stats::median(y))^2)
  middle <- which.min(far)
  near <- y[abs(y - y[middle]) <= 3 * stats::median(abs(y - y[middle]))]
  c(x = x[middle], y = y[middle], height = 2 * max(abs(near - y[middle])))
}

# Moves boxes off one another and into the bounds, step by step and as little as may be. wanted:
# their middles, n x 2. bounds: the lowest and the highest x and y, 2 x 2. Returns the middles; NULL
# where they do not come apart, or one has to go farther than `far`.
apart <- function(wanted, widths, height, bounds, far, steps = 300) {
  places <- wanted
  inside <- function(at, from, to) pmax(pmin(at, pmax(to, from)), from)
  for (step in seq_len(steps)) {
    places[, 1] <- inside(places[, 1], bounds[1, 1] + widths / 2, bounds[2, 1] - widths / 2)
    places[, 2] <- inside(places[, 2], bounds[1, 2] + height / 2, bounds[2, 2] - height / 2)
    push <- box_pushes(places, widths, height)
    if (all(push == 0)) break
    places <- places + push
  }
  gone <- sqrt(rowSums((places - wanted)^2))
  fits <- all(push == 0) && all(gone <= far) && all(widths <= diff(bounds[, 1]))
  if (fits || is.infinite(far)) places
}

# How boxes that overlap push one another away, along the side that they overlap less; n x 2.
box_pushes <- function(places, widths, height) {
  dx <- outer(places[, 1], places[, 1], `-`)
  dy <- outer(places[, 2], places[, 2], `-`)
  over_x <- outer(widths, widths, `+`) / 2 - abs(dx)
  over_y <- height - abs(dy)
  hit <- over_x > 0.01 & over_y > 0.01 & row(dx) != col(dx)
  sideways <- hit & over_x < over_y
  # Of two at one height the first goes up.
  up <- ifelse(dy == 0, ifelse(row(dy) < col(dy), 1, -1), sign(dy))
  cbind(rowSums(ifelse(sideways, sign(dx) * (over_x + 0.1) / 3, 0)),
        rowSums(ifelse(hit & !sideways, up * (over_y + 0.1) / 3, 0)))
}

label_layers <- function(labels) {
  if (is.null(labels)) return(NULL)
  # ggplot2 4.0 has another name for the width of the border.
  border <- if (utils::packageVersion("ggplot2") < "4.0.0") "label.size" else "linewidth"
  texts <- list(ggplot2::aes(label = .data$text), data = labels, alpha = 0.75,
                size = labels$size[1] / ggplot2::.pt, label.padding = grid::unit(0.8, "pt"))
  texts[[border]] <- 0
  list(
    ggplot2::geom_segment(ggplot2::aes(x = .data$cloud_x, y = .data$cloud_y, xend = .data$edge_x,
                                       yend = .data$edge_y), data = labels[labels$moved, ],
                          linewidth = 0.25, colour = "grey30"),
    do.call(ggplot2::geom_label, texts)
  )
}

# Legend entries, named by type: only what the picture does not name.
legend_names <- function(types, labels) {
  greys <- intersect(c(unassigned_label, no_label), types)
  greys <- stats::setNames(greys, greys)
  if (is.null(labels) || identical(labels$text, labels$type)) return(greys)
  c(stats::setNames(paste(labels$text, shorten_middle(labels$type, 36)), labels$type), greys)
}
