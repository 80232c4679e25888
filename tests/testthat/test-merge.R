some_counts <- function(genes, cells, seed) {
  set.seed(seed)
  matrix(stats::rpois(length(genes) * length(cells), 2), length(genes),
         dimnames = list(genes, cells))
}

merge_quietly <- function(x, ..., as = "list") canal_merge(x, ..., as = as, verbose = FALSE)

# Gene by gene and cell by cell.
naive_merge <- function(parts, genes) {
  joined <- do.call(cbind, parts)[rep(1, length(genes)), ]
  rownames(joined) <- genes
  column <- 0
  for (part in parts) {
    for (cell in seq_len(ncol(part))) {
      column <- column + 1
      for (gene in genes) {
        joined[gene, column] <- if (gene %in% rownames(part)) part[gene, cell] else 0
      }
    }
  }
  joined
}

test_that("genes are joined by name, sparse", {
  parts <- list(one = some_counts(c("A", "B", "C"), c("a", "b"), 1),
                two = sparse(some_counts(c("C", "D", "A"), c("c", "d", "e"), 2)))
  dense <- lapply(parts, as.matrix)
  union <- merge_quietly(parts)
  expect_s4_class(union$counts, "dgCMatrix")
  expect_identical(as.matrix(union$counts), naive_merge(dense, c("A", "B", "C", "D")) * 1)
  shared <- merge_quietly(parts, genes = "intersection")
  expect_identical(as.matrix(shared$counts), naive_merge(dense, c("A", "C")) * 1)
  expect_identical(union$cells$source, factor(rep(c("one", "two"), c(2, 3))))
  expect_identical(rownames(union$cells), c("a", "b", "c", "d", "e"))
})

test_that("cells that share a name get their source's in front", {
  parts <- list(one = some_counts("A", c("a", "b"), 1), two = some_counts("A", c("b", "c"), 2))
  merged <- merge_quietly(parts)
  expect_identical(colnames(merged$counts), c("one_a", "one_b", "two_b", "two_c"))
  expect_identical(unname(as.matrix(merged$counts)), unname(cbind(parts$one, parts$two) * 1))
  unnamed <- merge_quietly(unname(parts))
  expect_identical(levels(unnamed$cells$source), c("source1", "source2"))
})

test_that("columns are joined and kinds kept where they agree", {
  skip_if_not_installed("SingleCellExperiment")
  experiment <- function(cells, ...) {
    x <- SingleCellExperiment::SingleCellExperiment(
      list(counts = some_counts(c("A", "B"), cells, 1))
    )
    SummarizedExperiment::colData(x) <- S4Vectors::DataFrame(..., row.names = cells)
    x
  }
  first <- experiment(c("a", "b"), type = factor(c("x", "y")), depth = 1:2, plate = c("p", "q"))
  second <- experiment("c", type = factor("z"), depth = 2.5, age = 7L, plate = factor("r"))
  merged <- canal_merge(list(first, second), verbose = FALSE)
  columns <- SummarizedExperiment::colData(merged)
  expect_s4_class(merged, "SingleCellExperiment")
  expect_identical(columns$type, factor(c("x", "y", "z")))
  expect_identical(columns$depth, c(1, 2, 2.5))
  expect_identical(columns$age, c(NA, NA, 7L))
  expect_identical(columns$plate, c("p", "q", "r"))
  expect_identical(names(columns), c("type", "depth", "plate", "age", "source"))
  expect_refused(merge_quietly(list(first, second), source = "age"), "argument", "source")
})

test_that("files are sources, and a Seurat object may come out", {
  path <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
  merged <- merge_quietly(c(path, path))
  whole <- cells_of(path)
  expect_identical(merged$counts@x, rep(whole$counts@x, 2))
  expect_identical(merged$counts@i, rep(whole$counts@i, 2))
  expect_identical(levels(merged$cells$source), c("panc8_small", "panc8_small.1"))
  expect_identical(as.character(merged$cells$celltype), rep(as.character(whole$obs$celltype), 2))
  skip_if_not_installed("SeuratObject")
  seurat <- merge_quietly(c(path, path), as = "Seurat")
  expect_identical(as.character(seurat$source), as.character(merged$cells$source))
})

test_that("what cannot be merged is refused", {
  part <- some_counts(c("A", "B"), c("a", "b"), 1)
  expect_refused(merge_quietly(list()), "empty", "x")
  expect_refused(merge_quietly(list(part, some_counts("C", "c", 1)), genes = "intersection"),
                 "empty", "x")
  colnames(part) <- c("a", "a")
  expect_refused(merge_quietly(list(part)), "duplicates", "x")
  expect_error(merge_quietly(list(1)), class = "canalR_error_class")
  expect_refused(merge_quietly(list(part), genes = "all"), "argument", "genes")
  for (odd in list(sum, part, NULL, 1, c("a", "b"))) {
    expect_refused(merge_quietly(list(part), assay.type = odd), "argument", "assay.type")
  }
})

test_that("columns of a class keep it beside sources without them, and are text beside others", {
  join <- function(...) join_column(list(...), c(2, 2))
  day <- as.Date("2024-01-01") + 0:1
  expect_identical(join(NULL, day), c(as.Date(c(NA, NA)), day))
  expect_identical(join(day, NULL), c(day, as.Date(c(NA, NA))))
  expect_identical(join(day, 1:2), c("2024-01-01", "2024-01-02", "1", "2"))
  time <- as.POSIXct("2024-01-01", tz = "UTC") + 0:1
  expect_identical(as.numeric(join(NULL, time)), c(NA, NA, as.numeric(time)))
  expect_s3_class(join(NULL, time), "POSIXct")
  expect_type(join(day, time), "character")
  hours <- as.difftime(1:2, units = "hours")
  expect_equal(join(NULL, hours), as.difftime(c(NA, NA, 1, 2), units = "hours"))
  # No value is of no kind.
  expect_identical(join(c(NA, NA), c(0.5, 1)), c(NA, NA, 0.5, 1))
  expect_identical(join(c(NA, NA), factor(c("b", "a"), c("b", "a"))),
                   factor(c(NA, NA, "b", "a"), c("b", "a")))
  expect_identical(join(c(NA, NA), NULL), rep(NA, 4))
  expect_identical(join(c(NA, NA), c(TRUE, FALSE)), c(NA, NA, TRUE, FALSE))
})

test_that("columns of more than a value per cell are left out, and told", {
  skip_if_not_installed("SingleCellExperiment")
  x <- SingleCellExperiment::SingleCellExperiment(
    list(counts = some_counts(c("A", "B"), c("a", "b"), 1))
  )
  SummarizedExperiment::colData(x)$both <- matrix(1:4, 2)
  expect_message(merged <- canal_merge(list(x, x)), "both", class = "canalR_message_columns")
  expect_identical(names(SummarizedExperiment::colData(merged)), "source")
  expect_silent(canal_merge(list(x, x), verbose = FALSE))
})
