recorded <- function() golden_array("novelty")
from_file <- function(name) attr(recorded(), "h5_attributes")[[name]]

score_recorded <- function() {
  model <- golden_model("canal_stage1.pth")
  cpp_novelty(native_network(model, compute_on("cpu", "auto")), golden_array("stage1/logits"),
              golden_array("stage1/manifold"), as.integer(recorded()$partner0),
              recorded()$mix_weight, from_file("temperature"))
}

test_that("every quantity follows from the recorded draws", {
  novelty <- score_recorded()
  for (name in c("energy", "confidence", "score", "energy_mixed", "confidence_mixed",
                 "mixed_logits")) {
    expect_lt(max(abs(novelty[[name]] - recorded()[[name]])), 1e-4)
  }
  expect_lt(abs(novelty$threshold - from_file("threshold")), 1e-4)
  expect_identical(as.integer(novelty$score > novelty$threshold),
                   as.integer(recorded()$unassigned))
})

# METHODS of the paper, cell by cell in R.
naive_novelty <- function(model, logits, manifold, partner, weight, temperature) {
  layer <- function(x, name) {
    x %*% t(weight_of(name)) + rep(bias_of(name), each = nrow(x))
  }
  weight_of <- function(name) cpp_weight_array(model@weights[[paste0("to_out.", name, ".weight")]])
  bias_of <- function(name) cpp_weight_array(model@weights[[paste0("to_out.", name, ".bias")]])
  energy <- function(z) -temperature * log(rowSums(exp(z / temperature)))
  confidence <- function(z) apply(exp(z) / rowSums(exp(z)), 1, max)
  scaled <- function(e) (e - min(e)) / (max(e) - min(e))
  mixed <- weight * manifold + (1 - weight) * manifold[partner, ]
  mixed_logits <- layer(pmax(layer(mixed, "fc2"), 0), "fc3")
  list(score = (scaled(energy(logits)) + 1 - confidence(logits)) / 2,
       threshold = (mean(1 - scaled(energy(mixed_logits))) + mean(confidence(mixed_logits))) / 2)
}

test_that("a prediction scores its cells as the formulas say", {
  cells <- stage_two_cells()
  model <- stage_two()
  predicted <- predict_quietly(cells$counts, model, novelty = "canal", seed = 3, temperature = 0.5)
  tokens <- canal_prepare(cells$counts, model, verbose = FALSE)
  logits <- canal_forward(tokens, model)
  manifold <- canal_forward(tokens, model, "manifold")
  draws <- cpp_draw_mixing(nrow(manifold), ncol(manifold), 3)
  expected <- naive_novelty(model, logits, manifold, draws$partner0 + 1, draws$weight, 0.5)
  expect_equal(predicted$canal_novelty, expected$score, tolerance = 1e-4)
  parameters <- S4Vectors::metadata(predicted)$canal$canal$prediction$parameters
  expect_equal(parameters$threshold, expected$threshold, tolerance = 1e-4)
  expect_identical(predicted$canal_label == "Unassigned",
                   predicted$canal_novelty > parameters$threshold)
})

test_that("without a novelty nothing is unassigned, and the score is the doubt", {
  predicted <- predict_quietly(stage_two_cells()$counts, stage_two())
  expect_true(all(predicted$canal_label %in% stage_two()@labels))
  expect_identical(predicted$canal_novelty, 1 - predicted$canal_confidence)
  expect_null(S4Vectors::metadata(predicted)$canal$canal$prediction$parameters$threshold)
})

test_that("the threshold on the confidence is the configuration's, or the one given", {
  counts <- stage_two_cells()$counts
  plain <- predict_quietly(counts, stage_two())
  middle <- stats::median(plain$canal_confidence)
  given <- predict_quietly(counts, stage_two(), novelty = "threshold", threshold = middle)
  expect_identical(given$canal_label == "Unassigned", plain$canal_confidence < middle)
  expect_true(any(given$canal_label == "Unassigned") && any(given$canal_label != "Unassigned"))
  expect_identical(given$canal_confidence, plain$canal_confidence)
  expect_identical(S4Vectors::metadata(given)$canal$canal$prediction$parameters$threshold, middle)
  usual <- predict_quietly(counts, stage_two(), novelty = "threshold")
  expect_identical(usual$canal_label == "Unassigned", plain$canal_confidence < 0.5)
  expect_identical(S4Vectors::metadata(usual)$canal$canal$prediction$parameters$threshold, 0.5)
})

test_that("a threshold of CANAL's score can be given", {
  counts <- stage_two_cells()$counts
  given <- predict_quietly(counts, stage_two(), novelty = "canal", threshold = 0.3, seed = 1)
  expect_identical(given$canal_label == "Unassigned", given$canal_novelty > 0.3)
  expect_true(any(given$canal_label == "Unassigned"))
})

test_that("the mixtures are the seed's, and move nothing of the user's", {
  counts <- stage_two_cells()$counts
  threshold <- function(seed) {
    predicted <- predict_quietly(counts, stage_two(), novelty = "canal", seed = seed)
    S4Vectors::metadata(predicted)$canal$canal$prediction$parameters$threshold
  }
  expect_identical(threshold(1), threshold(1))
  expect_false(identical(threshold(1), threshold(2)))
  set.seed(1)
  before <- get(".Random.seed", globalenv())
  first <- threshold(NULL)
  expect_identical(get(".Random.seed", globalenv()), before)
  expect_identical(threshold(NULL), first)
})

test_that("one cell has a score: its energy counts as 0.5", {
  one <- stage_two_cells()$counts[, 1, drop = FALSE]
  predicted <- predict_quietly(one, stage_two(), novelty = "canal", seed = 1)
  expect_equal(predicted$canal_novelty, (0.5 + 1 - predicted$canal_confidence) / 2)
  expect_true(is.finite(S4Vectors::metadata(predicted)$canal$canal$prediction$parameters$threshold))
})
