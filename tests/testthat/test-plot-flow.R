some_flow <- function() {
  S4Vectors::DataFrame(
    canal_label = c("a", "a", "b", "b", "b", "Unassigned", NA, "a", "c"),
    truth = c("a", "a", "a", "b", "b", "new", "a", NA, "b")
  )
}

test_that("there is a flow for each truth and label that have cells in common", {
  skip_if_not_installed("ggplot2")
  cells <- some_flow()
  flows <- flow_table(cells$truth, cells$canal_label)
  expect_identical(sum(flows$cells), 9L)
  counted <- function(truth, label) {
    flows$cells[as.character(flows$truth) == truth & as.character(flows$label) == label]
  }
  expect_identical(counted("a", "a"), 2L)
  expect_identical(counted("b", "b"), 2L)
  expect_identical(counted("a", "no label"), 1L)
  expect_identical(counted("new", "Unassigned"), 1L)
  kind <- stats::setNames(as.character(flows$kind), paste(flows$truth, flows$label))
  expect_identical(kind[["a a"]], "label as the truth")
  expect_identical(kind[["a b"]], "another label")
  expect_identical(kind[["new Unassigned"]], "Unassigned")
  expect_identical(kind[["a no label"]], "no label")
  # Nobody knows whether that one is wrong.
  expect_identical(kind[["no label a"]], "no label")
})

test_that("boxes are as high as their cells, and flows fill them without gap or overlap", {
  cells <- annotated_cells(14, 500)
  flows <- flow_table(cells$cell_type, cells$canal_label)
  sides <- list(truth = flow_side(flows, "truth"), label = flow_side(flows, "label"))
  placed <- placed_flows(flows, sides)
  ends <- c(truth = "left", label = "right")
  for (name in names(sides)) {
    side <- sides[[name]]
    expect_equal(side$to - side$from, unname(side$cells) / 500)
    expect_equal(range(side$from, side$to), c(0, 1.15))
    expect_true(all(diff(side$from) > 0) && all(side$from[-1] >= side$to[-nrow(side)]))
    for (i in seq_len(nrow(side))) {
      own <- placed[as.character(placed[[name]]) == side$type[i], ]
      own <- own[order(own[[ends[name]]]), ]
      from <- own[[ends[name]]]
      expect_equal(from, side$from[i] + c(0, cumsum(own$thick)[-nrow(own)]))
      expect_equal(from[nrow(own)] + own$thick[nrow(own)], side$to[i])
    }
  }
  expect_identical(levels(flows$label)[sort(unique(as.integer(flows$label)))],
                   c(sort(setdiff(unique(cells$canal_label), c(NA, "Unassigned"))), "Unassigned",
                     "no label"))
})

test_that("outlines lead from one end to the other, as thick as the flow at both", {
  flow <- data.frame(kind = "another label", left = 0.2, right = 0.7, thick = 0.1)
  outline <- flow_outlines(flow, steps = 11)
  expect_equal(range(outline$y[outline$x == 0]), c(0.2, 0.3))
  expect_equal(range(outline$y[outline$x == 1]), c(0.7, 0.8))
  for (x in unique(outline$x)) expect_equal(diff(range(outline$y[outline$x == x])), 0.1)
})

test_that("names are moved apart, in order, and stay in the picture", {
  crowded <- function(cells) {
    share <- cells / sum(cells)
    to <- cumsum(share)
    data.frame(type = paste("a type with a name", seq_along(cells)), cells = cells,
               from = to - share, to = to)
  }
  for (cells in list(1, c(1, 1), c(1000, rep(1, 58), 1000), rep(1, 60), c(rep(1, 30), 5000))) {
    side <- crowded(cells)
    sides <- list(truth = side, label = side)
    places <- side_text_places(side, sides)
    expect_true(all(places >= -1e-9 & places <= 1.15 + 1e-9))
    if (length(cells) > 1) {
      # A line of the text's size, in the 280 points of a picture of 12 cm, or an even share.
      least <- min(1.15 / (length(cells) - 1), 1.15 * flow_text_size(sides) / 280)
      expect_gte(min(diff(places)), least - 1e-9)
    }
  }
  # With room enough they stand where they belong.
  apart <- crowded(c(10, 10, 10))
  expect_equal(side_text_places(apart, list(truth = apart, label = apart)), c(1, 3, 5) / 6)
})

test_that("a flow is drawn with all its names", {
  skip_if_not_installed("ggplot2")
  picture <- canal_plot_flow(some_flow(), "truth")
  expect_silent(built <- build(picture))
  axis <- built$layout$panel_params[[1]]
  expect_identical(axis$y$get_labels(), c("a (4)", "b (3)", "new (1)", "no label (1)"))
  expect_identical(axis$y.sec$get_labels(),
                   c("a (3)", "b (3)", "c (1)", "Unassigned (1)", "no label (1)"))
  polygons <- layer_data_of(picture, "GeomPolygon")
  expect_identical(length(unique(polygons$group)), 7L)
  expect_setequal(unique(polygons$fill), unname(flow_colours()))
})

test_that("few and many types, one cell and none", {
  skip_if_not_installed("ggplot2")
  expect_silent(build(canal_plot_flow(annotated_cells(60, 600), "cell_type")))
  one <- S4Vectors::DataFrame(canal_label = "a")
  expect_silent(build(canal_plot_flow(one, c(one = "a"))))
  expect_refused(canal_plot_flow(one[0, , drop = FALSE], character()), "empty", "x")
  expect_refused(canal_plot_flow(one, "a", prefix = "cellular"), "prediction", "x")
  expect_refused(canal_plot_flow(annotated_cells(), "nothing"), "labels", "truth")
})

test_that("flows look as they did", {
  skip_if_not_installed("ggplot2")
  expect_picture("flow", canal_plot_flow(some_flow(), "truth"))
})
