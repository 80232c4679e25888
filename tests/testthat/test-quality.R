# 60 genes, of them 3 mitochondrial, and 80 cells, of which some are bad on purpose.
quality_counts <- function() {
  counts <- toy_counts(60, 80, seed = 3)
  counts["GENE60", ] <- rep(c(1, 0), c(15, 65))
  rownames(counts)[1:3] <- c("MT-CO1", "mt-Nd1", "MT-ND2")
  storage.mode(counts) <- "double"
  counts["MT-CO1", 5] <- 5000
  counts[, 11] <- 0
  counts[-(4:9), 17] <- 0
  counts[, 23] <- counts[, 23] * 200
  counts
}

filter_quietly <- function(x, ...) canal_quality_filter(x, ..., verbose = FALSE)

# By the definitions, cell by cell.
naive_measures <- function(counts, top, mito = "^(MT|mt)-") {
  do.call(rbind, lapply(seq_len(ncol(counts)), function(j) {
    cell <- counts[, j]
    data.frame(counts = sum(cell), genes = sum(cell > 0),
               top_share = sum(sort(cell, decreasing = TRUE)[seq_len(top)]) / sum(cell),
               mito_share = sum(cell[grepl(mito, rownames(counts))]) / sum(cell))
  }))
}

naive_kept <- function(measures, nmads) {
  full <- measures$counts > 0
  within <- function(values, low = TRUE) {
    middle <- median(values[full])
    spread <- 1.4826 * median(abs(values[full] - middle))
    (values <= middle + nmads * spread) & (!low | values >= middle - nmads * spread)
  }
  kept <- within(log(measures$counts)) & within(log(measures$genes)) &
    within(measures$top_share) & within(measures$mito_share, low = FALSE)
  full & kept %in% TRUE
}

test_that("cells are judged as by the definitions, and genes in the cells kept", {
  skip_if_not_installed("scuttle")
  counts <- quality_counts()
  for (nmads in c(2, 5)) {
    measures <- naive_measures(counts, 10)
    kept <- naive_kept(measures, nmads)
    expect_true(any(kept) && !all(kept))
    result <- filter_quietly(counts, nmads = nmads, top = 10, min_cells = 14)
    report <- canal_quality_report(result)
    expect_identical(report$cell, colnames(counts))
    for (name in c("counts", "top_share", "mito_share")) {
      expect_equal(report[[name]][-11], measures[[name]][-11])
    }
    expect_identical(report$genes, as.integer(measures$genes))
    expect_identical(report$kept, kept)
    detected <- rowSums(counts[, kept] > 0)
    expect_identical(result, structure(counts[detected >= 14, kept], canal_quality =
                                         attr(result, "canal_quality")))
    genes <- canal_quality_report(result, "genes")
    expect_identical(genes$cells, unname(as.integer(detected)))
    expect_identical(genes$kept, unname(detected >= 14))
  }
  expect_identical(report$reason[c(1, 11)], c("", "no counts"))
  expect_match(report$reason[5], "high mitochondrial share")
  expect_match(report$reason[17], "few counts, few genes")
  expect_match(report$reason[23], "many counts")
})

test_that("a low mitochondrial share is no fault", {
  skip_if_not_installed("scuttle")
  set.seed(1)
  counts <- matrix(stats::rpois(60 * 80, 50), 60,
                   dimnames = list(c(paste0("MT-", 1:3), 4:60), paste0("cell", 1:80)))
  counts[1:3, ] <- counts[1:3, ] + 150L
  # As many counts in all, but none of them mitochondrial, or nearly all.
  totals <- colSums(counts)
  counts[1:3, 40] <- 0L
  counts[4, 40] <- totals[40] - sum(counts[5:60, 40])
  counts[5:30, 41] <- 1L
  counts[1, 41] <- totals[41] - sum(counts[-1, 41])
  # All genes are the top genes, so that their share is always 1.
  report <- canal_quality_report(filter_quietly(counts, top = 60))
  expect_identical(report$reason[40:42], c("", "high mitochondrial share", ""))
})

test_that("a gene is rare by the kept cells, and none for min_cells = 0", {
  skip_if_not_installed("scuttle")
  counts <- quality_counts()
  # In 15 cells, of which 5 and 11 are left out.
  expect_true("GENE60" %in% rownames(filter_quietly(counts, min_cells = 13)))
  expect_false("GENE60" %in% rownames(filter_quietly(counts, min_cells = 14)))
  counts["GENE60", ] <- 0
  expect_identical(nrow(filter_quietly(counts, min_cells = 0)), 60L)
})

test_that("batches have medians of their own", {
  skip_if_not_installed("scuttle")
  counts <- toy_counts(60, 80, seed = 3) + 1
  batch <- rep(c("a", "b"), 40)
  counts[, batch == "b"] <- counts[, batch == "b"] * 30
  counts[, 1] <- counts[, 1] * 30
  expect_true(canal_quality_report(filter_quietly(counts))$kept[1])
  report <- canal_quality_report(filter_quietly(counts, batch = batch))
  expect_identical(report$reason[1], "many counts")
  expect_identical(report$batch, batch)
  alone <- canal_quality_report(filter_quietly(counts[, batch == "a"]))
  expect_identical(report$reason[batch == "a"], alone$reason)
})

