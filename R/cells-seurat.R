# Seurat objects. Versions 3 and 4 keep one matrix each for counts, data and scale.data in an Assay;
# version 5 keeps any number of layers in an Assay5, and may have split the counts by batch into
# `counts.1`, `counts.2`, ...

# The generics are in cells.R, where the linter does not look for them.
# nolint start: object_name_linter.

#' @exportS3Method
cells_of.Seurat <- function(x, assay.type = "counts") {
  cells_result(joined_parts(cell_parts(x, assay.type)), cell_columns(x))
}

#' @exportS3Method
cell_parts.Seurat <- function(x, assay.type) {
  need_seurat()
  check_assay_type(assay.type)
  name <- SeuratObject::DefaultAssay(x)
  assay <- x[[name]]
  if (methods::is(assay, "SCTAssay")) warn_corrected(name)
  layers <- seurat_layers(assay)
  wanted <- matching_layers(layers, assay.type)
  if (!length(wanted)) {
    abort_assay(assay.type, layers, sprintf("a layer of the default assay (%s)", name),
                other_assays_hint(x, name))
  }
  list(parts = lapply(wanted, function(layer) seurat_layer(assay, layer)),
       genes = rownames(assay), cells = colnames(x))
}

#' @exportS3Method
cell_names.Seurat <- function(x) {
  need_seurat()
  colnames(x)
}

#' @exportS3Method
cell_columns.Seurat <- function(x) {
  need_seurat()
  x[[]]
}

#' @exportS3Method
cell_record.Seurat <- function(x) as.list(x@misc$canal)

# Names of the layers that hold anything.
seurat_layers <- function(assay) {
  if (is_layered(assay)) return(layer_function("Layers")(assay))
  slots <- c("counts", "data", "scale.data")
  slots[vapply(slots, function(slot) length(methods::slot(assay, slot)) > 0, NA)]
}

seurat_layer <- function(assay, layer) {
  if (is_layered(assay)) return(layer_function("LayerData")(assay, layer = layer))
  methods::slot(assay, layer)
}

# An Assay5 keeps its matrices in a list; the older kind, which version 5 has too, in slots.
is_layered <- function(assay) !methods::.hasSlot(assay, "counts")

# What came with SeuratObject 5 is looked up at run time, as version 4 lacks it.
layer_function <- function(name) {
  if (name %in% getNamespaceExports("SeuratObject")) {
    return(getExportedValue("SeuratObject", name))
  }
  canal_abort("package", "x", "SeuratObject 5 or later, for an assay with layers",
              paste("version", utils::packageVersion("SeuratObject")),
              "Update it with install.packages(\"SeuratObject\").")
}

# The layer of that name, or else those it was split into.
matching_layers <- function(layers, wanted) {
  if (wanted %in% layers) return(wanted)
  layers[startsWith(layers, paste0(wanted, "."))]
}

# An assay of some of its genes, which are in its order. Version 5's own subset() warns for every
# layer, and keeps all genes of a layer that has none of them, which is then no part of the assay.
assay_of_genes <- function(assay, genes) {
  if (is_layered(assay)) {
    put <- layer_function("LayerData<-")
    held <- methods::slot(assay, "features")[genes, , drop = FALSE]
    for (layer in colnames(held)[!colSums(held)]) assay <- put(assay, layer = layer, value = NULL)
  }
  withCallingHandlers(
    subset(assay, features = genes),
    warning = function(condition) {
      if (grepl("Different features in new layer", conditionMessage(condition), fixed = TRUE)) {
        invokeRestart("muffleWarning")
      }
    }
  )
}

# One genes x cells matrix from parts that hold different cells, and perhaps different genes: a gene
# that a part lacks was not counted there.
join_layers <- function(parts, genes, cells) {
  joined <- bind_cells(parts, genes)
  repeated <- unique(colnames(joined)[duplicated(colnames(joined))])
  missing <- setdiff(cells, colnames(joined))
  if (length(repeated) || length(missing)) {
    canal_abort("assay", "assay.type", "counts of each cell, once, in the default assay",
                if (length(missing)) {
                  sprintf("none for %d cells (%s)", length(missing), some_of(missing))
                } else {
                  sprintf("more than one column for %s", some_of(repeated))
                },
                "Choose another default assay, or subset() the object to the cells it covers.")
  }
  if (identical(colnames(joined), cells)) return(joined)
  to_its_end(joined[, cells, drop = FALSE])
}

warn_corrected <- function(name) {
  canal_warn("assay", "x", "raw counts",
             sprintf("those of its default assay %s, which SCTransform has corrected", name),
             "DefaultAssay(x) <- \"RNA\" chooses the raw ones, if that is their assay's name.",
             call = NULL)
}

other_assays_hint <- function(x, name) {
  others <- setdiff(SeuratObject::Assays(x), name)
  if (!length(others)) return(NULL)
  sprintf("Other assays are %s: choose one with DefaultAssay(x) <- \"%s\".", some_of(others),
          others[1])
}

# Genes that do not meet may be another assay's.
naming_assay <- function(x, code) {
  if (!methods::is(x, "Seurat")) return(code)
  tryCatch(code, canalR_error_overlap = function(error) {
    name <- SeuratObject::DefaultAssay(x)
    error$message <- paste0(error$message, "\nThe assay that was read is \"", name, "\". ",
                            other_assays_hint(x, name))
    stop(error)
  })
}

need_seurat <- function() need_package("SeuratObject", "x", "which `x` is an object of")
# nolint end
