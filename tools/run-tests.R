# Runs the tests of the installed package: Rscript run-tests.R <folder> <file for the counts>.
# The file gets "passed failed skipped", counted in test_that() blocks as GoogleTest counts TESTs.
# It is written only at the end, so that its absence tells of a crash.
arguments <- commandArgs(trailingOnly = TRUE)

library(testthat)
library(canalR)

# An error outside test_that() has no test name but is a result with an error in it.
outcome_of <- function(test) {
  kinds <- vapply(test$results, function(result) class(result)[1], "")
  if (any(kinds %in% c("expectation_failure", "expectation_error"))) return("failed")
  if ("expectation_skip" %in% kinds) return("skipped")
  "passed"
}

# Without it testthat takes this for CRAN, where pictures are not compared with their snapshots.
Sys.setenv(NOT_CRAN = "true")

# All failures are to be seen, not only the first ten.
options(testthat.progress.max_fails = Inf)

list_reporter <- ListReporter$new()
invisible(test_dir(
  arguments[1],
  package = "canalR",
  load_package = "installed",
  reporter = MultiReporter$new(list(ProgressReporter$new(show_praise = FALSE), list_reporter)),
  stop_on_failure = FALSE
))

outcomes <- vapply(list_reporter$get_results(), outcome_of, "")
counts <- table(factor(outcomes, c("passed", "failed", "skipped")))
writeLines(paste(counts, collapse = " "), arguments[2])
