# Names of genes, read from and put into users' objects. gene_names(x): those of the rows, or NULL;
# with_symbols(x, report): the rows that are left, under their new names, with the report.

# The linter does not look for the generics.
# nolint start: object_name_linter.

gene_names <- function(x) UseMethod("gene_names")
with_symbols <- function(x, report) UseMethod("with_symbols")

#' @exportS3Method
gene_names.default <- function(x) {
  canal_abort("class", "x", paste(
    "a SingleCellExperiment, SummarizedExperiment or Seurat object, a matrix or Matrix",
    "(genes x cells), or symbols"
  ), paste("an object of class", class(x)[1]))
}

#' @exportS3Method
gene_names.character <- function(x) as.vector(x)

#' @exportS3Method
gene_names.matrix <- function(x) rownames(x)

#' @exportS3Method
gene_names.Matrix <- function(x) rownames(x)

#' @exportS3Method
gene_names.SummarizedExperiment <- function(x) {
  need_experiment()
  rownames(x)
}

#' @exportS3Method
gene_names.Seurat <- function(x) {
  need_seurat()
  assay <- x[[SeuratObject::DefaultAssay(x)]]
  if (!class(assay)[1] %in% c("Assay", "Assay5")) {
    canal_abort("class", "x", "a default assay of the class Assay or Assay5",
                paste("one of the class", class(assay)[1]),
                "Rename the matrix of counts, and make the object of it.")
  }
  rownames(assay)
}

#' @exportS3Method
with_symbols.character <- function(x, report) {
  structure(report$symbol[!is.na(report$symbol)], canal_symbols = report)
}

#' @exportS3Method
with_symbols.matrix <- function(x, report) renamed_rows(x, report)

#' @exportS3Method
with_symbols.Matrix <- function(x, report) renamed_rows(x, report)

renamed_rows <- function(x, report) {
  kept <- !is.na(report$symbol)
  x <- x[kept, , drop = FALSE]
  rownames(x) <- report$symbol[kept]
  attr(x, "canal_symbols") <- report
  x
}

#' @exportS3Method
with_symbols.SummarizedExperiment <- function(x, report) {
  kept <- !is.na(report$symbol)
  x <- x[kept, ]
  rownames(x) <- report$symbol[kept]
  with_cell_record(x, list(symbols = report))
}

#' @exportS3Method
with_symbols.Seurat <- function(x, report) {
  name <- SeuratObject::DefaultAssay(x)
  assay <- x@assays[[name]]
  x@assays[[name]] <- if (is_layered(assay)) {
    renamed_layers(assay, report)
  } else {
    renamed_assay(assay, report)
  }
  for (reduction in names(x@reductions)) {
    if (identical(SeuratObject::DefaultAssay(x@reductions[[reduction]]), name)) {
      x@reductions[[reduction]] <- renamed_loadings(x@reductions[[reduction]], report)
    }
  }
  with_cell_record(x, list(symbols = report))
}

# Slot by slot: Seurat's own functions make a new assay of counts alone.
renamed_assay <- function(assay, report) {
  for (slot in c("counts", "data", "scale.data", "meta.features")) {
    methods::slot(assay, slot) <- renamed_by_name(methods::slot(assay, slot), report)
  }
  assay@var.features <- symbols_of(assay@var.features, report)
  methods::validObject(assay)
  assay
}

# The layers of an Assay5 have no names of their own; its variable features have, in a column.
renamed_layers <- function(assay, report) {
  assay <- assay_of_genes(assay, report$gene[!is.na(report$symbol)])
  dimnames(assay) <- list(symbols_of(rownames(assay), report), colnames(assay))
  column <- assay@meta.data[["var.features"]]
  if (!is.null(column)) {
    assay@meta.data[["var.features"]] <- report$symbol[match(column, report$gene)]
  }
  methods::validObject(assay)
  assay
}

renamed_loadings <- function(reduction, report) {
  for (slot in c("feature.loadings", "feature.loadings.projected")) {
    methods::slot(reduction, slot) <- renamed_by_name(methods::slot(reduction, slot), report)
  }
  reduction
}

# A matrix or data frame of some of the genes, in any order.
renamed_by_name <- function(x, report) {
  if (!length(rownames(x))) return(x)
  symbols <- report$symbol[match(rownames(x), report$gene)]
  x <- x[!is.na(symbols), , drop = FALSE]
  rownames(x) <- symbols[!is.na(symbols)]
  x
}

symbols_of <- function(genes, report) {
  symbols <- report$symbol[match(genes, report$gene)]
  symbols[!is.na(symbols)]
}
# nolint end
