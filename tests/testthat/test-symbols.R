aliases <- data.frame(
  alias = c("IDDM1", "SS", "P1", "P1", "ENSG00000115263", "INS", "OLD"),
  symbol = c("INS", "SST", "PPY", "GHRL", "GCG", "INS2", "NEW")
)

update_quietly <- function(x, ...) canal_update_symbols(x, ..., verbose = FALSE)

actions <- function(x) {
  report <- canal_symbol_report(x)
  setNames(report$action, report$gene)
}

# The rules, gene by gene: what a name becomes, or NA where nothing may be guessed.
naive_symbol <- function(name, table) {
  if (startsWith(name, "ENSG")) name <- strsplit(name, ".", fixed = TRUE)[[1]][1]
  if (name %in% table$symbol) return(name)
  symbols <- unique(table$symbol[table$alias == name])
  if (length(symbols) == 1) symbols else NA_character_
}

test_that("aliases and Ensembl ids get their current symbols", {
  genes <- c("SS", "ENSG00000115263.15", "INS", "OLD", "NOBODY")
  result <- update_quietly(genes, aliases)
  expect_identical(as.vector(result), c("SST", "GCG", "INS", "NEW", "NOBODY"))
  expect_identical(canal_symbol_report(result)$reason,
                   c("alias", "Ensembl id", "current", "alias", "not found"))
  expect_identical(unname(actions(result)), c("renamed", "renamed", "kept", "renamed", "kept"))
  expect_identical(as.vector(update_quietly("ENSG00000115263", aliases)), "GCG")
  # A table whose ids bear versions serves as well.
  versions <- data.frame(id = "ENSG00000115263.3", symbol = "GCG")
  expect_identical(as.vector(update_quietly("ENSG00000115263.15", versions)), "GCG")
  # And a point in another name is part of it.
  expect_identical(as.vector(update_quietly("AC0001.2", aliases)), "AC0001.2")
})

test_that("a current symbol stays, even if it is an alias of another gene", {
  expect_identical(as.vector(update_quietly("INS", aliases)), "INS")
  expect_identical(unname(actions(update_quietly("INS", aliases))), "kept")
})

test_that("nothing is guessed", {
  result <- update_quietly(c("P1", "ss"), aliases)
  expect_identical(as.vector(result), c("P1", "ss"))
  expect_identical(unname(actions(result)), c("ambiguous", "kept"))
  dropped <- update_quietly(c("P1", "ss"), aliases, unmatched = "drop")
  expect_identical(as.vector(dropped), "P1")
  expect_identical(canal_symbol_report(dropped)$symbol, c("P1", NA))
  # Said twice is not said of two.
  twice <- rbind(aliases, aliases)
  expect_identical(as.vector(update_quietly("SS", twice)), "SST")
})

test_that("of two genes with one symbol its first holder stays, whatever the order", {
  for (genes in list(c("IDDM1", "INS", "SS"), c("INS", "IDDM1", "SS"))) {
    result <- update_quietly(genes, aliases)
    expect_identical(as.vector(result), c("INS", "SST"))
    expect_identical(actions(result)[["IDDM1"]], "dropped")
    expect_identical(actions(result)[["INS"]], "kept")
  }
  pairs <- data.frame(a = c("X1", "X2"), b = "X")
  result <- update_quietly(c("X2", "X1"), pairs)
  expect_identical(actions(result), c(X2 = "renamed", X1 = "dropped"))
  expect_identical(canal_symbol_report(result)$reason[2], "another gene is X")
  expect_identical(as.vector(update_quietly(c("A", "A", "B"), aliases)), c("A", "B"))
})

test_that("many genes come out as by the rules one by one", {
  set.seed(1)
  pool <- c(outer(c("A", "ENSG0"), 1:60, paste0))
  symbols <- paste0("S", 1:80)
  # Some symbols are aliases of others, some aliases have several symbols.
  pairs <- data.frame(alias = sample(c(pool, symbols), 150, TRUE),
                      symbol = sample(symbols, 150, TRUE))
  genes <- sample(c(pool, symbols), 90)
  expected <- vapply(genes, naive_symbol, "", table = pairs)
  report <- canal_symbol_report(update_quietly(genes, pairs))
  alone <- !is.na(expected) & !duplicated(expected) & !duplicated(expected, fromLast = TRUE)
  # Those that kept their names may hold a symbol that another one would come to.
  alone <- alone & !expected %in% genes[is.na(expected)]
  expect_gt(sum(alone & expected != genes), 5)
  expect_identical(report$symbol[alone], unname(expected[alone]))
  left <- report$symbol[!is.na(report$symbol)]
  expect_identical(anyDuplicated(left), 0L)
  expect_setequal(left, ifelse(is.na(expected), genes, expected))
})

