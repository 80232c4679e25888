# The recipes, against a network and an optimiser written again in R (helper-naive-network.R).

# Small enough to differentiate number by number.
tiny_config <- function(...) {
  canal_config("scbert", dim = 3, heads = 2, head_width = 2, features = 3, ff_mult = 2, n_bins = 3,
               warm_up = 0, first_cycle = 4, ...)
}

# Counts, types and an untrained network of eight genes.
tiny_cells <- function(n = 6, depth = 1) {
  with_seed(5, {
    genes <- paste0("GENE", 1:8)
    counts <- matrix(rpois(8 * n, 1), 8, dimnames = list(genes, paste0("cell", 1:n)))
    counts[1:4, seq_len(n / 3)] <- counts[1:4, seq_len(n / 3)] + 2
    list(counts = counts, types = rep(c("A", "B"), c(n / 3, n - n / 3)),
         model = canal_model(tiny_config(depth = depth, target_sum = 40), genes, seed = 2))
  })
}

# Tokens of all cells, cells x N with the closing token.
tiny_tokens <- function(cells) {
  cbind(as.matrix(canal_prepare(cells$counts, cells$model, min_genes = 0, verbose = FALSE)), 0)
}

train_tiny <- function(cells, recipe, ...) {
  canal_train(cells$counts, cells$types, cells$model, recipe = recipe, validation = 0, seed = 3,
              min_genes = 0, verbose = FALSE, precision = "float32", ...)
}

# The weights that the stage starts from: what it returns after an epoch without a step.
tiny_start <- function(cells, recipe) {
  naive_weights(train_tiny(cells, recipe, epochs = 1, learning_rate = 0)@weights)
}

learned_names <- function(w, pattern = "") {
  names <- grep("projection_matrix", names(w), value = TRUE, invert = TRUE)
  grep(pattern, names, value = TRUE)
}

test_that("the naive network gives the recorded numbers", {
  model <- golden_model("canal_stage1.pth")
  tokens <- golden_array("stage1/tokens")[1, ]
  expect_lt(max(abs(naive_logits(naive_weights(model@weights), tokens, model@config$heads) -
                      golden_array("stage1/logits")[1, ])), 1e-4)
})

test_that("scBERT's fine-tuning: plain cross-entropy, gradients of all mini-batches in a step", {
  cells <- tiny_cells(depth = 2)
  recipe <- canal_recipe("scbert")
  recipe[c("fc1", "fc2", "learning_rate")] <- c(10, 8, 1e-2)
  start <- tiny_start(cells, recipe)
  tokens <- tiny_tokens(cells)
  label <- match(cells$types, c("A", "B"))
  loss <- function(w) {
    mean(vapply(seq_along(label), function(i) {
      naive_classification(w, tokens[i, ], label[i], heads = 2)
    }, 0))
  }
  # Layer depth - 1 (from 0: 0), the final norm and the head learn.
  learned <- learned_names(start, "layers\\.0\\.|^norm|^to_out")
  trained <- train_tiny(cells, recipe, epochs = 2, trainable = "stage")
  expect_equal(trained@history[[1]]$losses$total[1], loss(start), tolerance = 1e-5)
  rates <- trained@history[[1]]$losses$learning_rate
  expected <- naive_adam(loss, start, learned, 2, rates)
  expect_lt(largest_apart(naive_weights(trained@weights)[names(start)], expected), 2e-4)
  expect_gt(largest_apart(expected, start), 5e-3)
  expect_identical(nrow(trained@bank$entries), 0L)
})

test_that("TransAnno-Net's: all weights and the position table learn, rare types are repeated", {
  cells <- tiny_cells()
  recipe <- canal_recipe("transanno")
  recipe[c("fc1", "fc2", "learning_rate", "n_genes")] <- c(10, 8, 1e-2, 8)
  start <- tiny_start(cells, recipe)
  tokens <- tiny_tokens(cells)
  label <- match(cells$types, c("A", "B"))
  # 2 cells of A and 4 of B: each A twice. The order of the cells would decide which share a
  # mini-batch: one of all 8 makes the mean plain.
  weight <- ifelse(label == 1, 2, 1)
  loss <- function(w) {
    sum(weight * vapply(seq_along(label), function(i) {
      naive_classification(w, tokens[i, ], label[i], heads = 2)
    }, 0)) / sum(weight)
  }
  recipe$batch_size <- 8
  trained <- train_tiny(cells, recipe, epochs = 2)
  expect_equal(trained@history[[1]]$losses$total[1], loss(start), tolerance = 1e-5)
  rates <- trained@history[[1]]$losses$learning_rate
  expected <- naive_adam(loss, start, learned_names(start), 2, rates)
  expect_lt(largest_apart(naive_weights(trained@weights)[names(start)], expected), 2e-4)
  expect_gt(max(abs(expected[["pos_emb.emb.weight"]] - start[["pos_emb.emb.weight"]])), 5e-3)
})

