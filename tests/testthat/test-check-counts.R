prepare <- function(counts, vocabulary = rownames(counts), ...) {
  canal_prepare(counts, vocabulary, verbose = FALSE, ...)
}

refused <- function(counts, kind, message = NULL, ...) {
  expect_error(prepare(counts, ...), message, class = paste0("canalR_error_", kind))
}

signature_in <- function(counts) {
  log_signature(facts_of(counts, 1L), function() sampled_cells(counts))
}

with_value <- function(counts, value) {
  counts["GENE7", "cell12"] <- value
  counts
}

test_that("negative, missing and infinite counts are refused and located", {
  counts <- toy_counts()
  refused(with_value(counts, -1), "counts", "gene GENE7, cell cell12")
  refused(with_value(counts, -0.5), "counts")
  refused(with_value(counts, NA), "counts", "gene GENE7, cell cell12")
  refused(with_value(counts, NaN), "counts")
  refused(with_value(counts, Inf), "counts")
})

test_that("scaled values are explained", {
  counts <- toy_counts()
  scaled <- t(scale(t(log1p(counts + 0.1))))
  refused(scaled, "transformed", "scaled")
  refused(round(scaled), "counts")
})

test_that("logarithms of normalised counts are recognised in every base and scale", {
  counts <- sparse(toy_counts())
  refused(log_normalised(counts), "transformed", "log\\(1 \\+ x\\)")
  refused(log_normalised(counts, 1e6), "transformed")
  refused(log_normalised(counts, 1e4, function(x) log2(1 + x)), "transformed", "log2")
  refused(log_normalised(counts, 1e6, function(x) log10(1 + x)), "transformed", "log10")
  plain <- counts
  plain@x <- log1p(plain@x)
  refused(plain, "transformed")
  refused(as.matrix(log_normalised(counts))[, 1:3], "transformed")
  single <- log_normalised(counts)
  single@x <- readBin(writeBin(single@x, raw(), size = 4), "numeric", length(single@x), size = 4)
  refused(single, "transformed")
})

test_that("the hint names what the file holds, or how raw counts are called elsewhere", {
  counts <- sparse(toy_counts())
  hint_of <- function(code) {
    error <- expect_error(code, class = "canalR_error_transformed")
    sub("^[^\n]*\n", "", conditionMessage(error))
  }
  expect_match(hint_of(prepare(log_normalised(counts))), "\"raw/X\" or the name of a layer",
               fixed = TRUE)
  for (layout in c("csr", "csc")) {
    path <- write_logged_h5ad(counts, "umis", layout)
    on.exit(unlink(path), add = TRUE)
    here <- paste("canalR normalises counts itself: give the raw ones. The file also has raw/X,",
                  "umis: `assay.type = \"raw/X\"`, say.")
    expect_identical(hint_of(prepare(path, rownames(counts))), here)
    expect_identical(hint_of(canal_predict(path, stage_one(), verbose = FALSE)), here)
    # What it names can be given.
    expect_s4_class(prepare(path, rownames(counts), assay.type = "raw/X"), "CanalTokens")
    expect_match(hint_of(prepare(path, rownames(counts), assay.type = "X")), "also has raw/X")
  }
  types <- rep_len(c("a", "b"), ncol(counts))
  expect_identical(hint_of(canal_train(path, types, untrained(), verbose = FALSE)), here)
  expect_identical(hint_of(cellular_train(path, types, verbose = FALSE)), here)
  expect_identical(hint_of(canal_cross_validate(path, types, untrained(), k = 2, verbose = FALSE)),
                   here)
  expect_identical(hint_of(cellular_normalize(path, verbose = FALSE)), here)
  alone <- write_h5ad(log_normalised(counts))
  on.exit(unlink(alone), add = TRUE)
  expect_match(hint_of(prepare(alone, rownames(counts))), "The file has no other matrix.",
               fixed = TRUE)
  skip_if_not_installed("scuttle")
  skip_if_not_installed("SingleCellExperiment")
  expect_identical(hint_of(canal_quality_filter(path, verbose = FALSE)), here)
})

