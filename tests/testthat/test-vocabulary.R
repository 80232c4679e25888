genes <- c("INS", "GCG", "SST")

test_that("a vocabulary keeps its genes in order", {
  vocabulary <- canal_vocabulary(genes)
  expect_s3_class(vocabulary, "canal_vocabulary")
  expect_identical(vocabulary$genes, genes)
  expect_null(vocabulary$positions)
  expect_length(vocabulary, 3)
  expect_output(print(vocabulary), "3 genes: INS, GCG, SST")
})

test_that("unusable symbols are refused", {
  expect_error(canal_vocabulary(1:3), class = "canalR_error_argument")
  expect_error(canal_vocabulary(factor(genes)), "factor", class = "canalR_error_argument")
  expect_error(canal_vocabulary(c("INS", NA)), "2", class = "canalR_error_names")
  expect_error(canal_vocabulary(c("INS", "")), class = "canalR_error_names")
  expect_error(canal_vocabulary(c("INS", "GCG", "INS")), "INS", class = "canalR_error_duplicates")
  expect_error(canal_vocabulary(character()), class = "canalR_error_empty")
})

test_that("positions by order may have the published row of zeros at the end", {
  table <- matrix(as.numeric(1:6), 3)
  expected <- table
  dimnames(expected) <- list(genes, NULL)
  expect_identical(canal_vocabulary(genes, table)$positions, expected)
  expect_identical(canal_vocabulary(genes, rbind(table, 0))$positions, expected)
  expect_output(print(canal_vocabulary(genes, table)), "2 wide")
  expect_error(canal_vocabulary(genes, rbind(table, 1)), "4 rows", class = "canalR_error_positions")
  expect_error(canal_vocabulary(genes, table[1:2, ]), class = "canalR_error_positions")
})

test_that("positions by name are found, and genes without one get zeros and are told", {
  table <- rbind(OTHER = c(9, 9), SST = c(3, 4), INS = c(1, 2))
  expect_message(vocabulary <- canal_vocabulary(genes, table), "GCG",
                 class = "canalR_message_positions")
  expect_identical(vocabulary$positions, rbind(INS = c(1, 2), GCG = c(0, 0), SST = c(3, 4)))
  rownames(table) <- c("X", "Y", "Z")
  expect_error(canal_vocabulary(genes, table), class = "canalR_error_positions")
})

test_that("unusable position tables are refused", {
  expect_error(canal_vocabulary(genes, list(1)), class = "canalR_error_argument")
  expect_error(canal_vocabulary(genes, matrix("a", 3, 2)), class = "canalR_error_argument")
  expect_error(canal_vocabulary(genes, matrix(c(1, NA, 3), 3)), class = "canalR_error_positions")
  expect_error(canal_vocabulary(genes, matrix(1, 3, 0)), class = "canalR_error_positions")
  expect_error(canal_vocabulary(genes, "no-such-file.npy"), "no-such-file",
               class = "canalR_error_file")
  expect_error(canal_vocabulary(genes, c("a.npy", "b.npy")), class = "canalR_error_argument")
})

test_that("positions come from .npy by order", {
  table <- cpp_read_npy(golden_path("gene2vec.npy"))
  symbols <- paste0("GENE", seq_len(nrow(table)))
  vocabulary <- canal_vocabulary(symbols, golden_path("gene2vec.npy"))
  expect_identical(rownames(vocabulary$positions), symbols)
  expect_equal(unname(vocabulary$positions), unname(table))
})

test_that("positions come from word2vec text by name", {
  path <- tempfile(fileext = ".txt")
  on.exit(unlink(path))
  writeLines(c("3 2", "SST 0.5 -1", "GCG 2 3e-1", "INS 1 0"), path)
  # Vectors are read as float32.
  expect_equal(canal_vocabulary(genes, path)$positions,
               rbind(INS = c(1, 0), GCG = c(2, 0.3), SST = c(0.5, -1)), tolerance = 1e-6)
})
