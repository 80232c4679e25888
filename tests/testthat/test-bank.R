# The bank written the slow and obvious way: places of the entries that stay.
naive_trimmed <- function(entries, size, types) {
  quota <- floor(size / types)
  kept <- integer()
  for (type in seq_len(types) - 1L) {
    candidates <- which(entries$type0 == type)
    while (length(candidates) && sum(entries$type0[kept] == type) < quota) {
      best <- candidates[1]
      for (other in candidates) {
        better <- entries$rank[other] < entries$rank[best] ||
          (entries$rank[other] == entries$rank[best] && entries$stage[other] < entries$stage[best])
        if (better) best <- other
      }
      kept <- c(kept, best)
      candidates <- setdiff(candidates, best)
    }
  }
  kept
}

naive_ranks <- function(embedding, prototypes, type0) {
  nearness <- rowSums(embedding * prototypes[type0 + 1L, , drop = FALSE])
  vapply(seq_along(type0), function(cell) {
    rivals <- which(type0 == type0[cell])
    1L + sum(nearness[rivals] > nearness[cell]) +
      sum(nearness[rivals[rivals < cell]] == nearness[cell])
  }, 1L)
}

trimmed <- function(entries, size, types) {
  cpp_trim_bank(entries$type0, entries$rank, entries$stage, size, types)
}

# Cells of a new stage, ranked within their type.
random_stage <- function(stage, types, most = 12) {
  type0 <- sample.int(types, sample.int(most * types, 1), replace = TRUE) - 1L
  rank <- stats::ave(seq_along(type0), type0, FUN = function(x) sample.int(length(x)))
  data.frame(type0 = type0, rank = as.integer(rank), stage = rep(stage, length(type0)))
}

test_that("trimming over a stream is that of the naive bank", {
  set.seed(1)
  for (stream in 1:30) {
    size <- sample.int(60, 1)
    types <- sample.int(3, 1)
    bank <- random_stage(1L, 1)[0, ]
    for (stage in 1:5) {
      bank <- rbind(bank, random_stage(stage, types))
      kept <- trimmed(bank, size, types)
      expect_identical(kept, naive_trimmed(bank, size, types))
      bank <- bank[kept, ]
      expect_lte(nrow(bank), size)
      types <- types + sample.int(3, 1) - 1L
    }
  }
})

test_that("a type gets its quota or all the cells there are", {
  set.seed(2)
  bank <- rbind(random_stage(1L, 5), random_stage(2L, 5))
  for (size in c(0, 4, 5, 9, 25, 99, 1000)) {
    kept <- bank[trimmed(bank, size, 5), ]
    present <- as.vector(table(factor(bank$type0, 0:4)))
    expect_identical(as.vector(table(factor(kept$type0, 0:4))),
                     as.integer(pmin(present, floor(size / 5))))
  }
})

test_that("among equal ranks the older stage stays", {
  bank <- data.frame(type0 = 0L, rank = c(1L, 2L, 1L, 2L, 1L), stage = c(2L, 2L, 1L, 1L, 3L))
  expect_identical(trimmed(bank, 3, 1), c(3L, 1L, 5L))
  expect_identical(trimmed(bank, 4, 1), c(3L, 1L, 5L, 4L))
})

test_that("ranks are those of the naive ones, ties in the order of the cells", {
  set.seed(3)
  for (draw in 1:10) {
    embedding <- matrix(sample(0:2, 50 * 4, replace = TRUE), 50)
    prototypes <- matrix(stats::rnorm(3 * 4), 3)
    type0 <- sample.int(3, 50, replace = TRUE) - 1L
    # The engine reads both as float32.
    prototypes[] <- round(prototypes * 1024) / 1024
    expect_identical(cpp_prototype_ranks(embedding, prototypes, type0),
                     naive_ranks(embedding, prototypes, type0))
  }
})

# The cells of the first stage and of the second that were trained on, by the split of the seed.
trained_names <- function(cells, stage, seed = 1) {
  part <- 10 * (stage - 1) + 1
  colnames(cells$counts)[!hold_out(cells$types, 0.2, derive_seed(seed, part))]
}

test_that("a bank with room holds every training cell and no other", {
  bank <- stage_two()@bank
  expect_setequal(bank$entries$cell,
                  c(trained_names(stage_one_cells(), 1), trained_names(stage_two_cells(), 2)))
  expect_identical(anyDuplicated(bank$entries$cell), 0L)
  expect_identical(ncol(bank$tokens), nrow(bank$entries))
})

