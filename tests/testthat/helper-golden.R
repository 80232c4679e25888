# The golden arrays: those of the package, or another set named by CANALR_GOLDEN.
golden_path <- function(name) {
  file.path(Sys.getenv("CANALR_GOLDEN", testthat::test_path("fixtures", "golden")), name)
}
