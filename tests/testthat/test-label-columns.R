test_that("pruned labels are those that are sure enough", {
  label <- c("a", "b", "Unassigned", NA, "a")
  expect_identical(pruned_labels(label, c(0.5, 0.49, 0.9, NA, NaN), 0.5),
                   c("a", NA, NA, NA, NA))
  expect_identical(pruned_labels(label, rep(0.1, 5), 0), c("a", "b", NA, NA, "a"))
})

test_that("a cluster is called what most of its cells are", {
  votes <- cluster_votes(c("a", "a", "b", "b", "c", NA, "c", "Unassigned"),
                         c(0.5, 0.5, 0.9, 0.9, 0.2, NA, 0.9, 0.9),
                         c("1", "1", "1", "1", "2", "2", NA, "3"))
  # The tie of cluster 1 goes to the surer label; a cell without label votes for none.
  expect_identical(votes$cluster, c(rep("b", 4), "c", "c", NA, "Unassigned"))
  expect_equal(votes$cluster_share, c(rep(0.5, 4), 1, 1, NA, 1))
})

test_that("votes are those of a count by hand", {
  set.seed(4)
  label <- sample(c("a", "b", "c"), 200, TRUE)
  clusters <- sample(letters, 200, TRUE)
  votes <- cluster_votes(label, runif(200), clusters)
  for (cluster in unique(clusters)) {
    counted <- table(label[clusters == cluster])
    found <- unique(votes[clusters == cluster, ])
    expect_identical(nrow(found), 1L)
    expect_identical(counted[[found$cluster]], max(counted))
    expect_equal(found$cluster_share, max(counted) / sum(counted))
  }
})

test_that("clusters in which no cell has a label have none", {
  votes <- cluster_votes(c(NA, NA), c(NA, NA), c("1", "2"))
  expect_true(all(is.na(votes$cluster)) && all(is.na(votes$cluster_share)))
})

test_that("the most probable types come in order, equal ones in that of the types", {
  probability <- rbind(c(0.2, 0.5, 0.3), NA, c(0.4, 0.2, 0.4))
  top <- top_types(probability, c("a", "b", "c"), 2)
  expect_identical(top$top_1, c("b", NA, "a"))
  expect_identical(top$top_2, c("c", NA, "c"))
  expect_identical(top$top_2_confidence, c(0.3, NA, 0.4))
  expect_named(top_types(probability, c("a", "b", "c"), 9),
               paste0(rep(paste0("top_", 1:3), each = 2), c("", "_confidence")))
  expect_identical(dim(top_types(probability, c("a", "b", "c"), 0)), c(3L, 0L))
})

test_that("what is asked for stands beside the labels of either family", {
  cells <- stage_two_cells()
  clusters <- rep(c("one", "two"), length.out = ncol(cells$counts))
  found <- predict_quietly(cells$counts, stage_two(), prefix = "my", clusters = clusters,
                           prune_below = 0.9, top_k = 2, probabilities = "assay")
  expect_true(all(startsWith(setdiff(names(found), "my_scores"), "my_")))
  expect_identical(found$my_top_1, found$my_label)
  expect_identical(found$my_top_1_confidence, found$my_confidence)
  expect_identical(is.na(found$my_pruned), found$my_confidence < 0.9)
  expect_identical(length(unique(found$my_cluster[clusters == "one"])), 1L)
  expect_identical(colnames(found$my_scores), stage_two()@labels)
  expect_identical(S4Vectors::metadata(found)$canal$my$prediction$parameters$prune_below, 0.9)
  query <- panc_cells("smartseq2")
  found <- cellular_predict(query$counts, cellular_model(), prefix = "my", top_k = 1,
                            clusters = rep("all", ncol(query$counts)), novelty_threshold = 0,
                            verbose = FALSE)
  expect_identical(found$my_top_1, found$my_label)
  expect_identical(length(unique(found$my_cluster)), 1L)
})

test_that("a second model's results stand beside the first's", {
  skip_if_not_installed("SingleCellExperiment")
  cells <- stage_two_cells()
  sce <- SingleCellExperiment::SingleCellExperiment(list(counts = cells$counts))
  one <- canal_embed(predict_quietly(sce, stage_one(), probabilities = "assay"), stage_one(),
                     verbose = FALSE)
  both <- canal_embed(predict_quietly(one, stage_two(), prefix = "later",
                                      probabilities = "assay"), stage_two(), prefix = "later",
                      verbose = FALSE)
  expect_identical(both$canal_label, one$canal_label)
  expect_identical(SingleCellExperiment::reducedDimNames(both), c("CANAL", "LATER"))
  expect_identical(SingleCellExperiment::altExpNames(both), c("canal_scores", "later_scores"))
  record <- S4Vectors::metadata(both)$canal
  expect_identical(record$canal, S4Vectors::metadata(one)$canal$canal)
  expect_identical(record$later$prediction$model$id, stage_two()@provenance$id)
  expect_identical(record$later$embedding$model$id, stage_two()@provenance$id)
})

test_that("wishes that cannot be met are refused", {
  predict <- function(...) predict_quietly(stage_two_cells()$counts, stage_two(), ...)
  expect_error(predict(probabilities = TRUE), "\"assay\"", class = "canalR_error_argument")
  expect_error(predict(prefix = "a b"), "`prefix`", class = "canalR_error_argument")
  expect_error(predict(prune_below = 2), "`prune_below`", class = "canalR_error_argument")
  expect_error(predict(top_k = -1), "`top_k`", class = "canalR_error_argument")
  expect_error(predict(clusters = 1:3), "`clusters`", class = "canalR_error_labels")
  expect_error(predict(clusters = "louvain"), "`clusters`", class = "canalR_error_labels")
  expect_error(predict(BPPARAM = 4), "`BPPARAM`", class = "canalR_error_argument")
})
