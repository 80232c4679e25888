toy_tokens <- function() {
  counts <- toy_counts()
  counts[, "cell5"] <- 0
  canal_prepare(counts, rownames(counts), n_genes = 20, verbose = FALSE)
}

test_that("tokens look like a matrix of cells x genes", {
  tokens <- toy_tokens()
  values <- as.matrix(tokens)
  expect_identical(dim(tokens), c(39L, 20L))
  expect_identical(dim(values), dim(tokens))
  expect_type(values, "integer")
  expect_identical(dimnames(values), dimnames(tokens))
  expect_identical(rownames(tokens), colnames(tokens@tokens))
  expect_identical(colnames(tokens), tokens@genes)
  expect_identical(values["cell3", ], stats::setNames(as.integer(tokens@tokens[, "cell3"]),
                                                      tokens@genes))
})

test_that("cells are chosen by number, name and logical", {
  tokens <- toy_tokens()
  by_name <- tokens[c("cell9", "cell2"), ]
  expect_identical(rownames(by_name), c("cell9", "cell2"))
  expect_identical(by_name@all_cells, c("cell9", "cell2"))
  expect_identical(nrow(by_name@dropped), 0L)
  expect_identical(as.matrix(by_name), as.matrix(tokens)[c("cell9", "cell2"), ])
  expect_identical(tokens[match(rownames(by_name), rownames(tokens))], by_name)
  expect_identical(tokens[rownames(tokens) %in% c("cell2", "cell9")], by_name[2:1])
  expect_identical(rownames(tokens[-1]), rownames(tokens)[-1])
  expect_identical(tokens[], tokens)
  expect_identical(dim(tokens[0, ]), c(0L, 20L))
})

test_that("a choice of unknown or repeated cells or of genes is refused", {
  tokens <- toy_tokens()
  expect_error(tokens["cell5"], "cell5", class = "canalR_error_argument")
  expect_error(tokens[40], class = "canalR_error_argument")
  expect_error(tokens[c(1, 1)], class = "canalR_error_duplicates")
  expect_error(tokens[1, 1], class = "canalR_error_argument")
})

test_that("show tells cells, genes, overlap, drops and the share that is not zero", {
  tokens <- toy_tokens()
  shown <- paste(capture.output(tokens), collapse = "\n")
  expect_match(shown, "39 cells x 20 genes, tokens 0 to 5")
  expect_match(shown, "60 of 60 vocabulary genes measured (100 %)", fixed = TRUE)
  expect_match(shown, "1 of 40 cells")
  expect_match(shown, sprintf("%.1f %%", 100 * mean(as.matrix(tokens) != 0)), fixed = TRUE)
  expect_identical(share_not_zero(tokens@tokens, block = 7), mean(as.matrix(tokens) != 0))
})

test_that("tokens survive being saved", {
  tokens <- toy_tokens()
  path <- tempfile(fileext = ".rds")
  on.exit(unlink(path))
  saveRDS(tokens, path)
  expect_identical(readRDS(path), tokens)
})

test_that("an inconsistent object is refused", {
  tokens <- toy_tokens()
  tokens@genes <- rev(tokens@genes)
  expect_error(methods::validObject(tokens), "row for each")
})