test_that("genes of another species go through their orthologs alone", {
  mouse <- data.frame(mouse = c("Ins1", "Ins2", "Gcg", "Old", "Two", "Two", "ENSMUSG00000004366"),
                      human = c("INS", "INS", "GCG", "OLD", "A", "B", "SST"))
  genes <- c("Gcg", "Ins2", "Ins1", "Old", "Two", "ENSMUSG00000004366.4", "SS", "INS")
  result <- update_quietly(genes, aliases, orthologs = mouse)
  report <- canal_symbol_report(result)
  # INS is no mouse gene that is known, but it has the name.
  expect_identical(report$symbol, c("GCG", NA, NA, "NEW", "Two", "SST", "SS", "INS"))
  expect_identical(report$action[5], "ambiguous")
  expect_identical(report$reason[7:8], rep("no ortholog", 2))
  dropped <- update_quietly(genes, aliases, orthologs = mouse, unmatched = "drop")
  expect_identical(as.vector(dropped), c("GCG", "INS", "NEW", "Two", "SST"))
})

test_that("rows of matrices go with their names", {
  counts <- matrix(1:8, 4, dimnames = list(c("IDDM1", "INS", "SS", "Q"), c("c1", "c2")))
  expected <- counts[2:4, ]
  rownames(expected) <- c("INS", "SST", "Q")
  for (x in list(counts, sparse(counts))) {
    result <- update_quietly(x, aliases)
    expect_identical(as.matrix(result)[, ], expected[, ] * (if (is.matrix(x)) 1L else 1))
    expect_identical(class(result), class(x))
    expect_identical(nrow(canal_symbol_report(result)), 4L)
    expect_true(is.matrix(x) || validObject(result))
  }
})

test_that("a SingleCellExperiment keeps all but the names", {
  skip_if_not_installed("SingleCellExperiment")
  counts <- toy_counts(4, 6)
  rownames(counts) <- c("IDDM1", "INS", "SS", "Q")
  x <- SingleCellExperiment::SingleCellExperiment(
    list(counts = counts, logcounts = log1p(counts)),
    rowData = S4Vectors::DataFrame(length = 11:14), colData = S4Vectors::DataFrame(batch = 1:6)
  )
  S4Vectors::metadata(x)$canal <- list(evaluation = "kept")
  result <- update_quietly(x, aliases)
  expect_identical(rownames(result), c("INS", "SST", "Q"))
  expect_identical(SummarizedExperiment::rowData(result)$length, 12:14)
  expect_identical(unname(SummarizedExperiment::assay(result, "logcounts")),
                   unname(log1p(counts)[2:4, ]))
  expect_identical(result$batch, 1:6)
  expect_identical(S4Vectors::metadata(result)$canal$evaluation, "kept")
  expect_identical(canal_symbol_report(result)$gene, rownames(x))
  expect_identical(S4Vectors::metadata(x)$canal, list(evaluation = "kept"))
})

# One of an older assay's matrices. GetAssayData() has its arguments in another order in version 5.
assay_values <- function(x, slot) methods::slot(x[[SeuratObject::DefaultAssay(x)]], slot)

