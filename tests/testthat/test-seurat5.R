# Seurat 5: objects whose default assay keeps layers (Assay5), split by batch or joined.

# Version 4 lacks these functions, so they are looked up by name.
seurat5 <- function(name) {
  skip_if_not_installed("SeuratObject", "5.0.0")
  getExportedValue("SeuratObject", name)
}

layers_of <- function(x) seurat5("Layers")(x)
layer_of <- function(x, layer) seurat5("LayerData")(x, layer = layer)

# Counts of real cells in the default assay, whatever class that has by default.
made <- function(counts) {
  seurat5("Layers")
  x <- SeuratObject::CreateSeuratObject(counts)
  expect_s4_class(x[["RNA"]], "Assay5")
  x
}

# The cells of each group in a layer of its own.
split_by <- function(x, groups) {
  x[["RNA"]] <- split(x[["RNA"]], f = groups)
  x
}

# Seurat's own steps, on layers as they are.
analysed <- function(x, genes) {
  skip_if_not_installed("Seurat")
  x <- Seurat::NormalizeData(x, verbose = FALSE)
  SeuratObject::VariableFeatures(x) <- genes
  x <- Seurat::ScaleData(x, verbose = FALSE)
  suppressWarnings(Seurat::RunPCA(x, npcs = 2, features = genes, verbose = FALSE, approx = FALSE))
}

some_split <- function() {
  counts <- sparse(toy_counts(30, 20))
  rownames(counts)[1:4] <- c("IDDM1", "INS", "SS", "OLD")
  split_by(made(counts), rep(c("b", "a", "c"), length.out = 20))
}

symbols_updated <- function(x) {
  table <- data.frame(alias = c("IDDM1", "SS", "OLD"), symbol = c("INS", "SST", "NEW"))
  canal_update_symbols(x, table, verbose = FALSE)
}

test_that("split and joined layers are the same counts, and stay as they are", {
  counts <- sparse(toy_counts(30, 20))
  joined <- made(counts)
  split <- split_by(joined, rep(c("b", "a", "c"), length.out = 20))
  expect_identical(layers_of(split), c("counts.b", "counts.a", "counts.c"))
  expect_identical(cells_of(joined)$counts, counts)
  before <- split
  expect_silent(found <- cells_of(split))
  expect_identical(found$counts, counts)
  expect_identical(split, before)
  expect_identical(cells_of(seurat5("JoinLayers")(split))$counts, counts)
  grown <- analysed(split, rownames(counts)[1:12])
  expect_true(all(c("data.a", "scale.data") %in% layers_of(grown)))
  expect_identical(cells_of(grown)$counts, counts)
})

test_that("merged objects keep a layer each; a gene that one lacks was not counted there", {
  first <- toy_counts(30, 6)
  second <- toy_counts(20, 5, seed = 2)
  colnames(second) <- paste0("other", 1:5)
  merged <- merge(made(sparse(first)), made(sparse(second)))
  expect_identical(layers_of(merged), c("counts.1", "counts.2"))
  expected <- cbind(first, rbind(second, matrix(0, 10, 5)))
  expect_equal(as.matrix(cells_of(merged)$counts), expected)
})

test_that("cells without counts in the layers are told", {
  split <- some_split()
  put <- seurat5("LayerData<-")
  split@assays$RNA <- suppressWarnings(put(split[["RNA"]], layer = "counts.a", value = NULL))
  expect_error(cells_of(split), "none for 7 cells", class = "canalR_error_assay")
})

test_that("an assay of the older class, and SCTransform's, are read by their slots", {
  counts <- sparse(toy_counts(30, 20))
  x <- made(counts)
  x[["old"]] <- SeuratObject::CreateAssayObject(counts[1:20, ])
  SeuratObject::DefaultAssay(x) <- "old"
  expect_identical(cells_of(x)$counts, counts[1:20, ])
  skip_if_not_installed("Seurat")
  corrected <- counts
  corrected@x <- corrected@x + 1
  x[["SCT"]] <- suppressWarnings(Seurat::CreateSCTAssayObject(counts = corrected))
  SeuratObject::DefaultAssay(x) <- "SCT"
  expect_identical(cells_of(x)$counts, corrected)
  expect_error(cells_of(x, "raw"), "default assay \\(SCT\\).*DefaultAssay\\(x\\) <- \"RNA\"",
               class = "canalR_error_assay")
  expect_error(symbols_updated(x), "SCTAssay", class = "canalR_error_class")
})