test_that("CANAL's differs from the defaults of the published preset in nothing", {
  recipe <- canal_recipe("canal")
  config <- canal_config("scbert")
  for (name in intersect(names(recipe), names(config))) {
    expect_identical(recipe[[name]], config[[name]], label = name)
  }
})

test_that("pre-training on hidden tokens, published and balanced, steps as the naive one", {
  cells <- tiny_cells()
  tokens <- tiny_tokens(cells)
  start <- naive_weights(cells$model@weights)
  for (balance in c(FALSE, TRUE)) {
    # All tokens above 0 are chosen and hidden: nothing is left to chance.
    pretrained <- canal_pretrain(cells$counts, cells$model, epochs = 2, batch_size = 6,
                                 accumulation = 1, learning_rate = 1e-2, masked = 1, replaced = 1,
                                 clip_norm = 0.5, balance = balance, validation = 0, min_genes = 0,
                                 redraw_interval = 0, precision = "float32", seed = 3,
                                 verbose = FALSE)
    counted <- tabulate(tokens[tokens > 0], 3)
    weights <- if (balance) c(0, sum(counted) / (3 * counted)) else rep(1, 4)
    loss <- function(w) {
      places <- apply(tokens > 0, 1, which)
      total <- sum(vapply(seq_len(nrow(tokens)), function(i) {
        naive_masked(w, tokens[i, ], places[[i]], heads = 2, weights)
      }, 0))
      total / sum(weights[tokens[tokens > 0] + 1])
    }
    record <- canal_pretraining(pretrained)
    expect_equal(record$loss[1], loss(start), tolerance = 1e-5)
    expected <- naive_adam(loss, start, learned_names(start), 2, record$learning_rate, clip = 0.5)
    expect_lt(largest_apart(naive_weights(pretrained@weights)[names(start)], expected), 2e-4)
  }
})

test_that("held-out cells are set aside before any cell is repeated", {
  cells <- tiny_cells(30)
  model <- cells$model
  settings <- training_settings(model, new_genes = 0, validation = 0.3, oversample = TRUE,
                                seed = 1L, verbose = FALSE)
  data <- stage_cells(cells$counts, cells$types, model, settings, "counts", 0)
  stage <- begin_stage(model, data, settings)
  expect_identical(as.vector(table(stage$train$types)), c(14L, 14L))
  names_of <- function(tokens) apply(tokens, 2, paste, collapse = "")
  all <- names_of(unname(data$tokens@tokens))
  held <- which(stage$held)
  expect_setequal(names_of(stage$train$tokens), all[-held])
  expect_identical(table(stage$validate$types), table(cells$types[held]))
  # As evenly as can be: no cell more than once as often as another of its type.
  times <- table(oversampled(rep(c("a", "b"), c(3, 11)), 1))
  expect_true(all(times[1:3] %in% 3:4))
  expect_true(all(times[4:14] == 1))
})

test_that("a recipe prints, is changed, is remembered by the model, and wrong ones are refused", {
  recipe <- canal_recipe("scbert")
  expect_output(print(recipe), "canalR recipe \"scbert\".*accumulation +60.*novelty +threshold")
  cells <- tiny_cells()
  recipe[c("fc1", "fc2")] <- c(5, 3)
  model <- train_tiny(cells, recipe, epochs = 1)
  expect_identical(model@config$fc1, 5)
  expect_equal(model@config$n_genes, 8)
  called <- canal_predict(cells$counts, model, min_genes = 0, verbose = FALSE)
  parameters <- S4Vectors::metadata(called)$canal$canal$prediction$parameters
  expect_identical(parameters$novelty, "threshold")
  again <- canal_load(local({
    file <- tempfile(fileext = ".h5")
    canal_save(model, file)
    file
  }))
  expect_identical(again@provenance$recipe$novelty, "threshold")
  expect_error(canal_recipe("other"), class = "canalR_error_argument")
  refused <- function(...) {
    expect_error(train_tiny(cells, utils::modifyList(recipe, list(...)), epochs = 1),
                 class = "canalR_error_argument")
  }
  refused(depth = 3)
  refused(batch_size = 0)
  refused(trainable = "some")
  refused(typo = 1)
  expect_error(train_tiny(cells, list(1), epochs = 1), class = "canalR_error_argument")
  # An ordinary list, and a part of a recipe.
  expect_identical(train_tiny(cells, list(fc1 = 7, fc2 = 4), epochs = 1)@config$fc1, 7)
  expect_output(print(recipe[c("fc1", "patience")]), "recipe \"scbert\"\\s+fc1 +5\\s+patience")
  # The head is there: a later recipe says nothing of it.
  later <- canal_train(cells$counts, cells$types, model, recipe = "canal", epochs = 1, seed = 1,
                       validation = 0, min_genes = 0, verbose = FALSE)
  expect_identical(later@config$fc1, 5)
  # It goes with the weights.
  file <- tempfile(fileext = ".pth")
  canal_export(model, file, verbose = FALSE)
  imported <- canal_import(file, verbose = FALSE)
  choices <- names(recipe_choices)
  expect_identical(imported@provenance$recipe[choices], model@provenance$recipe[choices])
})
