# What library(canalR) does to a session, seen in one of its own.

# Runs lines in a new R, with canalR where it is installed here; returns what they print.
in_new_session <- function(lines) {
  file <- tempfile(fileext = ".R")
  on.exit(unlink(file))
  library <- dirname(system.file(package = "canalR"))
  writeLines(c(sprintf(".libPaths(c(%s, .libPaths()))", deparse(library)), lines), file)
  system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", shQuote(file)), stdout = TRUE,
          stderr = TRUE)
}

test_that("loading canalR changes no option, variable, locale, folder or random number", {
  skip_on_covr()  # which counts in variables of its own
  state <- paste("function() list(options(), Sys.getenv(), Sys.getlocale(), getwd(), RNGkind(),",
                 "exists('.Random.seed', globalenv()), ls(globalenv(), all.names = TRUE))")
  found <- in_new_session(c(
    "invisible(lapply(c('methods', 'S4Vectors', 'Matrix', 'cli'), loadNamespace))",
    paste("state <-", state), "before <- NULL", "before <- state()",
    "suppressMessages(library(canalR))", "cat(identical(before, state()))"
  ))
  expect_identical(utils::tail(found, 1), "TRUE")
})

test_that("loading canalR says nothing and starts no thread", {
  skip_if_not(dir.exists("/proc/self/task"), "threads are not listed on this system")
  found <- in_new_session(c(
    "loadNamespace('S4Vectors')", "invisible(svd(matrix(1, 2, 2)))",
    "before <- length(dir('/proc/self/task'))", "cat('-\n')", "loadNamespace('canalR')",
    "cat(length(dir('/proc/self/task')) - before)"
  ))
  from <- max(which(found == "-"))
  expect_identical(found[-seq_len(from)], c("<environment: namespace:canalR>", "0"))
})

test_that("a call leaves the user's session as it was", {
  counts <- stage_two_cells()$counts
  set.seed(3)
  state <- function() {
    list(options(), Sys.getenv(), Sys.getlocale(), getwd(), .Random.seed)
  }
  before <- state()
  predict_quietly(counts, stage_two(), novelty = "canal", num_threads = 2)
  canal_embed(counts, stage_two(), verbose = FALSE)
  expect_identical(state(), before)
})

test_that("what takes longer to load than canalR is loaded when it is needed", {
  found <- in_new_session(c(
    "library(canalR)",
    "cat(intersect(c('Matrix', 'S4Vectors', 'Seurat', 'ggplot2'), loadedNamespaces()), '-\\n')",
    "counts <- matrix(1:60, 6, dimnames = list(letters[1:6], paste0('cell', 1:10)))",
    "model <- canal_model(canal_config('compact'), letters[1:6], seed = 1)",
    "model <- canal_train(counts, rep(c('a', 'b'), 5), model, epochs = 1, verbose = FALSE)",
    "cat(nrow(canal_predict(counts, model, verbose = FALSE)))"
  ))
  expect_identical(trimws(utils::tail(found, 2)), c("-", "10"))
})
