test_that("a share of each type is held out, at least one of two cells, never the only one", {
  types <- rep(c("a", "b", "c", "d"), c(50, 11, 2, 1))
  for (seed in 1:20) {
    held <- hold_out(types, 0.2, seed)
    expect_identical(as.vector(tapply(held, types, sum)), c(10L, 2L, 1L, 0L))
  }
})

test_that("some of each type stay for training", {
  types <- rep(c("a", "b"), c(2, 10))
  held <- hold_out(types, 0.9, 1)
  expect_identical(as.vector(tapply(held, types, sum)), c(1L, 9L))
})

test_that("nothing is held out without a share or without cells", {
  expect_identical(hold_out(c("a", "a", "b"), 0, 1), c(FALSE, FALSE, FALSE))
  expect_identical(hold_out(character(), 0.5, 1), logical())
})

test_that("the choice is by chance, and the seed's", {
  types <- rep("a", 10)
  chosen <- vapply(1:200, function(seed) which(hold_out(types, 0.1, seed)), 1L)
  expect_identical(sort(unique(chosen)), 1:10)
  expect_identical(hold_out(types, 0.3, 5), hold_out(types, 0.3, 5))
})

test_that("one type's choice does not change with the order of the types", {
  types <- rep(c("a", "b"), each = 10)
  expect_identical(hold_out(types, 0.2, 3), hold_out(factor(types, c("a", "b", "z")), 0.2, 3))
})
