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

test_that("a seed's stream is the one that set.seed() makes", {
  before <- stream()
  on.exit(assign(".Random.seed", before, envir = globalenv()))
  # The last one has a word that R takes for NA.
  for (seed in list(0L, 1L, 2024L, .Machine$integer.max, 14203108L)) {
    set.seed(seed, "Mersenne-Twister", "Inversion", "Rejection")
    expect_identical(seeded_stream(seed), stream())
  }
  expect_true(anyNA(stream()))
})

test_that("the second normal of Box and Muller's pair stays ready", {
  before <- stream()
  on.exit({
    RNGkind(normal.kind = "default")
    assign(".Random.seed", before, envir = globalenv())
  })
  RNGkind(normal.kind = "Box-Muller")
  after <- function(code) {
    set.seed(1)
    stats::rnorm(1)
    force(code)
    stats::rnorm(2)
  }
  expected <- after(NULL)
  expect_identical(after(resolve_seed(NULL)), expected)
  expect_identical(after(with_seed(3, stats::rnorm(5))), expected)
})

test_that("who forgets the stream after a call still has the kinds", {
  kinds <- RNGkind()
  before <- stream()
  on.exit({
    RNGkind(kinds[1], kinds[2], kinds[3])
    assign(".Random.seed", before, envir = globalenv())
  })
  RNGkind("Wichmann-Hill", "Ahrens-Dieter")
  chosen <- RNGkind()
  with_seed(3, stats::runif(1))
  rm(".Random.seed", envir = globalenv())
  expect_identical(RNGkind(), chosen)
  with_seed(3, stats::runif(1))
  expect_identical(RNGkind(), chosen)
})

test_that("parts of a call have seeds of their own", {
  seeds <- outer(c(0, 1, 2, 1000, 2^31 - 2), 1:5, Vectorize(derive_seed))
  expect_type(seeds, "integer")
  expect_true(all(seeds >= 0))
  expect_identical(anyDuplicated(as.vector(seeds)), 0L)
})
