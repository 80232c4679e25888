library(testthat)
library(canalR)

test_check("canalR")
