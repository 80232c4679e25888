# What a prediction holds, without the record of when it was made.
values_of <- function(prediction) as.data.frame(prediction)

test_that("a matrix gives a DataFrame with a row per cell", {
  cells <- stage_two_cells()
  result <- predict_quietly(cells$counts, stage_two())
  expect_s4_class(result, "DataFrame")
  expect_identical(rownames(result), colnames(cells$counts))
  expect_named(result, c("canal_label", "canal_confidence", "canal_novelty", "canal_reason",
                         "canal_pruned"))
  logits <- canal_forward(canal_prepare(cells$counts, stage_two(), verbose = FALSE), stage_two(),
                          precision = "auto")
  softmax <- exp(logits) / rowSums(exp(logits))
  expect_identical(result$canal_label, stage_two()@labels[max.col(logits, "first")])
  expect_equal(result$canal_confidence, apply(softmax, 1, max))
  expect_true(all(is.na(result$canal_reason)))
  expect_true(all(result$canal_confidence > 0 & result$canal_confidence <= 1))
})

test_that("labels go into the user's own object, which else stays as it is", {
  cells <- stage_two_cells()
  expected <- values_of(predict_quietly(cells$counts, stage_two()))
  skip_if_not_installed("SingleCellExperiment")
  experiment <- SingleCellExperiment::SingleCellExperiment(list(counts = cells$counts))
  experiment$donor <- seq_len(ncol(experiment))
  result <- predict_quietly(experiment, stage_two())
  expect_identical(values_of(SummarizedExperiment::colData(result))[names(expected)], expected)
  expect_identical(result$donor, experiment$donor)
  skip_if_not_installed("SeuratObject")
  seurat <- SeuratObject::CreateSeuratObject(cells$counts)
  result <- predict_quietly(seurat, stage_two())
  expect_identical(result@meta.data[names(expected)], expected)
  expect_identical(result@meta.data[names(seurat@meta.data)], seurat@meta.data)
})

test_that("a result can be traced to the model and the parameters", {
  result <- predict_quietly(stage_two_cells()$counts, stage_two(), novelty = "canal", seed = 1)
  record <- S4Vectors::metadata(result)$canal$canal$prediction
  expect_identical(record$model$id, stage_two()@provenance$id)
  expect_identical(record$model$stages, 2L)
  expect_identical(record$version, as.character(utils::packageVersion("canalR")))
  expect_identical(record$parameters$novelty, "canal")
  expect_identical(record$parameters$temperature, 0.8)
  expect_identical(record$parameters$cells, ncol(stage_two_cells()$counts))
  expect_true(is.finite(record$parameters$threshold))
})

test_that("a cell with too few genes has NA and the reason, in its place", {
  counts <- stage_two_cells()$counts
  poor <- c(1, 7, ncol(counts))
  counts[, poor] <- 0
  result <- predict_quietly(counts, stage_two(), novelty = "canal", seed = 1,
                            probabilities = "columns")
  expect_identical(rownames(result), colnames(counts))
  expect_identical(which(is.na(result$canal_label)), as.integer(poor))
  expect_identical(which(is.na(result$canal_confidence)), as.integer(poor))
  expect_identical(which(is.na(result$canal_novelty)), as.integer(poor))
  expect_identical(which(is.na(result$canal_prob_alpha)), as.integer(poor))
  expect_match(result$canal_reason[poor], "0 detected genes, fewer than 4")
  expect_true(all(is.na(result$canal_reason[-poor])))
  rest <- predict_quietly(counts[, -poor], stage_two(), novelty = "canal", seed = 1,
                          probabilities = "columns")
  expect_identical(values_of(result)[-poor, ], values_of(rest))
})

