# What must hold of any input: properties of the results, over random cells, networks and labels.

random_model <- function(seed, genes) {
  set.seed(seed)
  config <- small_config(dim = 8 * sample(2, 1), depth = sample(3, 1), heads = sample(2, 1),
                         features = 4 + sample(20, 1), n_genes = length(genes))
  canal_model(config, genes, seed = seed)
}

# A model that knows three types, of so few genes that a test takes no time.
random_trained <- function(seed) {
  counts <- sparse(toy_counts(30, 45, seed))
  model <- random_model(seed, rownames(counts))
  train_quietly(list(counts = counts, types = rep_len(c("a", "b", "c"), 45)), model, epochs = 1,
                seed = seed, min_genes = 1)
}

annotated_quietly <- function(counts, model, ...) {
  as.data.frame(predict_quietly(counts, model, probabilities = "columns", min_genes = 1, ...))
}

test_that("tokens may stand in any order if their positions move along", {
  for (seed in 1:10) {
    genes <- paste0("GENE", seq_len(10 + 7 * seed))
    model <- random_model(seed, genes)
    n <- length(genes) + 1
    set.seed(seed)
    tokens <- matrix(sample(0:3, 4 * n, TRUE), 4)
    order <- sample(n)
    weights <- model@weights
    positions <- weight(model, "pos_emb.emb.weight")
    moved <- positions[order, ]
    # Arrays of weights lie row by row.
    weights[["pos_emb.emb.weight"]][] <- writeBin(as.vector(t(moved)), raw(), size = 4,
                                                  endian = "little")
    expect_equal(cpp_weight_array(weights[["pos_emb.emb.weight"]]), moved)
    encodings <- canal_forward(tokens, model, "encodings")
    # cells x tokens x D
    found <- canal_forward(tokens[, order], with_weights(model, weights), "encodings")
    expect_lt(max(abs(found - encodings[, order, ])), 1e-5)
    expect_gt(max(abs(found - encodings)), 1e-2)
    alone <- canal_forward(tokens[, order], model, "encodings")
    expect_gt(max(abs(alone - encodings[, order, ])), 1e-3)
  }
})

test_that("cells in another order have the same results in that order", {
  for (seed in 1:5) {
    model <- random_trained(seed)
    counts <- sparse(toy_counts(30, 10 + seed, 100 + seed))
    set.seed(seed)
    order <- sample(ncol(counts))
    expect_identical(annotated_quietly(counts[, order], model),
                     annotated_quietly(counts, model)[order, ])
    tokens <- function(counts) {
      as.matrix(canal_prepare(counts, model, min_genes = 1, verbose = FALSE))
    }
    expect_identical(tokens(counts[, order]), tokens(counts)[order, ])
    # Genes, too, are found by name.
    expect_identical(annotated_quietly(counts[sample(nrow(counts)), ], model),
                     annotated_quietly(counts, model))
  }
})

test_that("cells in another order have the same novelty, and a threshold of other mixtures", {
  for (seed in 1:3) {
    model <- random_trained(seed)
    counts <- sparse(toy_counts(30, 20 + seed, 100 + seed))
    order <- rev(seq_len(ncol(counts)))
    scored <- function(counts) predict_quietly(counts, model, novelty = "canal", seed = 4)
    threshold <- function(x) S4Vectors::metadata(x)$canal$canal$prediction$parameters$threshold
    one <- scored(counts)
    other <- scored(counts[, order])
    expect_identical(other$canal_novelty, one$canal_novelty[order])
    expect_identical(other$canal_confidence, one$canal_confidence[order])
    expect_lt(abs(threshold(other) - threshold(one)), 0.1)
  }
})

