normalize_quietly <- function(x, ...) cellular_normalize(x, ..., verbose = FALSE)

# Cell by cell, gene by gene.
naive_normalised <- function(counts, target = NULL) {
  values <- as.matrix(counts)
  if (is.null(target)) target <- sum(values) / ncol(values)
  for (j in seq_len(ncol(values))) {
    library_size <- sum(values[, j])
    for (i in seq_len(nrow(values))) {
      values[i, j] <- if (library_size > 0) log(1 + values[i, j] * target / library_size) else 0
    }
  }
  values
}

normalised_counts <- function() {
  counts <- sparse(toy_counts(30, 14))
  counts[, c(3, 8)] <- 0
  Matrix::drop0(counts)
}

test_that("values are those of the definition", {
  counts <- normalised_counts()
  for (target in list(NULL, 1, 12345.6)) {
    values <- normalize_quietly(counts, target)
    expect_s4_class(values, "dgCMatrix")
    expect_equal(as.matrix(values), naive_normalised(counts, target), tolerance = 1e-14)
    expect_identical(values@i, counts@i)
    expect_null(names(values@x))
    expect_identical(attr(values, "cellular_target"), if (is.null(target)) sum(counts) / 14 else
      target)
    expect_identical(values, normalize_quietly(as.matrix(counts), target))
  }
  expect_equal(unname(Matrix::colSums(expm1(values)))[c(1, 3)], c(12345.6, 0))
  real <- panc()$counts
  expect_equal(as.matrix(normalize_quietly(real)), naive_normalised(real), tolerance = 1e-13)
})

test_that("the mean library size is that of all cells", {
  counts <- normalised_counts()
  expect_identical(mean_library_size(counts), mean(Matrix::colSums(counts)))
  expect_lt(mean_library_size(counts), mean(Matrix::colSums(counts[, -c(3, 8)])))
})

test_that("zeros that are stored stay zeros, in cells without counts too", {
  counts <- normalised_counts()
  stored <- counts
  stored[1:2, 3] <- 1
  stored@x[stored@p[3] + 1:2] <- 0
  expect_identical(length(stored@x), length(counts@x) + 2L)
  expect_identical(as.matrix(normalize_quietly(stored)), as.matrix(normalize_quietly(counts)))
})

test_that("a library size may be that of more genes than are there", {
  counts <- normalised_counts()
  some <- log_normalise(counts[4:9, ], 500, Matrix::colSums(counts))
  expect_identical(some, log_normalise(counts, 500)[4:9, ])
})

test_that("cells without counts are told, with the target", {
  counts <- normalised_counts()
  told <- capture_messages(cellular_normalize(counts, 1000))
  expect_match(told, "14 cells scaled to 1000 counts", all = FALSE)
  expect_match(told, "2 of 14 cells have no counts and stay 0: cell3, cell8", all = FALSE)
  expect_length(capture_messages(cellular_normalize(counts[, -c(3, 8)])), 1)
  expect_silent(normalize_quietly(counts))
  expect_message(cellular_normalize(counts[, 1:2]), class = "canalR_message_normalise")
})

test_that("an experiment gets the assay that its neighbours look for", {
  skip_if_not_installed("SingleCellExperiment")
  counts <- normalised_counts()
  x <- SingleCellExperiment::SingleCellExperiment(
    list(raw = counts), colData = S4Vectors::DataFrame(plate = 1:14)
  )
  S4Vectors::metadata(x)$canal <- list(symbols = "kept")
  told <- capture_messages(result <- cellular_normalize(x, assay.type = "raw"))
  expect_false(any(grepl("replaced", told)))
  expect_s4_class(result, "SingleCellExperiment")
  expect_identical(SummarizedExperiment::assayNames(result), c("raw", "logcounts"))
  expect_identical(SummarizedExperiment::assay(result, "raw"), counts)
  expect_identical(as.matrix(SummarizedExperiment::assay(result, "logcounts")),
                   as.matrix(normalize_quietly(counts)))
  expect_identical(result$plate, 1:14)
  expect_identical(S4Vectors::metadata(result)$canal, list(
    symbols = "kept", normalisation = list(method = "cellular", target = mean_library_size(counts),
                                           assay = "logcounts")
  ))
  told <- capture_messages(again <- cellular_normalize(result, 7, assay.type = "raw"))
  expect_match(told, "Assay \"logcounts\" was there and is replaced", all = FALSE)
  expect_identical(as.matrix(SummarizedExperiment::assay(again, "logcounts")),
                   as.matrix(normalize_quietly(counts, 7)))
  expect_identical(S4Vectors::metadata(again)$canal$normalisation$target, 7)
  plain <- SummarizedExperiment::SummarizedExperiment(list(counts = counts))
  expect_identical(class(normalize_quietly(plain)), class(plain))
})

