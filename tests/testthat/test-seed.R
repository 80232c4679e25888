stream <- function() get(".Random.seed", globalenv())

test_that("a given seed is checked", {
  expect_identical(resolve_seed(7), 7L)
  expect_identical(resolve_seed(0), 0L)
  expect_identical(resolve_seed(2^31 - 1), .Machine$integer.max)
  for (seed in list(-1, 1.5, NA, "1", 1:2, 2^31)) {
    expect_refused(resolve_seed(seed), "argument", "seed")
  }
})

test_that("without a seed set.seed() decides, and its stream does not move", {
  set.seed(1)
  before <- stream()
  first <- resolve_seed(NULL)
  expect_identical(stream(), before)
  expect_identical(resolve_seed(NULL), first)
  stats::runif(1)
  expect_false(identical(resolve_seed(NULL), first))
})

test_that("the stream goes on as if nothing had happened, errors included", {
  set.seed(2)
  before <- stream()
  expect_identical(with_seed(5, stats::rnorm(3)), with_seed(5, stats::rnorm(3)))
  expect_error(with_seed(5, stop("no")), "no")
  expect_identical(stream(), before)
})

test_that("a session that drew nothing yet still has drawn nothing", {
  set.seed(3)
  before <- stream()
  on.exit(assign(".Random.seed", before, envir = globalenv()))
  rm(".Random.seed", envir = globalenv())
  resolve_seed(NULL)
  with_seed(1, stats::runif(1))
  expect_false(exists(".Random.seed", globalenv(), inherits = FALSE))
})

test_that("the user's kinds of generators do not matter and are kept", {
  expected <- with_seed(4, c(stats::rnorm(2), sample.int(100, 3)))
  kinds <- RNGkind()
  on.exit(suppressWarnings(RNGkind(kinds[1], kinds[2], kinds[3])))
  suppressWarnings(RNGkind("Wichmann-Hill", "Box-Muller", "Rounding"))
  chosen <- RNGkind()
  before <- stream()
  expect_no_warning(values <- with_seed(4, c(stats::rnorm(2), sample.int(100, 3))))
  expect_identical(values, expected)
  expect_identical(RNGkind(), chosen)
  expect_identical(stream(), before)
})

test_that("parts of a call have seeds of their own", {
  seeds <- outer(c(0, 1, 2, 1000, 2^31 - 2), 1:5, Vectorize(derive_seed))
  expect_type(seeds, "integer")
  expect_true(all(seeds >= 0))
  expect_identical(anyDuplicated(as.vector(seeds)), 0L)
})
