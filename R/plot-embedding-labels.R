# Where the names of groups stand in the picture of an embedding, and how they are drawn.

# A row per type that is named in the picture: where its text stands, and the line that leads there.
# The text is the name where all have room, else a number. NULL: none is named, as of cells of no
# type. width: of the panel, in points, in a picture of 18 x 12 cm.
type_labels <- function(cells, width) {
  types <- setdiff(levels(cells$colour), c(unassigned_label, no_label))
  named <- vapply(types, stands_apart, NA, cells = cells[cells$colour %in% types, ])
  # So many colours cannot be told apart: a number in the midst of others is better than none. Not
  # where nearly all would stand so.
  if (length(types) > 25 && mean(named) > 0.25) named[] <- TRUE
  if (!any(named)) return(NULL)
  if (length(types) <= 25) {
    labels <- placed_texts(cells, types[named], types[named], panel = c(width, 290), size = 8)
    if (!is.null(labels)) return(labels)
  }
  # Names of clusters are as short, and another number would be taken for them.
  numbers <- if (all(nchar(types) <= 3)) types else as.character(seq_along(types))
  placed_texts(cells, types[named], numbers[named], panel = c(max(230, width), 290), size = 7,
               far = Inf, least = 14)
}

# Whether the cells round the middle of a type are its own: of the nearest ones, as many as it has,
# more than half beyond its share of all cells. Of batches that mix about none are, and few of one
# that has a side of every type's island to itself.
stands_apart <- function(type, cells) {
  own <- cells$colour == type
  if (all(own)) return(TRUE)
  x <- cells$x / max(diff(range(cells$x)), .Machine$double.eps)
  y <- cells$y / max(diff(range(cells$y)), .Machine$double.eps)
  middle <- which(own)[middle_cell(x[own], y[own])]
  far <- (x - x[middle])^2 + (y - y[middle])^2
  far[middle] <- Inf
  wanted <- max(1, sum(own) - 1)
  near <- far <= sort(far, partial = wanted)[wanted]
  chance <- (sum(own) - 1) / (length(own) - 1)
  (mean(own[near]) - chance) / (1 - chance) > 0.5
}

# NULL where the texts have to go farther than `far` points from where they belong. least: a text
# hides a cloud that is lower; there it stands above it.
placed_texts <- function(cells, types, texts, panel, size, far = 60, least = 32) {
  extent <- c(diff(range(cells$x)), diff(range(cells$y)))
  scale <- panel / ifelse(extent > 0, extent, 1)
  clouds <- do.call(rbind, lapply(types, function(type) {
    cloud_of(cells$x[cells$colour == type] * scale[1], cells$y[cells$colour == type] * scale[2])
  }))
  widths <- 0.66 * size * nchar(texts) + 4
  height <- 1.5 * size
  small <- clouds[, "height"] < least
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
  labels <- data.frame(type = types, text = texts, size = size, x = places[, 1] / scale[1],
                       y = places[, 2] / scale[2], cloud_x = clouds[, "x"] / scale[1],
                       cloud_y = clouds[, "y"] / scale[2], edge_x = edge[, 1] / scale[1],
                       edge_y = edge[, 2] / scale[2], moved = moved)
  # Where a picture is too small for all, the first are drawn: those of most cells.
  labels[order(label_counts(cells$colour)[types], decreasing = TRUE), ]
}

# The middle of a type's cells, which is one of them: in a type of several clouds the medians may
# lie between these. Its number.
middle_cell <- function(x, y) which.min((x - stats::median(x))^2 + (y - stats::median(y))^2)

# The middle, and the height of the cloud round it.
cloud_of <- function(x, y) {
  middle <- middle_cell(x, y)
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
  list(
    ggplot2::geom_segment(ggplot2::aes(x = .data$cloud_x, y = .data$cloud_y, xend = .data$edge_x,
                                       yend = .data$edge_y), data = labels[labels$moved, ],
                          linewidth = 0.25, colour = "grey30"),
    ggplot2::layer(geom = halo_text(), stat = "identity", position = "identity", data = labels,
                   mapping = ggplot2::aes(label = .data$text), show.legend = FALSE,
                   params = list(size = labels$size[1] / ggplot2::.pt))
  )
}

# Text with a white rim, so that it can be read on dots of any colour. What would lie on a text
# before it is left out, rim and all: only when the picture is drawn its size is known.
halo_text <- function() {
  ggplot2::ggproto("GeomHaloText", ggplot2::GeomText,
                   draw_panel = function(data, panel_params, coord, na.rm = FALSE) {
                     halo_grob(coord$transform(data, panel_params))
                   })
}

# texts: label, x and y (0 to 1) and size (mm), a row per text. rim: in points.
halo_grob <- function(texts, rim = 1.2) {
  write <- function(angle, distance, colour) {
    grid::textGrob(texts$label,
                   grid::unit(texts$x, "npc") + grid::unit(distance * cos(angle), "pt"),
                   grid::unit(texts$y, "npc") + grid::unit(distance * sin(angle), "pt"),
                   check.overlap = TRUE,
                   gp = grid::gpar(col = colour, fontsize = texts$size * ggplot2::.pt))
  }
  around <- lapply(seq(0, 1.75, by = 0.25) * pi, write, distance = rim, colour = "white")
  do.call(grid::grobTree, c(around, list(write(0, 0, "black"))))
}