test_that("an assay of Seurat's older class is renamed wherever it holds names", {
  skip_if_not_installed("Seurat")
  counts <- toy_counts(30, 20)
  rownames(counts)[1:4] <- c("IDDM1", "INS", "SS", "OLD")
  x <- older_seurat(sparse(counts))
  x <- Seurat::NormalizeData(x, verbose = FALSE)
  SeuratObject::VariableFeatures(x) <- c("SS", "IDDM1", "GENE9")
  x <- Seurat::ScaleData(x, features = c("SS", "GENE9", "IDDM1", "INS"), verbose = FALSE)
  x <- suppressWarnings(Seurat::RunPCA(x, npcs = 2, features = c("SS", "GENE9", "INS"),
                                       verbose = FALSE, approx = FALSE))
  x[["ADT"]] <- SeuratObject::CreateAssayObject(sparse(counts[1:4, ]))
  x$batch <- rep(1:2, 10)
  result <- update_quietly(x, aliases)
  renamed <- c("INS", "SST", "NEW", rownames(counts)[5:30])
  expect_identical(rownames(result), renamed)
  for (layer in c("counts", "data")) {
    expect_identical(unname(as.matrix(assay_values(result, layer))),
                     unname(as.matrix(assay_values(x, layer)[-1, ])))
  }
  expect_identical(assay_values(result, "scale.data")["SST", ],
                   assay_values(x, "scale.data")["SS", ])
  expect_setequal(rownames(assay_values(result, "scale.data")),
                  c("SST", "GENE9", "INS"))
  expect_identical(SeuratObject::VariableFeatures(result), c("SST", "GENE9"))
  expect_identical(SeuratObject::Embeddings(result, "pca"), SeuratObject::Embeddings(x, "pca"))
  expect_setequal(rownames(SeuratObject::Loadings(result, "pca")), c("SST", "GENE9", "INS"))
  expect_identical(rownames(result[["ADT"]]), rownames(x[["ADT"]]))
  expect_identical(result$batch, x$batch)
  expect_identical(nrow(canal_symbol_report(result)), 30L)
  expect_true(validObject(result))
  expect_s4_class(subset(result, features = c("SST", "NEW")), "Seurat")
  expect_identical(dim(cells_of(result)$counts), c(29L, 20L))
})

test_that("what was done is told", {
  expect_message(canal_update_symbols(c("SS", "INS", "IDDM1", "P1", "Q"), aliases),
                 paste("the table given: 2 genes kept, 1 renamed \\(SS -> SST\\),",
                       "1 dropped \\(IDDM1\\), 1 ambiguous \\(P1\\); 1 not found"),
                 class = "canalR_message_symbols")
  expect_silent(update_quietly("SS", aliases))
  expect_message(canal_update_symbols("INS", aliases), "0 renamed, 0 dropped, 0 ambiguous; 0 not")
})

test_that("without a table NCBI's names serve, or an error says what to do", {
  with_binding("has_human_genes", function() FALSE, {
    expect_refused(update_quietly("SS"), "table", "table")
    expect_error(update_quietly("SS"), "org.Hs.eg.db", class = "canalR_error_table")
    mouse <- data.frame(a = "Ins2", b = "INS")
    expect_identical(as.vector(update_quietly("Ins2", orthologs = mouse)), "INS")
  })
  skip_if_not_installed("org.Hs.eg.db")
  # An old name, an id with its version, a current one, nobody's, one of two genes.
  result <- update_quietly(c("MLL", "ENSG00000254647.7", "GCG", "NOT-A-GENE", "OCT4"))
  expect_identical(as.vector(result), c("KMT2A", "INS", "GCG", "NOT-A-GENE", "OCT4"))
  expect_identical(actions(result)[["OCT4"]], "ambiguous")
  expect_message(canal_update_symbols("GCG"), "org.Hs.eg.db [0-9]")
  mouse <- data.frame(a = "Kmt2a", b = "MLL")
  expect_identical(as.vector(update_quietly("Kmt2a", orthologs = mouse)), "KMT2A")
})

test_that("arguments are checked", {
  expect_refused(update_quietly(1:3, aliases), "class", "x")
  expect_refused(update_quietly(c("A", NA), aliases), "names", "x")
  expect_refused(update_quietly(c("A", ""), aliases), "names", "x")
  expect_refused(update_quietly(matrix(1:4, 2), aliases), "names", "x")
  expect_refused(update_quietly("A", "B"), "table", "table")
  expect_refused(update_quietly("A", aliases["alias"]), "table", "table")
  expect_refused(update_quietly("A", aliases[0, ]), "table", "table")
  expect_refused(update_quietly("A", aliases, orthologs = 3), "table", "orthologs")
  expect_refused(update_quietly("A", aliases, unmatched = "guess"), "argument", "unmatched")
  expect_refused(update_quietly("A", aliases, NULL, 1), "argument", "...")
  expect_refused(canal_update_symbols("A", aliases, verbose = 2), "argument", "verbose")
  expect_refused(canal_symbol_report(c("A", "B")), "argument", "x")
})

test_that("ids of the Y's pseudoautosomal genes lose version and ending; a path is no gene", {
  table <- data.frame(alias = "ENSG00000002586", symbol = "CD99")
  found <- canal_update_symbols("ENSG00000002586.20_PAR_Y", table, verbose = FALSE)
  expect_identical(as.vector(found), "CD99")
  file <- tempfile()
  file.create(file)
  expect_error(canal_update_symbols(file, table), class = "canalR_error_class")
})
