# Paths: of AnnData files (`.h5ad`), and of 10x folders, which cells-10x.R reads. What comes back
# for a path is a table of results: the file itself is never written to.

# The generics are in cells.R, where the linter does not look for them.
# nolint start: object_name_linter.

#' @exportS3Method
cells_of.character <- function(x, assay.type = "counts") {
  if (is_folder(x)) cells_in_folder(x, assay.type) else cells_in_h5ad(x, assay.type)
}

cells_in_h5ad <- function(x, assay.type) {
  layer <- h5ad_layer(x, assay.type)
  data <- about_h5ad(cpp_read_h5ad(path.expand(x), layer))
  cells_result(h5ad_counts(data$counts, data$genes, data$cells),
               obs_table(data$obs, length(data$cells)))
}

# The slots that the engine gives as a dgCMatrix.
h5ad_counts <- function(slots, genes, cells) {
  load_matrix()
  methods::new("dgCMatrix", p = as.integer(slots$p), i = as.integer(slots$i),
               x = as.double(slots$x), Dim = as.integer(slots$dims),
               Dimnames = list(as.character(genes), as.character(cells)))
}

# What the engine calls the matrix that `assay.type` means.
h5ad_layer <- function(x, assay.type) {
  check_h5ad_path(x)
  check_assay_type(assay.type)
  matrices <- about_h5ad(h5ad_matrices(path.expand(x)))
  # Files keep counts in a layer of that name or, more often, in X.
  if (assay.type == "counts" && !"counts" %in% matrices) assay.type <- "X"
  if (!assay.type %in% matrices) abort_assay(assay.type, matrices, "a matrix")
  assay.type
}

about_h5ad <- function(code) about_argument("x", "an AnnData file (.h5ad)", code, sys.call(-1))

# Names of the matrices in the order in which they are looked for.
h5ad_matrices <- function(path) {
  in_x <- "X" %in% cpp_list_names(path, "/")
  in_raw <- "X" %in% cpp_list_names(path, "raw")
  c(if (in_x) "X", if (in_raw) "raw/X", cpp_list_names(path, "layers"))
}

obs_table <- function(obs, n_cells) {
  if (!length(obs)) return(NULL)
  structure(obs, class = "data.frame", row.names = seq_len(n_cells))
}

#' @exportS3Method
cell_names.character <- function(x) cell_names(any_cells(x))

#' @exportS3Method
cell_columns.character <- function(x) cell_columns(any_cells(x))

# Names and columns of cells do not depend on the matrix, so any that is there will do.
any_cells <- function(x) {
  if (is_folder(x)) return(barcodes_alone(x))
  check_h5ad_path(x)
  matrices <- h5ad_matrices(path.expand(x))
  cells_of(x, if (length(matrices)) matrices[1] else "X")
}

#' @exportS3Method
with_cell_results.character <- function(x, findings) {
  # The file is not read again where the results tell whose they are.
  cells <- named_rows(findings$columns)
  if (is.null(cells)) cells <- named_rows(findings$embedding)
  if (is.null(cells)) cells <- cell_names(x)
  table_of_results(cells, length(cells), findings)
}

# Row names that were given; NULL where they are but numbers.
named_rows <- function(table) {
  if (is.data.frame(table) && .row_names_info(table) <= 0) NULL else rownames(table)
}

check_h5ad_path <- function(x) {
  if (length(x) != 1 || is.na(x)) {
    canal_abort("class", "x", "one path of an .h5ad file", sprintf("%d strings", length(x)))
  }
  if (is_folder(x)) {
    canal_abort("file", "x", "the path of an .h5ad file", sprintf("\"%s\", which is a folder", x),
                "canal_read_10x() reads the folders of Cell Ranger.")
  }
  if (!file.exists(path.expand(x))) {
    canal_abort("file", "x", "the path of an .h5ad file or a 10x folder",
                sprintf("\"%s\", which is no file", x),
                sprintf("Paths start from the working directory, %s.", getwd()))
  }
}
# nolint end
