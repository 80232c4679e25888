# Genes that join the sequence, at a later stage or because the vocabulary lacks them.

# Stage 1: types A and B, told apart by genes 1 to 20. Stage 2: type C, by genes 21 to 40, which are
# silent in stage 1 but for a few cells.
stream_cells <- function() {
  once("stream_cells", function() {
    with_seed(2, {
      genes <- paste0("GENE", 1:40)
      draw <- function(type, name) {
        high <- list(A = 1:10, B = 11:20, C = 21:40)[[type]]
        mean <- replace(rep(c(0.6, 0.05), each = 20), high, 4)
        counts <- matrix(rpois(40 * 20, mean), 40)
        dimnames(counts) <- list(genes, paste0(name, type, 1:20))
        counts
      }
      list(first = cbind(draw("A", "one"), draw("B", "one")),
           first_types = rep(c("A", "B"), each = 20),
           second = cbind(draw("A", "two"), draw("C", "two")),
           second_types = rep(c("A", "C"), each = 20), genes = genes)
    })
  })
}

stream_model <- function(..., vocabulary = stream_cells()$genes) {
  canal_model(small_config(n_genes = 20, ...), vocabulary, seed = 1)
}

first_stage <- function(model = stream_model(), ...) {
  cells <- stream_cells()
  canal_train(cells$first, cells$first_types, model, seed = 1, verbose = FALSE, ...)
}

second_stage <- function(model, ...) {
  cells <- stream_cells()
  canal_train(cells$second, cells$second_types, model, seed = 2, verbose = FALSE, ...)
}

test_that("genes are ranked as canal_prepare() chooses them", {
  cells <- stream_cells()
  ranked <- ranked_genes(cells_of(cells$first, "counts")$counts, cells$genes, NULL, 1e4, 1)
  for (n in c(5, 20, 33)) {
    tokens <- canal_prepare(cells$first, cells$genes, n_genes = n, verbose = FALSE)
    expect_setequal(colnames(tokens), utils::head(ranked, n))
  }
})

test_that("variable genes of a later stage join, up to so many, and the old ones stay", {
  first <- first_stage()
  second <- second_stage(first, new_genes = 8)
  expect_identical(second@genes[1:20], first@genes)
  joined <- second@genes[-(1:20)]
  expect_length(joined, 8)
  cells <- stream_cells()
  ranked <- ranked_genes(cells_of(cells$second, "counts")$counts, cells$genes, NULL, 1e4, 1)
  expect_setequal(joined, utils::head(setdiff(utils::head(ranked, 20), first@genes), 8))
  expect_identical(second@history[[2]]$new_genes, joined)
  expect_identical(second_stage(first, new_genes = 0)@genes, first@genes)
  predicted <- canal_predict(cells$second, second, verbose = FALSE)
  expect_false(anyNA(predicted$canal_label))
})

test_that("a gene that joins starts without influence: columns of zeros, its own row", {
  cells <- stream_cells()
  first <- first_stage(trainable = "all")
  start <- second_stage(first, new_genes = 8, epochs = 1, learning_rate = 0)
  fc1 <- cpp_weight_array(start@weights[["to_out.fc1.weight"]])
  old <- cpp_weight_array(first@weights[["to_out.fc1.weight"]])
  expect_identical(fc1[, c(1:20, 29)], old)
  expect_true(all(fc1[, 21:28] == 0))
  rows <- cpp_weight_array(start@weights[["pos_emb.emb.weight"]])
  before <- cpp_weight_array(first@weights[["pos_emb.emb.weight"]])
  expect_identical(rows[c(1:20, 29), ], before)
  # The mean of the vectors of the ten most alike genes, as long as vectors are on average.
  tokens <- as.matrix(canal_prepare(cells$second, cells$genes, genes = start@genes,
                                    verbose = FALSE))
  alike <- stats::cor(tokens[, 21], tokens[, 1:20])
  mean <- colMeans(before[order(alike, decreasing = TRUE)[1:10], ])
  usual <- mean(sqrt(rowSums(before[1:20, ]^2)))
  expect_equal(rows[21, ], mean / sqrt(sum(mean^2)) * usual, tolerance = 1e-6)
})