test_that("cells that all have too few genes have reasons too", {
  counts <- stage_two_cells()$counts[, 1:3]
  for (novelty in c("none", "canal", "threshold")) {
    expect_warning(
      result <- predict_quietly(counts, stage_two(), novelty = novelty, min_genes = 190),
      "none among 3", class = "canalR_warning_dropped"
    )
    expect_identical(nrow(result), 3L)
    expect_true(all(is.na(result$canal_label)))
    expect_match(result$canal_reason, "fewer than 190")
  }
})

test_that("probabilities have a column per type and sum to one", {
  result <- predict_quietly(stage_two_cells()$counts, stage_two(), probabilities = "columns")
  names <- paste0("canal_prob_", stage_two()@labels)
  expect_true(all(names %in% names(result)))
  table <- as.matrix(values_of(result)[names])
  expect_equal(unname(rowSums(table)), rep(1, nrow(table)), tolerance = 1e-12)
  expect_identical(unname(apply(table, 1, max)), result$canal_confidence)
  expect_identical(stage_two()@labels[max.col(table, "first")], result$canal_label)
})

test_that("the order of cells and genes does not matter", {
  counts <- stage_two_cells()$counts
  expected <- values_of(predict_quietly(counts, stage_two()))
  backwards <- values_of(predict_quietly(counts[rev(rownames(counts)), rev(colnames(counts))],
                                         stage_two()))
  expect_identical(rownames(backwards), rev(colnames(counts)))
  expect_identical(backwards[colnames(counts), ], expected)
})

test_that("a cell's label and confidence do not depend on the others, to the last bit", {
  counts <- stage_two_cells()$counts
  expected <- values_of(predict_quietly(counts, stage_two(), probabilities = "columns"))
  for (size in c(1, 7, 20)) {
    pieces <- split(seq_len(ncol(counts)), (seq_len(ncol(counts)) - 1) %/% size)
    if (size == 1) pieces <- pieces[c(1, 5, 9)]
    for (cells in pieces) {
      part <- predict_quietly(counts[, cells, drop = FALSE], stage_two(), probabilities = "columns")
      expect_identical(values_of(part), expected[cells, ])
    }
  }
  for (threads in 1:2) {
    result <- predict_quietly(counts, stage_two(), probabilities = "columns", num_threads = threads)
    expect_identical(values_of(result), expected)
  }
})

test_that("near ties do not draw on the user's random numbers", {
  logits <- matrix(c(1, 1 + 1e-7, 1 - 1e-7, 1, 1, 1), 2)
  set.seed(1)
  before <- get(".Random.seed", globalenv())
  expect_equal(rowSums(softmax(logits)), c(1, 1))
  expect_identical(softmax(logits), softmax(logits))
  expect_identical(get(".Random.seed", globalenv()), before)
  expect_equal(softmax(matrix(c(1000, 0), 1)), matrix(c(1, 0), 1))
})

test_that("a model without types and arguments out of range are refused", {
  counts <- stage_two_cells()$counts
  expect_refused(canal_predict(counts, untrained()), "model", "model")
  expect_refused(canal_predict(counts, NULL), "argument", "model")
  wrong <- list(novelty = "energy", novelty = c("none", "canal"), probabilities = NA,
                threshold = 2, threshold = -1, threshold = "a", temperature = 0, temperature = Inf,
                num_threads = 0, device = "tpu", verbose = NA, min_genes = -1)
  for (i in seq_along(wrong)) {
    call <- utils::modifyList(list(counts, stage_two(), verbose = FALSE), wrong[i])
    expect_refused(do.call(canal_predict, call), "argument", names(wrong)[i])
  }
  expect_refused(canal_predict(counts, stage_two(), "canal", seed = -1, verbose = FALSE),
                 "argument", "seed")
})

test_that("a threshold that is not used is told", {
  counts <- stage_two_cells()$counts[, 1:4]
  expect_warning(predict_quietly(counts, stage_two(), threshold = 0.5), "`threshold`",
                 class = "canalR_warning_argument")
  expect_warning(predict_quietly(counts, stage_two(), novelty = "threshold", temperature = 2),
                 "`temperature`", class = "canalR_warning_argument")
  expect_no_warning(predict_quietly(counts, stage_two(), novelty = "threshold", threshold = 0.5))
})