test_that("a Seurat object gets the slot that its neighbours look for", {
  skip_if_not_installed("SeuratObject")
  counts <- normalised_counts()
  x <- older_seurat(counts)
  x@misc <- list(mine = 1)
  tags <- counts[1:4, ] + 1
  rownames(tags) <- paste0("TAG", 1:4)
  x[["ADT"]] <- SeuratObject::CreateAssayObject(sparse(as.matrix(tags)))
  told <- capture_messages(result <- cellular_normalize(x))
  expect_false(any(grepl("replaced", told)))
  expect_true(methods::validObject(result))
  expect_identical(as.matrix(cells_of(result, "data")$counts),
                   as.matrix(normalize_quietly(counts)))
  expect_identical(as.matrix(cells_of(result)$counts), as.matrix(counts))
  expect_identical(result[["ADT"]], x[["ADT"]])
  expect_identical(result@misc, list(mine = 1, canal = list(normalisation = list(
    method = "cellular", target = mean_library_size(counts), layer = "data"
  ))))
  told <- capture_messages(again <- cellular_normalize(result, 7))
  expect_match(told, "Slot \"data\" was there and is replaced", all = FALSE)
  expect_identical(as.matrix(cells_of(again, "data")$counts),
                   as.matrix(normalize_quietly(counts, 7)))
})

test_that("Seurat's own normalisation to the same total gives the same values", {
  skip_if_not_installed("Seurat")
  counts <- normalised_counts()[, -c(3, 8)]
  x <- SeuratObject::CreateSeuratObject(counts)
  theirs <- Seurat::NormalizeData(x, scale.factor = 1e4, verbose = FALSE)
  expect_equal(as.matrix(cells_of(normalize_quietly(x, 1e4), "data")$counts),
               as.matrix(cells_of(theirs, "data")$counts))
})

test_that("layers get a layer each, split or not", {
  skip_if_not_installed("SeuratObject", "5.0.0")
  counts <- normalised_counts()
  expected <- as.matrix(normalize_quietly(counts))
  # By name, as version 4 does not have it.
  create <- getExportedValue("SeuratObject", "CreateAssay5Object")
  x <- SeuratObject::CreateSeuratObject(create(counts = counts))
  result <- normalize_quietly(x)
  expect_identical(seurat_layers(result[["RNA"]]), c("counts", "data"))
  expect_identical(as.matrix(cells_of(result, "data")$counts), expected)
  x[["RNA"]] <- split(x[["RNA"]], f = rep(c("b", "a"), 7))
  result <- normalize_quietly(x)
  expect_setequal(seurat_layers(result[["RNA"]]), c("counts.b", "counts.a", "data.b", "data.a"))
  expect_identical(as.matrix(cells_of(result, "data")$counts), expected)
  told <- capture_messages(again <- cellular_normalize(result, 7))
  expect_match(told, "\"data.[ab]\".* was there", all = FALSE)
  expect_identical(as.matrix(cells_of(again, "data")$counts),
                   as.matrix(normalize_quietly(counts, 7)))
})

test_that("layers are named after those that the counts were split into", {
  # A stand-in for SeuratObject 5: an assay is a list of its layers.
  put <- function(assay, layer, value) {
    assay[[layer]] <- value
    assay
  }
  counts <- normalised_counts()
  assay <- list(raw.b = counts[, c(5, 1)], raw.a = counts[2:9, 2:4], data = counts)
  values <- normalize_quietly(counts)
  result <- with_binding("layer_function", function(name) {
    list(Layers = names, LayerData = function(assay, layer) assay[[layer]],
         `LayerData<-` = put)[[name]]
  }, with_binding("is_layered", function(assay) TRUE, {
    expect_message(result <- with_data_layers(assay, values, "raw", TRUE),
                   "Layer \"data\" was there")
    result
  }))
  expect_identical(names(result), c("raw.b", "raw.a", "data.b", "data.a"))
  expect_identical(result$data.b, values[, c(5, 1)])
  expect_identical(result$data.a, values[2:9, 2:4])
})

test_that("files and folders become a dgCMatrix", {
  counts <- normalised_counts()
  file <- write_h5ad(counts)
  folder <- write_10x(counts)
  on.exit(unlink(c(file, folder), recursive = TRUE))
  for (path in c(file, folder)) {
    expect_identical(normalize_quietly(path), normalize_quietly(counts))
  }
})

test_that("the reports that a matrix carries are kept", {
  skip_if_not_installed("scuttle")
  for (counts in list(toy_counts(60, 80), sparse(toy_counts(60, 80)))) {
    filtered <- cellular_qc(counts, verbose = FALSE)
    values <- normalize_quietly(filtered)
    expect_identical(canal_quality_report(values), canal_quality_report(filtered))
  }
})

test_that("what cannot be normalised is refused", {
  counts <- normalised_counts()
  for (target in list(0, -1, Inf, NA, "a", c(1, 2))) {
    expect_refused(normalize_quietly(counts, target), "argument", "target")
  }
  expect_refused(cellular_normalize(counts, verbose = NULL), "argument", "verbose")
  expect_refused(normalize_quietly(counts * 0), "empty", "x")
  expect_refused(normalize_quietly(normalize_quietly(counts)), "transformed", "x")
  expect_refused(normalize_quietly(-counts), "counts", "x")
  expect_refused(normalize_quietly(unname(as.matrix(counts))), "names", "x")
  expect_refused(normalize_quietly(list(1)), "class", "x")
  expect_refused(normalize_quietly(tempfile()), "file", "x")
})