test_that("what has no spread or no genes is not judged, and told", {
  skip_if_not_installed("scuttle")
  counts <- quality_counts()
  counts[1:3, ] <- 0
  counts[1:3, 9] <- 40
  expect_message(result <- canal_quality_filter(counts),
                 "Not judged: mitochondrial share \\(the same in most cells\\)",
                 class = "canalR_message_quality")
  expect_false(grepl("mito", canal_quality_report(result)$reason[9]))
  rownames(counts) <- paste0("G", 1:60)
  expect_message(result <- canal_quality_filter(counts), "no gene has such a name")
  expect_true(all(is.na(canal_quality_report(result)$mito_share)))
  expect_silent(filter_quietly(counts))
  told <- testthat::capture_messages(canal_quality_filter(counts, mito = NULL))
  expect_false(any(grepl("Not judged", told)))
  # All genes are the top genes: every share is 1. Two batches, of which one is a single cell.
  expect_message(result <- canal_quality_filter(counts, top = 60, mito = NULL,
                                                batch = c("z", rep("a", 79))),
                 "counts \\(the same in most cells of batch z\\)")
  expect_true(canal_quality_report(result)$kept[1])
  expect_message(canal_quality_filter(counts, top = 100), "share of the top genes \\(the same")
})

test_that("every class comes back as it was, with the same choice", {
  skip_if_not_installed("scuttle")
  skip_if_not_installed("SingleCellExperiment")
  counts <- quality_counts()
  plain <- filter_quietly(counts)
  thin <- filter_quietly(sparse(counts))
  expect_s4_class(thin, "dgCMatrix")
  expect_identical(as.matrix(thin), plain[, ])
  expect_identical(canal_quality_report(thin), canal_quality_report(plain))
  x <- SingleCellExperiment::SingleCellExperiment(
    list(counts = sparse(counts), other = sparse(counts) * 2),
    colData = S4Vectors::DataFrame(plate = 1:80)
  )
  S4Vectors::metadata(x)$canal <- list(symbols = "kept")
  result <- filter_quietly(x)
  expect_s4_class(result, "SingleCellExperiment")
  expect_identical(as.matrix(SummarizedExperiment::assay(result, "other")), plain[, ] * 2)
  expect_identical(result$plate, which(canal_quality_report(plain)$kept))
  expect_identical(canal_quality_report(result), canal_quality_report(plain))
  expect_identical(S4Vectors::metadata(result)$canal$symbols, "kept")
  by_column <- filter_quietly(x, batch = "plate", min_cells = 0)
  expect_identical(ncol(by_column), 79L)
})

test_that("a Seurat object keeps its other assays and loses loadings of rare genes", {
  skip_if_not_installed("scuttle")
  skip_if_not_installed("Seurat")
  counts <- quality_counts()
  plain <- filter_quietly(counts)
  x <- suppressWarnings(SeuratObject::CreateSeuratObject(sparse(counts)))
  tags <- sparse(counts[1:4, ])
  rownames(tags) <- paste0("TAG", 1:4)
  x[["ADT"]] <- SeuratObject::CreateAssayObject(tags)
  x <- Seurat::NormalizeData(x, verbose = FALSE)
  x <- Seurat::ScaleData(x, features = rownames(counts)[50:60], verbose = FALSE)
  x <- suppressWarnings(Seurat::RunPCA(x, npcs = 2, features = rownames(counts)[50:60],
                                       verbose = FALSE, approx = FALSE))
  result <- filter_quietly(x)
  expect_s4_class(result, "Seurat")
  expect_true(methods::validObject(result))
  expect_identical(as.matrix(cells_of(result)$counts), plain[, ])
  expect_identical(rownames(result[["ADT"]]), rownames(tags))
  expect_identical(colnames(result[["ADT"]]), colnames(plain))
  expect_identical(rownames(SeuratObject::Loadings(result[["pca"]])),
                   intersect(rownames(SeuratObject::Loadings(x[["pca"]])), rownames(plain)))
  expect_false("GENE60" %in% rownames(SeuratObject::Loadings(result[["pca"]])))
  expect_identical(rownames(SeuratObject::Embeddings(result[["pca"]])), colnames(plain))
  expect_identical(canal_quality_report(result), canal_quality_report(plain))
})

test_that("what cannot be filtered is refused", {
  skip_if_not_installed("scuttle")
  counts <- quality_counts()
  expect_refused(filter_quietly("cells.h5ad"), "file", "x")
  expect_refused(filter_quietly(list(1)), "class", "x")
  expect_refused(filter_quietly(counts * 0), "empty", "x")
  expect_refused(filter_quietly(counts, min_cells = 80), "empty", "min_cells")
  expect_refused(filter_quietly(log1p(counts)), "transformed", "x")
  expect_refused(filter_quietly(counts, nmads = -1), "argument", "nmads")
  expect_refused(filter_quietly(counts, mito = "("), "argument", "mito")
  expect_refused(filter_quietly(counts, mito = 1), "argument", "mito")
  expect_refused(filter_quietly(counts, batch = "none"), "labels", "batch")
  expect_refused(filter_quietly(counts, min_genes = 3), "argument", "...")
  expect_refused(canal_quality_report(counts), "argument", "x")
  expect_error(with_binding("need_package", function(package, argument, purpose) {
    canal_abort("package", argument, package, "none")
  }, filter_quietly(counts)), "scuttle", class = "canalR_error_package")
})