test_that("progress is told, and verbose silences it", {
  counts <- stage_two_cells()$counts
  expect_silent(predict_quietly(counts, stage_two()))
  expect_message(canal_predict(counts, stage_two()), class = "canalR_message_prepare")
})

test_that("a forked worker annotates alike", {
  skip_on_os("windows")
  counts <- stage_two_cells()$counts
  expected <- values_of(predict_quietly(counts, stage_two()))
  results <- parallel::mclapply(1:2, function(i) values_of(predict_quietly(counts, stage_two())),
                                mc.cores = 2)
  expect_identical(results, list(expected, expected))
})

test_that("a worker of a cluster annotates and trains alike", {
  cells <- stage_one_cells()
  cluster <- parallel::makePSOCKcluster(1)
  on.exit(parallel::stopCluster(cluster))
  parallel::clusterCall(cluster, function(paths) .libPaths(paths),
                        c(dirname(find.package("canalR")), .libPaths()))
  work <- function(job) {
    suppressMessages(library(canalR))
    model <- canal_train(job$counts, job$types, job$untrained, seed = 1, verbose = FALSE)
    list(weights = model@weights,
         labels = as.data.frame(canal_predict(job$counts, job$model, verbose = FALSE)))
  }
  environment(work) <- globalenv()
  job <- list(counts = cells$counts, types = cells$types, model = stage_one(),
              untrained = untrained())
  result <- parallel::clusterCall(cluster, work, job)[[1]]
  expect_identical(result$weights, stage_one()@weights)
  expect_identical(result$labels, values_of(predict_quietly(cells$counts, stage_one())))
})

test_that("a new session annotates alike with a model from saveRDS()", {
  counts <- stage_two_cells()$counts
  predict_quietly(counts, stage_two())
  code <- "result <- as.data.frame(canal_predict(value$counts, value$model, verbose = FALSE))"
  expect_identical(in_new_session(code, list(counts = counts, model = stage_two())),
                   values_of(predict_quietly(counts, stage_two())))
})

test_that("cells in which the model's genes are not measured are refused or told", {
  model <- stage_one()
  counts <- stage_one_cells()$counts
  others <- setdiff(rownames(counts), model@genes)
  expect_error(predict_quietly(counts[others, ], model), "`x`", class = "canalR_error_overlap")
  expect_warning(predict_quietly(counts[c(others, model@genes[1]), ], model), "1 of 40",
                 class = "canalR_warning_overlap")
  expect_warning(predict_quietly(counts[c(others, model@genes[1:19]), ], model), "19 of 40",
                 class = "canalR_warning_overlap")
  half <- counts[c(others, model@genes[1:20]), ]
  expect_silent(predict_quietly(half, model))
  expect_message(canal_predict(half, model), "40 genes prepared, 20 of them measured",
                 class = "canalR_message_prepare")
})

test_that("another model's probabilities do not stay behind", {
  skip_if_not_installed("SingleCellExperiment")
  counts <- stage_one_cells()$counts
  cells <- SingleCellExperiment::SingleCellExperiment(list(counts = counts))
  cells <- predict_quietly(cells, stage_two(), probabilities = "columns")
  expect_true("canal_prob_ductal" %in% names(SummarizedExperiment::colData(cells)))
  cells <- predict_quietly(cells, stage_one(), probabilities = "columns")
  columns <- grep("^canal_prob_", names(SummarizedExperiment::colData(cells)), value = TRUE)
  expect_setequal(columns, paste0("canal_prob_", stage_one()@labels))
  parameters <- S4Vectors::metadata(cells)$canal$canal$prediction$parameters
  expect_true(all(c("seed", "assay.type") %in% names(parameters)))
})