test_that("the vocabulary's own vectors come first", {
  cells <- stream_cells()
  table <- with_seed(3, matrix(rnorm(40 * 8), 40, dimnames = list(cells$genes, NULL)))
  vocabulary <- canal_vocabulary(cells$genes, positions = table)
  second <- second_stage(first_stage(stream_model(vocabulary = vocabulary)), new_genes = 8)
  rows <- cpp_weight_array(second@weights[["pos_emb.emb.weight"]])[1:28, ]
  expect_equal(rows, unname(table[second@genes, ]), tolerance = 1e-6)
})

test_that("rows without a vector learn where all else of the table is frozen", {
  first <- first_stage(trainable = "all")
  start <- second_stage(first, new_genes = 8, epochs = 1, learning_rate = 0)
  second <- second_stage(first, new_genes = 8, trainable = "head", epochs = 3,
                         learning_rate = 1e-2)
  of <- function(model, name) cpp_weight_array(model@weights[[name]])
  rows <- of(second, "pos_emb.emb.weight")
  before <- of(start, "pos_emb.emb.weight")
  expect_identical(rows[c(1:20, 29), ], before[c(1:20, 29), ])
  expect_true(all(rowSums(rows[21:28, ] != before[21:28, ]) > 0))
  expect_identical(of(second, "performer.net.layers.0.0.fn.to_q.weight"),
                   of(first, "performer.net.layers.0.0.fn.to_q.weight"))
})

test_that("cells of the bank and held-out ones bring the tokens of genes that join", {
  cells <- stream_cells()
  first <- first_stage()
  second <- second_stage(first, new_genes = 8)
  joined <- second@genes[-(1:20)]
  # All other genes but those that do not vary.
  ranked <- ranked_genes(cells_of(cells$first, "counts")$counts, cells$genes, NULL, 1e4, 1)
  expect_setequal(rownames(first@bank$spare), setdiff(ranked, first@genes))
  truth <- function(names) {
    t(as.matrix(canal_prepare(cells$first, cells$genes, genes = joined, verbose = FALSE)))[, names]
  }
  old <- second@bank$entries$stage == 1
  got <- second@bank$tokens[21:28, old]
  expect_identical(matrix(as.integer(got), 8), unname(truth(second@bank$entries$cell[old])))
  held <- grow_kept_cells(first@heldout[[1]], joined)
  expect_identical(second@heldout[[1]]$tokens, held$tokens)
  expect_gt(sum(held$tokens[21:28, ] != as.raw(0)), 0)
  # Without spare genes the old cells are silent there.
  none <- second_stage(first_stage(stream_model(kept_genes = 0)), new_genes = 8)
  expect_true(all(none@bank$tokens[21:28, none@bank$entries$stage == 1] == as.raw(0)))
})

test_that("the old model of the distillation reads its own genes only", {
  first <- first_stage(stream_model(dropped_tokens = 0))
  cells <- stream_cells()
  drift <- function(new_genes) {
    record <- second_stage(first, new_genes = new_genes, epochs = 1, learning_rate = 0,
                           precision = "float32")@history[[2]]
    record$losses$distillation
  }
  # Without a step the network without new genes is the old one.
  expect_equal(drift(0), 0, tolerance = 1e-9)
  # With them its attention sees more tokens: near, and not the same.
  expect_gt(drift(8), 0)
})

test_that("genes that a vocabulary lacks can join at the first stage", {
  cells <- stream_cells()
  short <- cells$genes[c(1:8, 11:18, 21:25)]
  model <- first_stage(stream_model(vocabulary = short), new_genes = 3)
  outside <- setdiff(model@genes, short)
  expect_length(outside, 3)
  expect_identical(utils::tail(model@genes, 3), outside)
  expect_identical(utils::tail(model@vocabulary$genes, 3), outside)
  expect_true(all(first_stage(stream_model(vocabulary = short))@genes %in% short))
  # A pre-trained vocabulary was not chosen for these cells.
  pretrained <- canal_pretrain(cells$first, short, small_config(n_genes = 20, outside_genes = 30),
                               epochs = 1, seed = 1, verbose = FALSE)
  ranked <- ranked_genes(cells_of(cells$first, "counts")$counts, short, NULL, 1e4, 1)
  # 11 of the 20 are from outside.
  expect_warning(first <- first_stage(pretrained), class = "canalR_warning_overlap")
  expect_setequal(first@genes, utils::head(ranked, 20))
  file <- tempfile(fileext = ".h5")
  canal_save(model, file)
  again <- canal_load(file)
  expect_identical(again@bank, model@bank)
  expect_identical(again@heldout, model@heldout)
  expect_identical(second_stage(again, new_genes = 8)@weights,
                   second_stage(model, new_genes = 8)@weights)
})