test_that("genes without a count change nothing, whether the model knows them or not", {
  for (seed in 1:5) {
    model <- random_trained(seed)
    counts <- sparse(toy_counts(30, 12, 200 + seed))
    set.seed(seed)
    silent <- sample(30, 4)
    counts[silent, ] <- 0
    counts <- Matrix::drop0(counts)
    expected <- annotated_quietly(counts, model)
    expect_identical(annotated_quietly(counts[-silent, ], model), expected)
    more <- sparse(matrix(0, 5 + seed, 12, dimnames = list(paste0("NEW", seq_len(5 + seed)), NULL)))
    colnames(more) <- colnames(counts)
    mixed <- rbind(counts, more)
    expect_identical(annotated_quietly(mixed[sample(nrow(mixed)), ], model), expected)
  }
})

test_that("types may be renamed", {
  for (seed in 1:3) {
    set.seed(seed)
    counts <- sparse(toy_counts(30, 40, 300 + seed))
    types <- sample(c("a", "b", "c"), 40, TRUE)
    # The order of the types is that of their names, and so stays.
    new <- c(a = "x cell", b = "y cell", c = "z cell")
    train <- function(types) {
      train_quietly(list(counts = counts, types = types), random_model(seed, rownames(counts)),
                    epochs = 1, min_genes = 1)
    }
    model <- train(types)
    renamed <- train(unname(new[types]))
    expect_identical(renamed@weights, model@weights)
    expect_identical(renamed@labels, unname(new[model@labels]))
    expect_identical(annotated_quietly(counts, renamed)$canal_label,
                     unname(new[annotated_quietly(counts, model)$canal_label]))
  }
})

test_that("measures of labels know neither the types' names nor the cells' order", {
  measures <- c("cells", "accuracy", "macro_f1", "ari", "known_accuracy", "unknown_accuracy",
                "h_score", "auroc", "left_out")
  for (seed in 1:20) {
    set.seed(seed)
    types <- LETTERS[seq_len(sample(6, 1))]
    n <- sample(60, 1)
    truth <- sample(types, n, TRUE)
    predicted <- ifelse(stats::runif(n) < 0.5, truth, sample(types, n, TRUE))
    predicted[stats::runif(n) < 0.1] <- NA
    score <- round(stats::runif(n), 1)
    novel <- intersect(types[1], truth)
    expected <- canal_evaluate(predicted, truth, novel, score = score)[measures]
    rename <- stats::setNames(sample(letters, length(types)), types)
    order <- sample(n)
    expect_equal(canal_evaluate(unname(rename[predicted[order]]), unname(rename[truth[order]]),
                                unname(rename[novel]), score = score[order])[measures], expected)
  }
})

test_that("counts may be scaled, each cell by its own factor", {
  for (seed in 1:5) {
    model <- random_trained(seed)
    counts <- sparse(toy_counts(30, 15, 400 + seed))
    set.seed(seed)
    scaled <- function(factors) {
      found <- counts
      found@x <- found@x * rep(factors, diff(found@p))
      found
    }
    # Powers of two are exact.
    expect_identical(annotated_quietly(scaled(2^sample(-3:9, 15, TRUE)), model),
                     annotated_quietly(counts, model))
    # Others round; a token may tell where a value meets the edge of its bin.
    values <- function(counts) {
      sweep(as.matrix(counts), 2, Matrix::colSums(counts), `/`) * model@config$target_sum
    }
    tokens <- function(counts) {
      as.matrix(canal_prepare(counts, model, min_genes = 1, verbose = FALSE))
    }
    edge <- t(abs(log2(1 + values(counts)) - round(log2(1 + values(counts)))) < 1e-6)
    edge <- edge[, model@genes]
    by_any <- tokens(scaled(stats::runif(15, 0.1, 50)))
    expect_identical(by_any[!edge], tokens(counts)[!edge])
    expect_lt(mean(edge), 0.5)
  }
  query <- panc_cells("smartseq2")$counts
  set.seed(1)
  scaled <- query
  scaled@x <- scaled@x * rep(stats::runif(ncol(query), 0.1, 50), diff(query@p))
  embed <- function(x) cellular_embed(x, cellular_model(), verbose = FALSE)$embedding
  expect_equal(embed(scaled), embed(query), tolerance = 1e-5)
})