test_that("a second prediction leaves columns alone that the first did not write", {
  skip_if_not_installed("SingleCellExperiment")
  counts <- stage_two_cells()$counts
  kinds <- list(SingleCellExperiment::SingleCellExperiment(list(counts = sparse(counts))))
  if (requireNamespace("SeuratObject", quietly = TRUE)) {
    kinds <- c(kinds, SeuratObject::CreateSeuratObject(counts))
  }
  for (x in kinds) {
    x <- predict_quietly(x, stage_two(), probabilities = "columns", top_k = 2)
    x$canal_prob_mine <- 1
    again <- predict_quietly(x, stage_one())
    expect_identical(unname(again$canal_prob_mine), rep(1, ncol(x)))
    expect_identical(colnames(cell_columns(again)),
                     setdiff(colnames(cell_columns(x)),
                             c(paste0("canal_prob_", stage_two()@labels),
                               paste0("canal_top_", c("1", "1_confidence", "2", "2_confidence")))))
    again$canal_cluster <- "mine"
    expect_refused(predict_quietly(again, stage_one(), clusters = rep("a", ncol(x))), "argument",
                   "prefix")
    expect_identical(prediction_record(again, "canal")$columns, label_columns("canal"))
  }
})

test_that("the names of results are known before there are any", {
  cells <- stage_two_cells()
  found <- predict_quietly(cells$counts, stage_two(), clusters = cells$types, top_k = 99,
                           probabilities = "columns")
  asked <- list(prefix = "canal", clusters = cells$types, top_k = 99, probabilities = "columns")
  names <- result_names(asked, stage_two()@labels)
  expect_setequal(names$columns, names(found))
  expect_null(names$scores)
  asked <- list(prefix = "my", top_k = 0, probabilities = "assay")
  expect_identical(result_names(asked, stage_two()@labels),
                   list(columns = label_columns("my"), scores = "my_scores"))
})

test_that("prepared tokens are annotated as the counts are", {
  cells <- stage_two_cells()
  model <- stage_two()
  counts <- cells$counts
  poor <- c(2, 5)
  counts[, poor] <- 0
  tokens <- canal_prepare(counts, model, verbose = FALSE)
  clusters <- rep(c("one", "two"), length.out = ncol(counts))
  ask <- function(x, ...) {
    predict_quietly(x, model, novelty = "canal", seed = 1, clusters = clusters, ...)
  }
  expected <- ask(counts)
  S4Vectors::metadata(expected) <- list()
  unmarked <- function(x) {
    S4Vectors::metadata(x) <- list()
    x
  }
  expect_identical(unmarked(ask(tokens)), expected)
  expect_identical(which(is.na(expected$canal_label)), as.integer(poor))
  folder <- tempfile("chunks")
  on.exit(unlink(folder, recursive = TRUE))
  expect_identical(unmarked(ask(tokens, checkpoint = folder)), expected)
  small <- token_source(tokens)
  expect_identical(small$read(c(1, 6))[, -poor], unname(tokens@tokens[, 1:4]))
  expect_true(all(small$read(c(2, 2)) == as.raw(0)))
  expect_identical(unname(predict_quietly(tokens[3:4, ], model)$canal_label),
                   predict_quietly(counts, model)$canal_label[c(4, 6)])
  expect_identical(suppressWarnings(canal_embed(tokens, model, verbose = FALSE))$embedding,
                   suppressWarnings(canal_embed(counts, model, verbose = FALSE))$embedding)
  expect_refused(predict_quietly(tokens, model, min_genes = 3), "argument", "min_genes")
  expect_refused(predict_quietly(canal_prepare(counts, model@vocabulary, n_genes = 10,
                                               verbose = FALSE), model), "genes", "x")
  expect_error(cellular_predict(tokens, cellular_model()), "Tokens hold no counts",
               class = "canalR_error_class")
})