# What BPCells' layers are to canalR: a foreign class that can become a dgCMatrix.
test_that("a layer of a foreign class becomes sparse counts", {
  here <- environment()
  name <- "CanalForeignLayer"
  methods::setClass(name, representation(values = "dgCMatrix"), where = here)
  on.exit(methods::removeClass(name, where = here))
  make <- function(values) methods::new(methods::getClass(name, where = here), values = values)
  define <- function(what, method) methods::setMethod(what, name, method, where = here)
  define("dim", function(x) dim(x@values))
  define("dimnames", function(x) dimnames(x@values))
  methods::setMethod("dimnames<-", c(name, "list"), function(x, value) {
    dimnames(x@values) <- value
    x
  }, where = here)
  methods::setMethod("[", name, function(x, i, j, ..., drop = FALSE) {
    make(if (missing(i)) x@values[, j, drop = FALSE] else x@values[i, j, drop = FALSE])
  }, where = here)
  methods::setAs(name, "dgCMatrix", function(from) from@values, where = here)
  counts <- sparse(toy_counts(30, 20))
  x <- made(counts)
  x@assays$RNA@layers$counts <- make(unname(counts))
  expect_s4_class(layer_of(x, "counts"), name)
  expect_identical(cells_of(x)$counts, counts)
})

test_that("training and prediction take the layers, and leave the object as it was", {
  cells <- stage_two_cells()
  expected <- as.data.frame(predict_quietly(cells$counts, stage_two()))
  joined <- made(cells$counts)
  joined$celltype <- cells$types
  split <- split_by(joined, rep(c("b", "a"), length.out = ncol(joined)))
  for (x in list(joined, split)) {
    result <- predict_quietly(x, stage_two())
    expect_identical(result@meta.data[names(expected)], expected)
    expect_identical(result@meta.data[names(x@meta.data)], x@meta.data)
    expect_identical(result@assays, x@assays)
    evaluation <- canal_evaluation(suppressMessages(canal_evaluate(result, "celltype")))
    expect_identical(evaluation$accuracy, mean(expected$canal_label == cells$types))
    embedded <- canal_embed(x, stage_two(), verbose = FALSE)
    expect_identical(rownames(SeuratObject::Embeddings(embedded, "canal")), colnames(x))
    expect_identical(embedded@assays, x@assays)
    expect_true(methods::validObject(embedded))
  }
  first <- stage_one_cells()
  x <- made(first$counts)
  x$celltype <- first$types
  x <- split_by(x, rep(c("b", "a"), length.out = ncol(x)))
  model <- canal_train(x, "celltype", untrained(), seed = 1, verbose = FALSE)
  expect_identical(model@weights, stage_one()@weights)
})

test_that("the results stand when the layers are joined or subset afterwards", {
  cells <- stage_two_cells()
  x <- made(cells$counts)
  x <- split_by(x, rep(c("b", "a"), length.out = ncol(x)))
  x <- canal_embed(predict_quietly(x, stage_two()), stage_two(), verbose = FALSE)
  joined <- seurat5("JoinLayers")(x)
  expect_identical(joined$canal_label, x$canal_label)
  expect_identical(SeuratObject::Embeddings(joined, "canal"), SeuratObject::Embeddings(x, "canal"))
  few <- x[, 3:9]
  expect_identical(few$canal_label, x$canal_label[3:9])
  expect_identical(SeuratObject::Embeddings(few, "canal"),
                   SeuratObject::Embeddings(x, "canal")[3:9, ])
})

