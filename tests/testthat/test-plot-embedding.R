# Three clouds in the plane, a dot of a fourth, some of no type.
some_plane <- function(n = 90) {
  set.seed(1)
  type <- rep_len(c("alpha", "beta", "a type with a long name"), n)
  centre <- match(type, unique(type)) * 10
  cells <- S4Vectors::DataFrame(canal_label = type, canal_novelty = seq_len(n) / n)
  cells$plane <- cbind(centre + stats::rnorm(n), -centre + stats::rnorm(n))
  cells$canal_label[n - 2:0] <- c("Unassigned", NA, "delta")
  cells$plane[1, ] <- NA
  cells
}

test_that("every cell with coordinates is a dot, in the colour of its type", {
  skip_if_not_installed("ggplot2")
  cells <- some_plane()
  picture <- canal_plot_embedding(cells, reduction = "plane")
  dots <- picture$data
  expect_identical(nrow(dots), 89L)
  place <- match(dots$x, cells$plane[, 1])
  expect_identical(dots$y, cells$plane[place, 2])
  labels <- cells$canal_label[place]
  labels[is.na(labels)] <- "no label"
  expect_identical(as.character(dots$colour), labels)
  expect_identical(levels(dots$colour), c("a type with a long name", "alpha", "beta", "delta",
                                          "Unassigned", "no label"))
  # Cells of no type lie below the others.
  expect_true(all(labels[1:2] %in% c("Unassigned", "no label")))
  built <- layer_data_of(picture, "GeomPoint")
  expect_identical(built$colour, unname(type_colours(levels(dots$colour))[as.integer(dots$colour)]))
  expect_match(picture$labels$caption, "1 cell without an embedding left out", fixed = TRUE)
  expect_identical(picture$labels$x, "plane 1")
})

test_that("types are named in the picture; the legend has the greys alone", {
  skip_if_not_installed("ggplot2")
  picture <- canal_plot_embedding(some_plane(), reduction = "plane")
  names <- layer_data_of(picture, "GeomLabel")
  expect_setequal(names$label, c("a type with a long name", "alpha", "beta", "delta"))
  colours <- build(picture)$plot$scales$get_scales("colour")
  expect_identical(colours$get_labels(), c("Unassigned", "no label"))
})

test_that("many types, or names without room, are numbers that the legend explains", {
  skip_if_not_installed("ggplot2")
  cells <- annotated_cells(60, 600)
  set.seed(1)
  cells$plane <- matrix(stats::rnorm(1200), 600)
  picture <- canal_plot_embedding(cells, reduction = "plane")
  expect_setequal(layer_data_of(picture, "GeomLabel")$label, as.character(1:60))
  legend <- build(picture)$plot$scales$get_scales("colour")$get_labels()
  expect_identical(legend, c(sprintf("%d type %02d", 1:60, 1:60), "Unassigned", "no label"))
  # Twenty long names in one place.
  cells$long <- paste("CD4-positive, alpha-beta T cell of the sort", rep_len(1:20, 600))
  long <- canal_plot_embedding(cells, "long", reduction = "plane")
  expect_setequal(layer_data_of(long, "GeomLabel")$label, as.character(1:20))
})

test_that("boxes are moved apart and into the picture, or it is told that they cannot be", {
  overlap <- function(places, widths, height) {
    pairs <- utils::combn(nrow(places), 2)
    any(apply(pairs, 2, function(pair) {
      i <- pair[1]
      j <- pair[2]
      abs(places[i, 1] - places[j, 1]) < (widths[i] + widths[j]) / 2 - 0.02 &&
        abs(places[i, 2] - places[j, 2]) < height - 0.02
    }))
  }
  set.seed(1)
  bounds <- cbind(c(0, 400), c(0, 300))
  for (n in c(2, 5, 12)) {
    wanted <- cbind(stats::runif(n, 0, 400), stats::runif(n, 0, 300))
    widths <- stats::runif(n, 20, 100)
    places <- apart(wanted, widths, 12, bounds, Inf)
    expect_false(overlap(places, widths, 12))
    expect_true(all(places[, 1] >= widths / 2 - 2 & places[, 1] <= 402 - widths / 2))
  }
  # Where nothing overlaps nothing moves.
  expect_identical(apart(cbind(c(100, 300), 150), c(50, 50), 12, bounds, 10),
                   cbind(c(100, 300), 150))
  # All at one place.
  same <- apart(matrix(150, 4, 2), rep(60, 4), 12, bounds, Inf)
  expect_false(overlap(same, rep(60, 4), 12))
  expect_null(apart(matrix(150, 30, 2), rep(100, 30), 12, bounds, 20))
  expect_null(apart(matrix(150, 1, 2), 500, 12, bounds, 20))
})

test_that("a type's name stands by one of its cells, also where it has two clouds", {
  cloud <- cloud_of(c(0, 1, 2, 100, 101), c(0, 1, 2, 100, 101))
  expect_identical(cloud[["x"]], 2)
  expect_lt(cloud[["height"]], 100)
})

