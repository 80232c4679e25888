# The examples that the README opens with: they run, and they are the ones that the README shows.

example_lines <- function(name) {
  readLines(system.file("examples", name, package = "canalR", mustWork = TRUE))
}

run_example <- function(name) {
  space <- new.env()
  suppressMessages(source(textConnection(example_lines(name)), local = space))
  space
}

test_that("the SingleCellExperiment example annotates its cells", {
  skip_if_not_installed("SingleCellExperiment")
  space <- run_example("single-cell-experiment.R")
  expect_s4_class(space$query, "SingleCellExperiment")
  expect_length(space$query$canal_label, 100)
  known <- space$query$canal_label != "Unassigned"
  expect_gt(mean(space$query$canal_label[known] == space$query$celltype[known]), 0.7)
})

test_that("the Seurat example annotates its cells", {
  skip_if_not_installed("Seurat")
  space <- run_example("seurat.R")
  expect_s4_class(space$query, "Seurat")
  expect_true(all(c("canal_label", "canal_confidence", "canal_novelty") %in%
                    names(space$query[[]])))
  known <- space$query$canal_label != "Unassigned"
  expect_gt(mean(space$query$canal_label[known] == space$query$celltype[known]), 0.7)
})

test_that("the README shows these examples", {
  readme <- test_path("..", "..", "README.md")
  skip_if_not(file.exists(readme), "the tests run apart from the sources")
  text <- paste(readLines(readme), collapse = "\n")
  for (name in c("single-cell-experiment.R", "seurat.R")) {
    expect_true(grepl(paste(example_lines(name), collapse = "\n"), text, fixed = TRUE), name)
  }
})
