# That a call leaves the session as it was, and gives the same again: every exported function, by
# the table of calls in helper-exports.R. One run of it serves both; the other is in a new session,
# with another number of threads.

test_that("every exported function and every plot has a call in the table", {
  skip_on_os("windows")
  expect_setequal(names(exported_calls()), names_to_call())
})

# SingleR shares its work out by BiocParallel, which sets seeds.
lost_by <- function(name) if (name == "canal_compare") "second normal"

test_that("no exported function changes the session", {
  skip_on_os("windows")
  for (package in c("ggplot2", "glmnet", "SingleR", "scuttle", "uwot")) {
    skip_if_not_installed(package)
  }
  for (name in names(exported_calls())) {
    expect_identical(setdiff(seen_here()$changed[[!!name]], lost_by(name)), character())
  }
})

test_that("nor does the first call of a session move the random numbers or the threads", {
  skip_on_os("windows")
  # What loading other packages changes is theirs.
  theirs <- c("options", "environment", "connections")
  for (name in names(exported_calls())) {
    expect_identical(setdiff(seen_elsewhere()$changed[[!!name]], c(theirs, lost_by(name))),
                     character())
  }
})

test_that("the state that is looked at would tell", {
  before <- session_state()
  on.exit(options(canalR.test = NULL))
  options(canalR.test = 1)
  stats::runif(1)
  expect_identical(changed_state(before, session_state()), c("random numbers", "options"))
  RNGkind(normal.kind = "Box-Muller")
  on.exit(RNGkind(normal.kind = "default"), add = TRUE)
  start_normals()
  expect_true(normals_went_on())
  start_normals()
  RNGkind(normal.kind = "Box-Muller")
  expect_false(normals_went_on())
})

test_that("a session that has drawn nothing yet still has drawn nothing", {
  set.seed(3)
  before <- .Random.seed
  on.exit(assign(".Random.seed", before, envir = globalenv()))
  rm(".Random.seed", envir = globalenv())
  for (name in c("canal_predict", "canal_train", "cellular_train", "canal_plot_embedding")) {
    exported_calls()[[name]](1L)
    expect_false(exists(".Random.seed", globalenv(), inherits = FALSE), label = name)
  }
})
