# AnnData files.

# file: what cell_file() returns.
cells_in_h5ad <- function(file, assay.type) { # nolint: object_name_linter.
  layer <- h5ad_layer(file, assay.type)
  data <- about_cells(cpp_read_h5ad(file$path, layer), file$argument)
  cells_result(slot_counts(data$counts, data$genes, data$cells),
               obs_table(data$obs, length(data$cells)), others = setdiff(file$matrices, layer))
}

# What the engine calls the matrix that `assay.type` means.
h5ad_layer <- function(file, assay.type) { # nolint: object_name_linter.
  check_assay_type(assay.type)
  if (!length(file$matrices)) {
    canal_abort("assay", file$argument, "an AnnData file with a matrix",
                sprintf("\"%s\", which has none: no X, no raw/X and no layer", file$path))
  }
  # Files keep counts in a layer of that name or, more often, in X.
  if (assay.type == "counts" && !"counts" %in% file$matrices) assay.type <- "X"
  if (!assay.type %in% file$matrices) abort_assay(assay.type, file$matrices, "a matrix")
  assay.type
}

obs_table <- function(obs, n_cells) {
  if (!length(obs)) return(NULL)
  # What the file says of a column's encoding means nothing any more.
  columns <- lapply(obs, `attr<-`, "h5_attributes", NULL)
  structure(columns, class = "data.frame", row.names = seq_len(n_cells))
}