test_that("numbers colour by a scale", {
  skip_if_not_installed("ggplot2")
  cells <- some_plane()
  cells$canal_novelty[5] <- NA
  picture <- canal_plot_embedding(cells, "canal_novelty", reduction = "plane")
  expect_silent(built <- layer_data_of(picture, "GeomPoint"))
  expect_identical(sum(built$colour == "grey80"), 1L)
  expect_false("GeomLabel" %in% vapply(picture$layers, function(l) class(l$geom)[1], ""))
  cells$flag <- rep(c(TRUE, FALSE), 45)
  expect_silent(build(canal_plot_embedding(cells, "flag", reduction = "plane")))
  cells$list <- as.list(1:90)
  expect_refused(canal_plot_embedding(cells, "list", reduction = "plane"), "argument", "colour_by")
})

test_that("the UMAP follows the seed and leaves the user's random numbers alone", {
  skip_if_not_installed("ggplot2")
  skip_if_not_installed("uwot")
  cells <- some_plane(40)
  cells$embedding <- cbind(cells$plane, sin(1:40))
  cells$embedding[1, ] <- NA
  set.seed(11)
  before <- .Random.seed
  picture <- canal_plot_embedding(cells, seed = 5, n_epochs = 20)
  expect_identical(.Random.seed, before)
  expect_identical(picture$data, canal_plot_embedding(cells, seed = 5, n_epochs = 20)$data)
  expect_identical(nrow(picture$data), 39L)
  # A cell in both orders has both times the same type.
  again <- canal_plot_embedding(cells, "canal_novelty", seed = 5, n_epochs = 20)$data
  place <- match(picture$data$x, again$x)
  labels <- cells$canal_label[match(again$colour[place], cells$canal_novelty)]
  labels[is.na(labels)] <- "no label"
  expect_identical(as.character(picture$data$colour), labels)
  # Fewer cells than neighbours that are asked for.
  few <- cells[c(2:6, 20), ]
  expect_silent(build(suppressWarnings(canal_plot_embedding(few, n_epochs = 5))))
  expect_refused(canal_plot_embedding(cells[1:4, ]), "cells", "x")
})

test_that("embeddings of objects are found by prefix and by name", {
  skip_if_not_installed("ggplot2")
  values <- matrix(as.numeric(1:20), 10, dimnames = list(paste0("c", 1:10), c("a_1", "a_2")))
  counts <- matrix(1, 2, 10, dimnames = list(c("g1", "g2"), rownames(values)))
  label <- rep(c("a", "b"), 5)
  if (requireNamespace("SingleCellExperiment", quietly = TRUE)) {
    x <- SingleCellExperiment::SingleCellExperiment(
      list(counts = counts), colData = S4Vectors::DataFrame(canal_label = label),
      reducedDims = list(CANAL = values, UMAP = -values, ONE = values[, 1, drop = FALSE])
    )
    expect_equal(prefix_embedding(x, "canal"), values)
    drawn <- canal_plot_embedding(x, reduction = "UMAP")$data
    expect_setequal(drawn$x, -values[, 1])
    expect_error(canal_plot_embedding(x, prefix = "cellular"),
                 "cellular_embed(..., prefix = \"cellular\") makes it", fixed = TRUE,
                 class = "canalR_error_reduction")
    expect_refused(canal_plot_embedding(x, reduction = "ONE"), "reduction", "reduction")
    expect_refused(canal_plot_embedding(x, reduction = "TSNE"), "reduction", "reduction")
    expect_refused(canal_plot_embedding(x, "nothing", reduction = "UMAP"), "prediction", "x")
    expect_error(canal_plot_embedding(x, reduction = "UMAP", min_dist = 1),
                 class = "canalR_error_argument")
  }
  skip_if_not_installed("SeuratObject")
  x <- suppressWarnings(SeuratObject::CreateSeuratObject(counts))
  x$canal_label <- label
  x[["canal"]] <- suppressWarnings(SeuratObject::CreateDimReducObject(values, key = "a_",
                                                                      assay = "RNA"))
  expect_equal(prefix_embedding(x, "CANAL"), values)
  expect_setequal(canal_plot_embedding(x, reduction = "canal")$data$y, values[, 2])
})

test_that("one cell, one place and no types can be drawn", {
  skip_if_not_installed("ggplot2")
  one <- S4Vectors::DataFrame(canal_label = "a")
  one$plane <- cbind(1, 2)
  expect_silent(build(canal_plot_embedding(one, reduction = "plane")))
  one$canal_label <- NA_character_
  expect_silent(build(canal_plot_embedding(one, reduction = "plane")))
  one$plane <- cbind(NA_real_, 2)
  expect_refused(canal_plot_embedding(one, reduction = "plane"), "cells", "x")
})

test_that("embeddings look as they did", {
  skip_if_not_installed("ggplot2")
  expect_picture("embedding", canal_plot_embedding(some_plane(), reduction = "plane"))
})

test_that("an argument that UMAP does not have is named", {
  skip_if_not_installed("ggplot2")
  skip_if_not_installed("uwot")
  table <- annotated_table()
  expect_refused(canal_plot_embedding(table, color_by = "type"), "argument", "...")
})
