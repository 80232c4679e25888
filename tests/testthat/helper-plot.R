# What pictures are tested with.

# Builds the picture without a device: every layer, scale and label is worked out.
build <- function(picture) ggplot2::ggplot_build(picture)

# What a layer of that geom draws, e.g. "GeomPoint".
layer_data_of <- function(picture, geom) {
  geoms <- vapply(picture$layers, function(layer) class(layer$geom)[1], "")
  build(picture)$data[[which(geoms == geom)[1]]]
}

# The ggplot2 that the pictures in _snaps were drawn with. Another version sets breaks, margins and
# legends a little otherwise, so that its pictures cannot be compared with them.
snapshot_version <- "3.4"

expect_picture <- function(name, picture) {
  # Before any skip, so that testthat does not take the file for one that nobody needs any more.
  testthat::announce_snapshot_file(name = paste0(name, ".svg"))
  testthat::skip_if_not_installed("vdiffr")
  version <- utils::packageVersion("ggplot2")
  testthat::skip_if_not(startsWith(as.character(version), paste0(snapshot_version, ".")), paste0(
    "the snapshots were drawn with ggplot2 ", snapshot_version, ", here is ", version
  ))
  vdiffr::expect_doppelganger(name, picture)
}

# Cells annotated by hand: their scores (cells x types), labels, novelty, truth and record. A tenth
# is "Unassigned", the first cell has no result at all.
annotated_cells <- function(n_types = 3, n_cells = 40 * n_types, prefix = "canal") {
  types <- sprintf("type %02d", seq_len(n_types))
  truth <- rep_len(seq_len(n_types), n_cells)
  set.seed(1)
  logits <- matrix(stats::rnorm(n_cells * n_types), n_cells)
  logits[cbind(seq_len(n_cells), truth)] <- logits[cbind(seq_len(n_cells), truth)] + 4
  scores <- softmax(logits)
  colnames(scores) <- types
  novelty <- 1 - do.call(pmax, as.data.frame(scores))
  threshold <- stats::quantile(novelty, 0.9, names = FALSE)
  label <- ifelse(novelty > threshold, "Unassigned", types[max.col(scores)])
  scores[1, ] <- novelty[1] <- label[1] <- NA
  cells <- S4Vectors::DataFrame(cell_type = types[truth])
  cells[[paste0(prefix, "_label")]] <- label
  cells[[paste0(prefix, "_novelty")]] <- novelty
  cells[[paste0(prefix, "_scores")]] <- scores
  record <- list(prediction = list(model = list(types = types),
                                   parameters = list(novelty = "canal", threshold = threshold)))
  S4Vectors::metadata(cells)$canal <- stats::setNames(list(record), prefix)
  cells
}

# The same cells with a column per score instead of the matrix.
with_score_columns <- function(cells, prefix = "canal") {
  scores <- cells[[paste0(prefix, "_scores")]]
  cells[[paste0(prefix, "_scores")]] <- NULL
  for (type in colnames(scores)) cells[[paste0(prefix, "_prob_", type)]] <- scores[, type]
  cells
}
