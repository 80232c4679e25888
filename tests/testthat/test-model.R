test_that("an untrained network has the sizes of its configuration", {
  model <- canal_model(small_config(n_bins = 7), c("INS", "GCG", "SST"), seed = 1)
  sizes <- cpp_sizes(model@weights)
  expect_identical(sizes[c("dim", "depth", "heads", "head_width", "features", "tokens")],
                   list(dim = 8, depth = 2, heads = 2, head_width = 4, features = 8, tokens = 9))
  expect_identical(sizes$positions, 4)
  expect_identical(sizes$types, 0)
  expect_true(sizes$mlm_head)
  expect_identical(model@genes, c("INS", "GCG", "SST"))
  expect_identical(model@labels, character())
  expect_false(model@provenance$pretrained)
  expect_identical(model@provenance$positions, "learned")
})

test_that("the seed decides the weights", {
  draw <- function(seed) canal_model(small_config(), c("INS", "GCG"), seed = seed)
  expect_identical(draw(1)@weights, draw(1)@weights)
  expect_identical(draw(1)@provenance$id, draw(1)@provenance$id)
  expect_false(identical(draw(1)@weights, draw(2)@weights))
  expect_false(identical(draw(1)@provenance$id, draw(2)@provenance$id))
  set.seed(1)
  before <- get(".Random.seed", globalenv())
  first <- draw(NULL)
  expect_identical(get(".Random.seed", globalenv()), before)
  set.seed(1)
  expect_identical(draw(NULL)@weights, first@weights)
})

test_that("the position table of a vocabulary becomes the network's, and stays", {
  cells <- stage_one_cells()
  genes <- rownames(cells$counts)
  set.seed(1)
  table <- matrix(stats::rnorm(length(genes) * 8), ncol = 8)
  model <- canal_model(small_config(), canal_vocabulary(genes, table), seed = 1)
  expect_equal(weight(model, "pos_emb.emb.weight"), rbind(table, 0), tolerance = 1e-6)
  expect_identical(model@provenance$positions, "fixed")
  trained <- train_quietly(cells, model, epochs = 1)
  expect_identical(weight(trained, "pos_emb.emb.weight"),
                   weight(model, "pos_emb.emb.weight")[c(match(trained@genes, genes),
                                                         length(genes) + 1), ])
})

test_that("a drawn position table is learned, its closing row included", {
  cells <- stage_one_cells()
  trained <- train_quietly(cells, untrained(), epochs = 1)
  places <- match(trained@genes, untrained()@genes)
  expect_false(identical(weight(trained, "pos_emb.emb.weight")[seq_along(places), ],
                         weight(untrained(), "pos_emb.emb.weight")[places, ]))
})

test_that("a position table of another width and other mistakes are refused", {
  expect_error(canal_model(small_config(), canal_vocabulary(c("A", "B"), diag(2)), seed = 1),
               class = "canalR_error_sizes")
  expect_refused(canal_model(list(dim = 8), c("A", "B")), "argument", "config")
  expect_refused(canal_model(small_config(), 1:3), "argument", "vocabulary")
  expect_refused(canal_model(small_config(), c("A", "B"), seed = -1), "argument", "seed")
})

test_that("print tells what a model is", {
  shown <- function(model) paste(utils::capture.output(print(model)), collapse = "\n")
  expect_match(shown(untrained()), "canalR model [0-9a-f]{12} \\(untrained\\)")
  expect_match(shown(untrained()), "genes +200 of 200 in the vocabulary")
  expect_match(shown(untrained()), "dim 8, depth 2, heads 2 x 4, 8 features")
  text <- shown(stage_two())
  expect_match(text, "\\(2 stages\\)")
  expect_match(text, "genes +40 of 200")
  expect_match(text, sprintf("stage 1 %d cells, acinar, alpha, beta, endothelial; best validation ",
                             ncol(stage_one_cells()$counts)))
  expect_match(text, sprintf("stage 2 %d cells, delta, ductal", ncol(stage_two_cells()$counts)))
  expect_match(text, sprintf("bank +%d cells of 6 types", nrow(stage_two()@bank$entries)))
  expect_match(text, format(structure(sum(lengths(stage_two()@weights)), class = "object_size"),
                            units = "auto"), fixed = TRUE)
  expect_match(shown(golden_model("pretrained.pth")), "\\(pre-trained\\)")
})

test_that("the id is that of the weights", {
  same <- with_weights(stage_one(), stage_one()@weights)
  expect_identical(same@provenance$id, stage_one()@provenance$id)
  expect_false(identical(stage_two()@provenance$id, stage_one()@provenance$id))
})

test_that("the native network is made once, and again where it is gone", {
  model <- with_weights(stage_one(), stage_one()@weights)
  network <- native_network(model, compute_on("cpu", "auto"))
  expect_identical(native_network(model, compute_on("cpu", "auto")), network)
  copy <- unserialize(serialize(model, NULL))
  expect_false(cpp_is_live(copy@cache$cpu))
  expect_true(cpp_is_live(native_network(copy, compute_on("cpu", "auto"))))
  expect_false(cpp_is_live(NULL))
  expect_false(identical(with_weights(model, model@weights)@cache, model@cache))
})