test_that("cells of all stages have one scale, whatever joins", {
  cells <- stream_cells()
  short <- cells$genes[c(1:8, 11:18, 21:25)]
  # Shallow bins, so that the scale shows in the tokens.
  model <- first_stage(stream_model(vocabulary = short, n_bins = 9, target_sum = 100),
                       new_genes = 3)
  second <- second_stage(model, new_genes = 8)
  expect_gt(length(setdiff(second@genes, short)), 3)
  fresh <- function(x, names) {
    tokens <- canal_prepare(x, second, min_genes = 0, verbose = FALSE)
    unname(tokens@tokens[, names])
  }
  for (stage in 1:2) {
    of_stage <- second@bank$entries$stage == stage
    x <- list(cells$first, cells$second)[[stage]]
    expect_identical(second@bank$tokens[, of_stage],
                     fresh(x, second@bank$entries$cell[of_stage]))
  }
})

test_that("a model with an imported bank goes on over stages", {
  model <- canal_import(test_path("fixtures", "bank-csr.pth"), verbose = FALSE)
  counts <- with_seed(1, matrix(rpois((length(model@genes) + 20) * 40, 3), ncol = 40))
  dimnames(counts) <- list(c(model@genes, paste0("X", 1:20)), paste0("c", 1:40))
  for (type in c("new", "newer")) {
    model <- canal_train(counts, rep(type, 40), model, epochs = 1, seed = 1, min_genes = 0,
                         new_genes = 5, verbose = FALSE)
    expect_true(type %in% model@bank$entries$type)
    expect_length(model@pending, 0)
  }
})

test_that("a pre-trained network keeps the vectors of genes that are not chosen at first", {
  cells <- stream_cells()
  pretrained <- canal_pretrain(cells$first, cells$genes, small_config(n_genes = 20), epochs = 1,
                               seed = 1, verbose = FALSE)
  second <- second_stage(first_stage(pretrained), new_genes = 8)
  learned <- cpp_weight_array(pretrained@weights[["pos_emb.emb.weight"]])
  rownames(learned) <- c(cells$genes, "end")
  rows <- cpp_weight_array(second@weights[["pos_emb.emb.weight"]])
  joined <- second@genes[-(1:20)]
  expect_identical(rows[21:28, ], unname(learned[joined, ]))
})

test_that("a vocabulary that is taken whole can be joined in the first stage too", {
  genes <- stream_cells()$genes
  model <- first_stage(stream_model(vocabulary = genes[1:12]), new_genes = 5)
  expect_identical(model@genes[1:12], genes[1:12])
  expect_length(model@genes, 17)
  expect_length(first_stage(stream_model(vocabulary = genes[1:12]))@genes, 12)
})

test_that("a pre-trained vocabulary without the cells' genes is filled up from outside", {
  genes <- stream_cells()$genes
  model <- stream_model(vocabulary = c(genes[1:3], paste0("OTHER", 1:40)), outside_genes = 2)
  model@provenance$pretraining <- list(losses = list(epoch = 1))
  model@provenance$pretrained <- TRUE
  expect_warning(expect_warning(trained <- first_stage(model, min_genes = 0), "from outside it"),
                 "genes of the vocabulary", class = "canalR_warning_overlap")
  expect_length(trained@genes, 20)
  expect_gt(sum(trained@genes %in% genes[-(1:3)]), 10)
})

test_that("tokens, whose genes are fixed, take no new ones", {
  cells <- stream_cells()
  tokens <- canal_prepare(cells$first, stream_model(), verbose = FALSE)
  expect_error(canal_train(tokens, cells$first_types, stream_model(), new_genes = 3, seed = 1,
                           verbose = FALSE), class = "canalR_error_argument")
})
