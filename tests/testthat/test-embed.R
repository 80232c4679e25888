embedding_of <- function(x, model = stage_two(), ...) canal_embed(x, model, verbose = FALSE, ...)

test_that("the embedding is the network's, a row per cell", {
  cells <- stage_two_cells()
  tokens <- canal_prepare(cells$counts, stage_two(), verbose = FALSE)
  result <- embedding_of(cells$counts)
  expect_s4_class(result, "DataFrame")
  expect_identical(rownames(result), colnames(cells$counts))
  expect_identical(unname(result$embedding),
                   canal_forward(tokens, stage_two(), "embedding", precision = "auto"))
  expect_identical(colnames(result$embedding), paste0("canal_", 1:64))
  record <- S4Vectors::metadata(result)$canal$canal$embedding
  expect_identical(record$model$id, stage_two()@provenance$id)
})

test_that("it goes into a SingleCellExperiment and a Seurat object", {
  cells <- stage_two_cells()
  expected <- unname(embedding_of(cells$counts)$embedding)
  skip_if_not_installed("SingleCellExperiment")
  experiment <- SingleCellExperiment::SingleCellExperiment(list(counts = cells$counts))
  reduced <- SingleCellExperiment::reducedDim(embedding_of(experiment), "CANAL")
  expect_identical(unname(reduced), expected)
  skip_if_not_installed("SeuratObject")
  seurat <- embedding_of(SeuratObject::CreateSeuratObject(cells$counts))
  expect_identical(unname(SeuratObject::Embeddings(seurat, "canal")), expected)
  expect_identical(SeuratObject::Key(seurat[["canal"]]), "canal_")
})

test_that("a cell with too few genes has a row of NA in its place", {
  counts <- stage_two_cells()$counts[, 1:6]
  counts[, 3] <- 0
  expect_warning(embedding <- embedding_of(counts)$embedding, "1 of 6",
                 class = "canalR_warning_embedding")
  expect_true(all(is.na(embedding[3, ])))
  expect_identical(embedding[-3, ], embedding_of(counts[, -3])$embedding)
})

test_that("a cell's embedding does not depend on the others", {
  counts <- stage_two_cells()$counts
  expect_identical(embedding_of(counts)$embedding[7, ],
                   embedding_of(counts[, 7, drop = FALSE])$embedding[1, ])
})

test_that("what has no embedding or no place for one is told", {
  counts <- stage_two_cells()$counts
  expect_refused(canal_embed(counts, untrained()), "model", "model")
  expect_refused(canal_embed(counts, "model"), "argument", "model")
  expect_refused(embedding_of(counts, device = "tpu"), "argument", "device")
  expect_refused(embedding_of(counts, num_threads = 0), "argument", "num_threads")
  expect_refused(canal_embed(counts, stage_two(), verbose = NA), "argument", "verbose")
  expect_refused(canal_embed(counts, stage_two(), min_genes = -1), "argument", "min_genes")
})