test_that("lists of objects with layers are merged, and read from 10x folders", {
  cells <- stage_one_cells()
  half <- seq_len(ncol(cells$counts)) %% 2 == 0
  parts <- list(one = made(cells$counts[, half]), two = made(cells$counts[, !half]))
  parts$one <- split_by(parts$one, rep(c("b", "a"), length.out = sum(half)))
  merged <- canal_merge(parts, as = "Seurat", verbose = FALSE)
  expect_s4_class(merged[["RNA"]], "Assay5")
  expect_identical(cells_of(merged)$counts,
                   cbind(cells$counts[, half], cells$counts[, !half]))
  folder <- write_10x(cells$counts)
  on.exit(unlink(folder, recursive = TRUE))
  expect_identical(as.matrix(cells_of(canal_read_10x(folder, as = "Seurat"))$counts),
                   as.matrix(cells$counts))
})

# Genes ------------------------------------------------------------------------------------------

test_that("genes are renamed in every layer, split or not", {
  split <- analysed(some_split(), c("SS", "IDDM1", "GENE9", "GENE12"))
  for (x in list(split, seurat5("JoinLayers")(split))) {
    expect_silent(result <- symbols_updated(x))
    renamed <- c("INS", "SST", "NEW", rownames(x)[5:30])
    expect_identical(rownames(result), renamed)
    expect_identical(layers_of(result), layers_of(x))
    for (layer in setdiff(layers_of(x), "scale.data")) {
      expect_identical(unname(layer_of(result, layer)), unname(layer_of(x, layer)[-1, ]))
      expect_identical(rownames(layer_of(result, layer)), renamed)
    }
    scaled <- layer_of(result, "scale.data")
    expect_setequal(rownames(scaled), c("SST", "GENE9", "GENE12"))
    expect_identical(scaled["SST", ], layer_of(x, "scale.data")["SS", ])
    expect_identical(SeuratObject::VariableFeatures(result), c("SST", "GENE9", "GENE12"))
    expect_setequal(rownames(SeuratObject::Loadings(result, "pca")), c("SST", "GENE9", "GENE12"))
    expect_identical(SeuratObject::Embeddings(result, "pca"), SeuratObject::Embeddings(x, "pca"))
    expect_identical(canal_symbol_report(result)$gene, rownames(x))
    expect_true(methods::validObject(result))
    expect_s4_class(subset(result, features = c("SST", "NEW")), "Seurat")
  }
})

test_that("a layer that loses all its genes goes", {
  x <- analysed(some_split(), c("GENE9", "GENE12", "GENE20"))
  table <- data.frame(alias = c("SS", "OLD"), symbol = c("SST", "NEW"))
  result <- canal_update_symbols(x, table, unmatched = "drop", verbose = FALSE)
  expect_identical(rownames(result), c("SST", "NEW"))
  expect_false("scale.data" %in% layers_of(result))
  expect_true(methods::validObject(result))
  expect_identical(unname(cells_of(result)$counts), unname(cells_of(x)$counts[3:4, ]))
})

test_that("cells and genes are chosen in every layer", {
  skip_if_not_installed("scuttle")
  split <- some_split()
  split <- analysed(split, rownames(split)[1:15])
  plain <- canal_quality_filter(cells_of(split)$counts, min_cells = 18, verbose = FALSE)
  expect_lt(nrow(plain), nrow(split))
  for (x in list(split, seurat5("JoinLayers")(split))) {
    expect_silent(result <- canal_quality_filter(x, min_cells = 18, verbose = FALSE))
    expect_identical(as.matrix(cells_of(result)$counts), as.matrix(plain)[, colnames(plain)])
    expect_identical(canal_quality_report(result), canal_quality_report(plain))
    expect_setequal(rownames(layer_of(result, "scale.data")),
                    intersect(rownames(plain), rownames(layer_of(x, "scale.data"))))
    expect_true(methods::validObject(result))
  }
})

test_that("what Seurat normalised is replaced layer by layer", {
  split <- analysed(some_split(), c("SS", "GENE9", "GENE12"))
  expected <- cellular_normalize(cells_of(split)$counts, verbose = FALSE)
  for (x in list(split, seurat5("JoinLayers")(split))) {
    result <- cellular_normalize(x, verbose = FALSE)
    expect_setequal(layers_of(result), layers_of(x))
    expect_equal(as.matrix(cells_of(result, "data")$counts), as.matrix(expected),
                 ignore_attr = TRUE)
    expect_identical(cells_of(result)$counts, cells_of(x)$counts)
    expect_identical(layer_of(result, "scale.data"), layer_of(x, "scale.data"))
  }
})
