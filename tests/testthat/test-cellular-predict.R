query_cells <- function() panc_cells("smartseq2")

test_that("embedding and probabilities are the golden ones", {
  part <- function(place, as = "numeric") cpp_read_tree(golden_path("cellular.h5"), place, as)
  # x: cells x genes.
  values <- sparse(t(part("/x")))
  embedding <- cpp_cellular_embed(cpp_cellular_encoder(part("/encoder", "raw")), values, 1L, NULL)
  expect_equal(embedding, part("/embedding"), tolerance = 1e-5)
  classifier <- part("/classifier", "raw")
  classifier <- classifier[!grepl("num_batches_tracked", names(classifier))]
  expect_equal(cpp_cellular_probabilities(cpp_cellular_classifier(classifier), embedding, 1L, NULL),
               part("/class_probability"), tolerance = 1e-5)
})

test_that("every cell gets type, confidence and novelty, by the published formula", {
  model <- cellular_model()
  query <- query_cells()
  found <- cellular_predict(query$counts, model, probabilities = "columns", verbose = FALSE)
  expect_identical(rownames(found), colnames(query$counts))
  probability <- as.matrix(as.data.frame(found[paste0("cellular_prob_", model@labels)]))
  expect_equal(unname(rowSums(probability)), rep(1, nrow(found)), tolerance = 1e-6)
  p <- apply(probability, 1, max)
  k <- length(model@labels)
  certainty <- unname((p - 1 / k) / (1 - 1 / k))
  expect_equal(found$cellular_confidence, unname(p))
  expect_equal(found$cellular_novelty, 1 - certainty)
  best <- model@labels[apply(probability, 1, which.max)]
  expect_identical(found$cellular_label, ifelse(certainty < 0.25, "Unassigned", best))
  all <- cellular_predict(query$counts, model, novelty_threshold = 0, verbose = FALSE)
  expect_identical(all$cellular_label, best)
  none <- cellular_predict(query$counts, model, novelty_threshold = 1, verbose = FALSE)
  expect_true(all(none$cellular_label == "Unassigned"))
})

test_that("the record sums up novelty over the data set", {
  found <- cellular_predict(query_cells()$counts, cellular_model(), verbose = FALSE)
  record <- S4Vectors::metadata(found)$canal$cellular$prediction
  certainty <- 1 - found$cellular_novelty
  expect_equal(record$novelty, list(novel = mean(certainty < 0.25), least = min(certainty),
                                    median = stats::median(certainty), mean = mean(certainty)))
  expect_identical(record$model$id, cellular_model()@provenance$id)
})

test_that("a cell's result does not depend on the others, nor on blocks or files", {
  model <- cellular_model()
  counts <- query_cells()$counts
  whole <- cellular_predict(counts, model, verbose = FALSE)
  some <- cellular_predict(counts[, c(9, 2)], model, verbose = FALSE)
  expect_identical(some$cellular_confidence, whole$cellular_confidence[c(9, 2)])
  embedding <- cellular_embed(counts, model, verbose = FALSE)$embedding
  for (file in c(write_h5ad(counts), write_10x_h5(counts))) {
    by_file <- with_blocks_of(4, cellular_predict(file, model, verbose = FALSE))
    expect_identical(as.data.frame(by_file), as.data.frame(whole))
    expect_identical(with_blocks_of(7, cellular_embed(file, model, verbose = FALSE))$embedding,
                     embedding)
  }
  expect_identical(dim(embedding), c(ncol(counts), 8L))
})

test_that("missing genes count as zeros up to a share, and stop beyond it", {
  model <- cellular_model()
  counts <- query_cells()$counts
  gone <- model@genes[1:10]
  less <- counts[!rownames(counts) %in% gone, ]
  expect_message(found <- cellular_embed(less, model), "10 of the model's 60 genes are missing",
                 class = "canalR_message_genes")
  zeros <- counts
  zeros[gone, ] <- 0
  expect_identical(found$embedding,
                   cellular_embed(Matrix::drop0(zeros), model, verbose = FALSE)$embedding)
  expect_error(cellular_embed(less, model, max_missing = 0.1), "17 % missing",
               class = "canalR_error_overlap")
})