test_that("real cells are taken raw and refused as logarithms, whatever the technology", {
  cells <- pancreas()
  for (batch in unique(cells$batch)) {
    counts <- cells$counts[, which(cells$batch == batch)]
    expect_null(signature_in(counts))
    shallow <- order(Matrix::colSums(counts))[1:5]
    expect_null(signature_in(counts[, shallow]))
    # What is left of these cells lies under 20, where logarithms lie too.
    low <- counts
    low@x[low@x > 19] <- 0
    expect_null(signature_in(Matrix::drop0(low)))
    for (logarithm in list(log1p, function(x) log2(1 + x), function(x) log10(1 + x))) {
      for (total in c(1e4, 1e6)) {
        expect_match(signature_in(log_normalised(counts, total, logarithm)), "log")
      }
    }
    expect_match(signature_in(log_normalised(counts)[, shallow]), "log")
  }
  expect_null(signature_in(cells$counts))
  expect_match(signature_in(log_normalised(cells$counts)), "log")
})

test_that("small whole numbers are counts, and so are counts in other units", {
  small <- toy_counts()
  small[] <- pmin(small, 3)
  expect_s4_class(prepare(small), "CanalTokens")
  small[] <- pmin(small, 1)
  expect_null(signature_in(sparse(small)))
  expect_null(signature_in(log_normalised(sparse(toy_counts()), 1, identity)))
  expect_null(signature_in(log_normalised(sparse(toy_counts()), 1e6, identity)))
  expect_null(signature_in(sparse(0 * toy_counts())))
})

test_that("names must be there and cells differ", {
  counts <- toy_counts()
  unnamed <- counts
  rownames(unnamed) <- NULL
  refused(unnamed, "names", "gene name", vocabulary = rownames(counts))
  unnamed <- counts
  colnames(unnamed) <- NULL
  refused(unnamed, "names", "cell name")
  colnames(unnamed) <- c("", colnames(counts)[-1])
  refused(unnamed, "names")
  colnames(unnamed) <- c("cell2", colnames(counts)[-1])
  refused(unnamed, "duplicates", "cell2")
})

test_that("empty matrices and cells are refused", {
  counts <- toy_counts()
  refused(counts[, 0], "empty", "60 genes x 0 cells")
  refused(counts[0, ], "empty", vocabulary = rownames(counts))
  refused(0 * counts, "empty", "at most 0")
})

test_that("no overlap is an error and little a warning, with a likely reason", {
  counts <- toy_counts()
  refused(counts, "overlap", "GENE1, .*Check that both", vocabulary = paste0("OTHER", 1:50))
  expect_warning(prepare(counts, c("GENE1", paste0("OTHER", 1:50)), n_genes = NULL, min_genes = 0),
                 "OTHER1.*1 of 60.*GENE2", class = "canalR_warning_overlap")
  # A small panel that is known completely overlaps enough.
  expect_warning(prepare(counts, c(rownames(counts), paste0("OTHER", 1:5000))), NA)
})

test_that("Ensembl ids, mouse symbols and transposed input are recognised", {
  human <- c("ACTB", "INS", "GCG", "SST", "GAPDH", "MALAT1")
  counts <- toy_counts(n_genes = 6)
  named <- function(symbols) {
    rownames(counts) <- symbols
    counts
  }
  ensembl <- sprintf("ENSG%011d", 1:6)
  refused(named(ensembl), "overlap", "Ensembl", vocabulary = human)
  refused(named(paste0(ensembl, ".12")), "overlap", "Ensembl", vocabulary = human)
  refused(named(human), "overlap", "Ensembl", vocabulary = ensembl)
  refused(named(c("Actb", "Ins", "Gcg", "Sst", "Gapdh", "Malat1")), "overlap", "mouse",
          vocabulary = human)
  refused(named(tolower(human)), "overlap", "toupper", vocabulary = human)
  refused(t(named(human)), "overlap", "transpose", vocabulary = human)
})

test_that("a sparse matrix whose slots point anywhere is refused", {
  counts <- sparse(toy_counts())
  expect_broken <- function(change, counts) {
    expect_refused(canal_prepare(change(counts), rownames(counts)), "counts", "x")
  }
  broken <- list(
    function(x) `@<-`(x, "i", replace(x@i, 1, nrow(x))),
    function(x) `@<-`(x, "i", replace(x@i, 2, -1L)),
    function(x) `@<-`(x, "p", replace(x@p, 2, 1e6L)),
    function(x) `@<-`(x, "p", x@p[-1]),
    function(x) `@<-`(x, "x", x@x[-1]),
    function(x) {
      attr(x, "x") <- as.integer(x@x)
      x
    }
  )
  for (change in broken) expect_broken(change, counts)
  expect_broken(broken[[1]], methods::as(methods::as(counts, "generalMatrix"), "TsparseMatrix"))
})
