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

# Groups as islands in rows of eight.
islands <- function(groups, of_each = 20) {
  number <- rep(seq_along(groups), each = of_each)
  set.seed(1)
  cells <- S4Vectors::DataFrame(canal_label = groups[number])
  cells$plane <- 6 * cbind(number %% 8, number %/% 8) + stats::rnorm(2 * length(number))
  cells
}

texts_in <- function(picture) as.character(layer_data_of(picture, "GeomHaloText")$label)

has_texts <- function(picture) {
  "GeomHaloText" %in% vapply(picture$layers, function(layer) class(layer$geom)[1], "")
}

legend_of <- function(picture) build(picture)$plot$scales$get_scales("colour")$get_labels()

test_that("the legend has every type and the name of the column, the picture those apart", {
  skip_if_not_installed("ggplot2")
  picture <- canal_plot_embedding(some_plane(), reduction = "plane")
  # The one cell "delta" lies among others.
  expect_setequal(texts_in(picture), c("a type with a long name", "alpha", "beta"))
  expect_identical(legend_of(picture), c("a type with a long name", "alpha", "beta", "delta",
                                         "Unassigned", "no label"))
  expect_identical(build(picture)$plot$scales$get_scales("colour")$name, "canal_label")
})

test_that("groups that mix have a legend and no names", {
  skip_if_not_installed("ggplot2")
  cells <- islands(c("alpha", "beta", "delta", "ductal"), 60)
  n <- nrow(cells)
  set.seed(2)
  cells$batch <- sample(c("celseq", "celseq2", "smartseq2"), n, TRUE)
  cells$sex <- sample(c("female", "male"), n, TRUE, c(0.9, 0.1))
  cells$flag <- sample(c(TRUE, FALSE), n, TRUE)
  # Each batch has a side of every island.
  cells$side <- ifelse(cells$plane[, 1] %% 6 < 3, "right", "left")
  cells$donor <- sprintf("donor %02d", sample(40, n, TRUE))
  for (column in c("batch", "sex", "flag", "side", "donor")) {
    picture <- canal_plot_embedding(cells, column, reduction = "plane")
    expect_false(has_texts(picture), label = column)
    expect_identical(legend_of(picture), as.character(sort(unique(cells[[column]]))))
  }
  # A batch of its own among them.
  cells$batch[cells$canal_label == "ductal"] <- "fluidigm"
  expect_identical(texts_in(canal_plot_embedding(cells, "batch", reduction = "plane")), "fluidigm")
})

test_that("a group stands apart where most of the cells round its middle are its own", {
  cells <- data.frame(x = c(1:10, 101:110), y = 0, colour = rep(c("a", "b"), each = 10))
  expect_true(stands_apart("a", cells))
  mixed <- transform(cells, colour = rep(c("a", "b"), 10))
  expect_false(stands_apart("a", mixed))
  # Most cells being its own is no more than chance where most of all are.
  most <- transform(cells, colour = rep(c("a", "a", "a", "b"), 5))
  expect_false(stands_apart("a", most))
  expect_true(stands_apart("a", transform(cells, colour = "a")))
  # One cell cannot be told from one that is out of place.
  expect_false(stands_apart("c", transform(cells, colour = c("c", colour[-1]))))
  # Two islands with another's between them: a name would stand at one of the two.
  expect_false(stands_apart("a", rbind(cells, transform(cells[1:9, ], x = x + 1000))))
  expect_true(stands_apart("a", rbind(cells, transform(cells[1, ], x = x + 1000))))
})

test_that("many types, or names without room, are numbers that the legend explains", {
  skip_if_not_installed("ggplot2")
  types <- sprintf("type %02d", 1:60)
  cells <- islands(types)
  cells$canal_label[1] <- "Unassigned"
  picture <- canal_plot_embedding(cells, reduction = "plane")
  expect_setequal(texts_in(picture), as.character(1:60))
  expect_identical(legend_of(picture), c(sprintf("%d type %02d", 1:60, 1:60), "Unassigned"))
  # Clusters have names that look like numbers.
  cells$cluster <- factor(match(cells$canal_label, types) - 1)
  clusters <- canal_plot_embedding(cells, "cluster", reduction = "plane")
  expect_setequal(texts_in(clusters), as.character(0:59))
  expect_identical(legend_of(clusters), c(as.character(0:59), "no label"))
  # Some that mix have theirs all the same.
  swapped <- cells$canal_label %in% types[1:5]
  cells$canal_label[swapped] <- rep_len(types[1:5], sum(swapped))
  expect_setequal(texts_in(canal_plot_embedding(cells, reduction = "plane")), as.character(1:60))
  # Twenty long names next to one another.
  long <- islands(paste("CD4-positive, alpha-beta T cell of the sort", 11:30))
  long$plane[1, ] <- c(1000, 1000)
  picture <- canal_plot_embedding(long, reduction = "plane")
  expect_setequal(texts_in(picture), as.character(1:20))
  expect_identical(legend_of(picture)[2], "2 CD4-positive, alp...l of the sort 12")
})

test_that("more groups than a legend can hold are drawn without, which is told", {
  skip_if_not_installed("ggplot2")
  cells <- islands(sprintf("group %03d", 1:151), 2)
  picture <- canal_plot_embedding(cells, reduction = "plane")
  expect_false(has_texts(picture))
  expect_identical(build(picture)$plot$scales$get_scales("colour")$guide, "none")
  expect_match(picture$labels$caption, "151 groups of canal_label, too many for a legend",
               fixed = TRUE)
})

test_that("of texts that would lie on one another the largest group's is drawn, with its rim", {
  skip_if_not_installed("ggplot2")
  cells <- data.frame(x = c(1, 1, 2, 2, 2), y = 1, colour = factor(c("a", "a", "b", "b", "b")))
  labels <- placed_texts(cells, c("a", "b"), c("a", "b"), c(400, 300), 8)
  expect_identical(labels$type, c("b", "a"))
  texts <- data.frame(label = c("one", "two"), x = 0.5, y = 0.5, size = 3)
  grob <- halo_grob(texts)
  expect_true(all(vapply(grob$children, `[[`, NA, "check.overlap")))
  colours <- vapply(grob$children, function(text) text$gp$col, "")
  expect_identical(unname(colours), rep(c("white", "black"), c(8, 1)))
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
  expect_false(has_texts(picture))
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

test_that("embeddings of many types look as they did", {
  skip_if_not_installed("ggplot2")
  cells <- islands(sprintf("type %02d", 1:40), 8)
  expect_picture("embedding-many", canal_plot_embedding(cells, reduction = "plane"))
})

test_that("an argument that UMAP does not have is named", {
  skip_if_not_installed("ggplot2")
  skip_if_not_installed("uwot")
  table <- annotated_table()
  expect_refused(canal_plot_embedding(table, color_by = "type"), "argument", "...")
})