test_that("a cell without counts of the model's genes has a reason and no label", {
  model <- cellular_model()
  counts <- query_cells()$counts
  counts[, 3] <- 0
  counts <- Matrix::drop0(counts)
  found <- cellular_predict(counts, model, verbose = FALSE)
  expect_identical(which(is.na(found$cellular_label)), 3L)
  expect_identical(which(!is.na(found$cellular_reason)), 3L)
  expect_warning(embedded <- cellular_embed(counts, model, verbose = FALSE),
                 class = "canalR_warning_embedding")
  expect_true(all(is.na(embedded$embedding[3, ])))
  types <- replace(query_cells()$types, 3, "empty")
  rows <- cellular_representations(counts, model, types, verbose = FALSE)
  expect_true(all(is.na(rows["empty", ])))
})

test_that("results land in SingleCellExperiment and Seurat objects beside canal_predict()'s", {
  skip_if_not_installed("SingleCellExperiment")
  counts <- query_cells()$counts
  model <- cellular_model()
  plain <- cellular_predict(counts, model, probabilities = "columns", verbose = FALSE)
  sce <- SingleCellExperiment::SingleCellExperiment(list(counts = counts))
  sce$canal_label <- "mine"
  sce <- cellular_predict(sce, model, probabilities = "columns", verbose = FALSE)
  sce <- cellular_embed(sce, model,
                        verbose = FALSE)
  expect_identical(sce$cellular_label, plain$cellular_label)
  expect_identical(sce$canal_label, rep("mine", ncol(counts)))
  expect_identical(dim(SingleCellExperiment::reducedDim(sce, "CELLULAR")), c(ncol(counts), 8L))
  # Another model's probabilities go.
  again <- cellular_predict(sce, model, verbose = FALSE)
  expect_false(any(grepl("^cellular_prob_", names(SummarizedExperiment::colData(again)))))
  evaluated <- suppressMessages(canal_evaluate(again, query_cells()$types,
                                               predicted = "cellular_label"))
  expect_equal(canal_evaluation(evaluated)$accuracy,
               mean(plain$cellular_label == query_cells()$types))
  # New labels end an evaluation of the old ones.
  evaluated <- cellular_predict(evaluated, model, verbose = FALSE)
  expect_null(S4Vectors::metadata(evaluated)$canal$evaluation)
  skip_if_not_installed("SeuratObject")
  seurat <- SeuratObject::CreateSeuratObject(counts)
  seurat <- cellular_embed(cellular_predict(seurat, model, verbose = FALSE), model,
                           verbose = FALSE)
  expect_identical(unname(seurat$cellular_label), plain$cellular_label)
  expect_identical(SeuratObject::Key(seurat[["cellular"]]), "cellular_")
})

test_that("representations are the middles of the types' embeddings", {
  model <- cellular_model()
  query <- query_cells()
  embedding <- cellular_embed(query$counts, model, verbose = FALSE)$embedding
  middle <- list(
    centroid = colMeans, median = function(x) apply(x, 2, stats::median),
    medoid = function(x) x[which.min(rowSums(as.matrix(stats::dist(x)))), ]
  )
  for (method in names(middle)) {
    rows <- cellular_representations(query$counts, model, query$types, method, verbose = FALSE)
    types <- sort(unique(query$types), method = "radix")
    expect_identical(rownames(rows), types)
    for (type in types) {
      own <- embedding[query$types == type, , drop = FALSE]
      expect_equal(unname(rows[type, ]), unname(middle[[method]](own)), tolerance = 1e-6)
    }
    expect_identical(attr(rows, "cells")[types], c(table(query$types))[types])
  }
  expect_error(cellular_representations(query$counts, model, query$types, "mean"), "method",
               class = "canalR_error_argument")
})

test_that("what cannot be predicted is refused by name", {
  counts <- query_cells()$counts
  bare <- embedding_of(epochs = 2)
  expect_error(cellular_predict(counts, bare), "classifier", class = "canalR_error_model")
  expect_error(cellular_predict(counts, stage_one()), "model", class = "canalR_error_argument")
  for (bad in list(list(novelty_threshold = 2), list(probabilities = NA), list(max_missing = -1),
                   list(verbose = 1))) {
    expect_error(do.call(cellular_predict, c(list(counts, cellular_model()), bad)), names(bad),
                 class = "canalR_error_argument")
  }
  expect_error(cellular_predict(log1p(counts), cellular_model(), verbose = FALSE),
               class = "canalR_error_transformed")
  expect_error(cellular_embed(iris, cellular_model()), class = "canalR_error_class")
})
