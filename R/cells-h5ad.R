# AnnData files.

# file: what cell_file() returns.
cells_in_h5ad <- function(file, assay.type) { # nolint: object_name_linter.
  layer <- h5ad_layer(file, assay.type)
  data <- about_cells(cpp_read_h5ad(file$path, layer), file$argument)
  cells_result(slot_counts(data$counts, data$genes, data$cells),
               obs_table(data$obs, length(data$cells)))
}

# What the engine calls the matrix that `assay.type` means.
h5ad_layer <- function(file, assay.type) { # nolint: object_name_linter.
  check_assay_type(assay.type)
  # Files keep counts in a layer of that name or, more often, in X.
  if (assay.type == "counts" && !"counts" %in% file$matrices) assay.type <- "X"
  if (!assay.type %in% file$matrices) abort_assay(assay.type, file$matrices, "a matrix")
  assay.type
}

obs_table <- function(obs, n_cells) {
  if (!length(obs)) return(NULL)
  structure(obs, class = "data.frame", row.names = seq_len(n_cells))
}