test_that("held-out cells of any stage are never in the bank", {
  for (stage in 1:2) {
    cells <- list(stage_one_cells(), stage_two_cells())[[stage]]
    held <- setdiff(colnames(cells$counts), trained_names(cells, stage))
    expect_gt(length(held), 5)
    expect_false(any(held %in% stage_two()@bank$entries$cell))
  }
  tokens <- canal_prepare(stage_two_cells()$counts, stage_two(), verbose = FALSE)
  held <- setdiff(rownames(tokens), trained_names(stage_two_cells(), 2))
  expect_identical(stage_two()@heldout[[2]]$tokens, unname(tokens[held, ]@tokens))
})

test_that("an entry has the tokens, type and stage of its cell", {
  for (stage in 1:2) {
    cells <- list(stage_one_cells(), stage_two_cells())[[stage]]
    tokens <- canal_prepare(cells$counts, stage_two(), verbose = FALSE)
    bank <- stage_two()@bank
    of_stage <- which(bank$entries$stage == stage)
    names <- bank$entries$cell[of_stage]
    expect_identical(bank$tokens[, of_stage], unname(tokens[names, ]@tokens))
    expect_identical(bank$entries$type[of_stage], cells$types[match(names, colnames(cells$counts))])
  }
})

ranks_by_hand <- function(cells, model) {
  names <- trained_names(cells, length(model@history))
  place <- match(names, colnames(cells$counts))
  embedding <- canal_embed(cells$counts[, place], model, verbose = FALSE)$embedding
  type0 <- match(cells$types[place], model@labels) - 1L
  prototypes <- cpp_weight_array(model@weights[["to_out.fc3.weight"]])
  stats::setNames(naive_ranks(embedding, prototypes, type0), names)
}

test_that("a rank is the place by inner product with the type's own row of the last layer", {
  entries <- stage_two()@bank$entries
  second <- entries[entries$stage == 2, ]
  expect_identical(second$rank, unname(ranks_by_hand(stage_two_cells(), stage_two())[second$cell]))
  first <- entries[entries$stage == 1, ]
  expect_identical(first$rank, unname(ranks_by_hand(stage_one_cells(), stage_one())[first$cell]))
})

test_that("a full bank keeps the quota of the best, the older stage first", {
  cells <- stage_two_cells()
  model <- train_quietly(cells, stage_one(), epochs = 1, bank_size = 29)
  ranks <- ranks_by_hand(cells, model)
  place <- match(names(ranks), colnames(cells$counts))
  new <- data.frame(cell = names(ranks), type = cells$types[place], rank = unname(ranks),
                    stage = 2L)
  all <- rbind(stage_one()@bank$entries, new)
  all$type0 <- match(all$type, model@labels) - 1L
  kept <- naive_trimmed(all, 29, length(model@labels))
  expect_identical(model@bank$entries$cell, all$cell[kept])
  quota <- floor(29 / 6)
  counts <- table(model@bank$entries$type)
  expect_identical(as.vector(counts[c("alpha", "beta", "acinar", "ductal")]),
                   rep(as.integer(quota), 4))
  expect_lte(max(counts), quota)
  expect_identical(last_record(model)$bank, nrow(model@bank$entries))
})

test_that("the quota shrinks with the types, and the worst ranks leave", {
  first <- train_quietly(stage_one_cells(), untrained(), epochs = 1, bank_size = 40)
  counts <- table(first@bank$entries$type)
  expect_identical(as.vector(counts), c(10L, 10L, 10L, 1L))
  cells <- stage_two_cells()
  chosen <- cells$types %in% c("ductal", "delta")
  second <- train_quietly(list(counts = cells$counts[, chosen], types = cells$types[chosen]), first,
                          epochs = 1, bank_size = 40)
  old <- second@bank$entries[second@bank$entries$stage == 1, ]
  expect_identical(sort(old$cell), sort(first@bank$entries$cell[first@bank$entries$rank <= 6]))
})

test_that("without places the bank is empty, and training goes on", {
  first <- train_quietly(stage_one_cells(), untrained(), epochs = 1, bank_size = 0)
  expect_identical(nrow(first@bank$entries), 0L)
  expect_identical(dim(first@bank$tokens), c(40L, 0L))
  second <- train_quietly(stage_two_cells(), first, epochs = 1)
  expect_true(all(second@bank$entries$stage == 2))
})
