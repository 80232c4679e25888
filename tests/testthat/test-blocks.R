# Annotation of files in blocks of cells: whatever the blocks and the layout of the file, results
# are those of the same counts in memory.

some_query <- function() {
  counts <- stage_two_cells()$counts
  counts[, c(1, 8, 9, 10, 14)] <- 0
  methods::as(counts, "CsparseMatrix")
}

# A file of the counts, in one of the layouts that files have.
write_layout <- function(counts, layout) {
  if (layout == "10x") write_10x_h5(counts) else write_h5ad(counts, layout)
}

values_of <- function(result) {
  list(as.data.frame(result), S4Vectors::metadata(result)$canal$canal$prediction$parameters)
}

test_that("annotations from a file are those of the counts in memory", {
  counts <- some_query()
  for (novelty in c("none", "canal")) {
    annotate <- function(x) {
      values_of(predict_quietly(x, stage_two(), novelty = novelty, seed = 3,
                                probabilities = "columns"))
    }
    expected <- annotate(counts)
    for (layout in c("csr", "csc", "dense", "10x")) {
      path <- write_layout(counts, layout)
      expect_identical(annotate(path), expected)
      for (size in c(1, 3, 7, ncol(counts) - 1)) {
        expect_identical(with_blocks_of(size, annotate(path)), expected)
      }
    }
  }
})

test_that("embeddings from a file are those of the counts in memory", {
  counts <- some_query()
  # Some cells have too few genes.
  embed <- function(x) {
    expect_warning(result <- canal_embed(x, stage_two(), verbose = FALSE),
                   class = "canalR_warning_embedding")
    result$embedding
  }
  for (layout in c("csr", "dense", "10x")) {
    path <- write_layout(counts, layout)
    expect_identical(with_blocks_of(4, embed(path)), embed(counts))
  }
})

test_that("blocks are read one by one, and all of them", {
  for (layout in c("csr", "dense", "10x")) {
    source <- with_blocks_of(4, cell_source(write_layout(some_query(), layout), "counts"))
    expect_identical(unlist(source$blocks, use.names = FALSE)[1:4], c(1, 4, 5, 8))
    read <- lapply(source$blocks, source$read)
    expect_true(all(vapply(read, ncol, 0L) <= 4))
    expect_identical(do.call(cbind, read), some_query())
    # Read ahead, and whatever was: the block that is asked for.
    for (asked in list(source$blocks[[2]], source$blocks[[1]])) {
      source$ahead(source$blocks[[2]])
      expect_identical(source$read(asked), some_query()[, asked[1]:asked[2]])
      source$finish()
    }
  }
  expect_length(cell_source(write_h5ad(some_query(), "csc"), "counts")$blocks, 1)
})

test_that("a block holds about so many bytes and at least a cell", {
  header <- list(values = 1e6 * 100, cells = character(1e6))
  expect_identical(cells_in_block(header, 120000), 100)
  expect_identical(cells_in_block(header, 10), 1)
  expect_identical(cells_in_block(list(values = 0, cells = character(5)), 1200), 100)
  expect_identical(unname(cell_blocks(10, 4)), list(c(1, 4), c(5, 8), c(9, 10)))
  expect_identical(unname(cell_blocks(4, 4)), list(c(1, 4)))
})

test_that("what is told is told once, and the same", {
  counts <- some_query()
  path <- write_h5ad(counts)
  told <- function(x) testthat::capture_messages(canal_predict(x, stage_two()))
  expect_identical(with_blocks_of(3, told(path)), told(counts))
  rownames(counts)[2] <- rownames(counts)[1]
  warned <- function(x) testthat::capture_warnings(predict_quietly(x, stage_two()))
  expect_identical(with_blocks_of(3, warned(write_h5ad(counts))), warned(counts))
  expect_length(warned(counts), 1)
})

test_that("where no cell has enough genes, all get the reason", {
  counts <- some_query()
  path <- write_h5ad(counts)
  annotate <- function(x) {
    expect_warning(
      result <- predict_quietly(x, stage_two(), min_genes = 1e4, seed = 1,
                                probabilities = "columns"),
      class = "canalR_warning_dropped"
    )
    result
  }
  blocks <- with_blocks_of(5, annotate(path))
  expect_identical(values_of(blocks), values_of(annotate(counts)))
  expect_true(all(is.na(blocks$canal_label)))
})

test_that("unusable counts are told as those in memory are, before anything is annotated", {
  message_of <- function(x) {
    error <- tryCatch(predict_quietly(x, stage_two()), canalR_error = identity)
    c(class(error)[1], conditionMessage(error))
  }
  expect_same_error <- function(counts, kind) {
    expected <- message_of(counts)
    expect_identical(expected[1], paste0("canalR_error_", kind))
    # Where raw counts may be, the file itself tells.
    of_file <- sub(raw_hint(), raw_hint(character()), expected, fixed = TRUE)
    for (size in c(3, 1000)) {
      expect_identical(with_blocks_of(size, message_of(write_h5ad(counts))), of_file)
      expect_identical(with_blocks_of(size, message_of(write_10x_h5(counts))), expected)
    }
  }
  counts <- some_query()
  last <- length(counts@x)
  with_values <- function(at, values) {
    counts@x[at] <- values
    counts
  }
  expect_same_error(with_values(c(5, last), NaN), "counts")
  expect_same_error(with_values(c(40, last), c(-1, -2.5)), "counts")
  expect_same_error(with_values(seq_len(last), -0.5 - counts@x), "transformed")
  expect_same_error(log_normalised(counts), "transformed")
  renamed <- counts
  colnames(renamed)[12] <- colnames(renamed)[2]
  expect_same_error(renamed, "duplicates")
  rownames(counts) <- paste0("OTHER", seq_len(nrow(counts)))
  expect_same_error(counts, "overlap")
})

test_that("progress goes on over the blocks", {
  seen <- list()
  progress <- shifted_progress(function(done, total) seen <<- c(seen, list(c(done, total))), 30)
  progress(2, 10)
  expect_identical(seen, list(c(32, 10)))
  expect_null(shifted_progress(NULL, 30))
})

test_that("cells that are not in the file are refused", {
  path <- write_h5ad(some_query())
  n <- ncol(some_query())
  for (block in list(c(0, 3), c(n, n + 1), c(5, 3), c(-1, 1))) {
    expect_error(cpp_read_cells(path, "X", block[1], block[2]), class = "canalR_error_input")
  }
  expect_error(cpp_read_cells(write_h5ad(some_query(), "csc"), "X", 1, 2), "lies by genes",
               class = "canalR_error_input")
})

test_that("cells and genes without names are told as such", {
  counts <- as.matrix(some_query())
  for (unnamed in list(`colnames<-`(counts, NULL), `rownames<-`(counts, NULL))) {
    expect_error(predict_quietly(unnamed, stage_two()), class = "canalR_error_names")
  }
})
