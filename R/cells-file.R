# Paths: of AnnData files (`.h5ad`), of Cell Ranger's matrices (`.h5`) and of 10x folders. What
# comes back for a path is a table of results: the file itself is never written to. What each kind
# has of its own is in cells-h5ad.R, cells-10x-h5.R and cells-10x.R.

# The generics are in cells.R, where the linter does not look for them.
# nolint start: object_name_linter.

#' @exportS3Method
cells_of.character <- function(x, assay.type = "counts") {
  if (is_folder(x)) return(cells_in_folder(x, assay.type))
  file <- cell_file(x)
  if (file$format == "10x") cells_in_10x_file(file, assay.type) else cells_in_h5ad(file, assay.type)
}

#' @exportS3Method
cell_names.character <- function(x) cell_names(any_cells(x))

#' @exportS3Method
cell_columns.character <- function(x) cell_columns(any_cells(x))

# Names and columns of cells do not depend on the matrix, so any that is there will do.
any_cells <- function(x) {
  if (is_folder(x)) return(barcodes_alone(x))
  file <- cell_file(x)
  if (file$format == "10x") return(cells_alone(barcodes_in_file(file)))
  cells_in_h5ad(file, if (length(file$matrices)) file$matrices[1] else "X")
}

# Cells of which nothing but the names is known: a matrix without rows.
cells_alone <- function(names) {
  load_matrix()
  cells_result(methods::new("dgCMatrix", p = integer(length(names) + 1), Dim = c(0L, length(names)),
                            Dimnames = list(character(), names)), NULL)
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

# Files -------------------------------------------------------------------------------------------

# What a file is, told by its content: list(path, format, matrices, argument). format: "h5ad" or
# "10x". argument: what the user named the file with.
cell_file <- function(x, argument = "x") {
  check_cell_path(x, argument)
  path <- path.expand(x)
  c(path = path, about_cells(cpp_cell_file(path), argument), argument = argument)
}

about_cells <- function(code, argument = "x") {
  about_argument(argument, "an AnnData file (.h5ad) or a matrix of Cell Ranger's (.h5)", code)
}

# What a file tells of its cells without their counts: `path` and `layer`, the names that the engine
# knows the matrix by, `genes`, `cells`, `values` (how many are stored), `by_cells` (whether it can
# be read in blocks of cells), and `rows`, those of the matrix that are genes (NULL: all). Of a 10x
# file `ids` and `types` of the genes, empty where none are told; of an .h5ad `others`, the names of
# its other matrices.
cell_header <- function(file, assay.type) {
  layer <- if (file$format == "10x") genome_of(file, assay.type) else h5ad_layer(file, assay.type)
  header <- about_cells(cpp_cell_header(file$path, layer), file$argument)
  header$rows <- gene_rows(header$types, file$argument)
  if (!is.null(header$rows)) {
    of_genes <- c("genes", "types", if (length(header$ids)) "ids")
    header[of_genes] <- lapply(header[of_genes], `[`, header$rows)
  }
  if (file$format == "h5ad") header$others <- setdiff(file$matrices, layer)
  c(file[c("path", "argument")], layer = layer, header)
}

# slots: those of some cells, as the engine gives them. A dgCMatrix, genes x cells.
header_counts <- function(slots, header, cells = header$cells) {
  genes <- header$genes
  if (is.null(header$rows)) return(slot_counts(slots, genes, cells))
  counts <- to_its_end(slot_counts(slots, NULL, cells)[header$rows, , drop = FALSE])
  rownames(counts) <- genes
  counts
}

slot_counts <- function(slots, genes, cells) {
  load_matrix()
  methods::new("dgCMatrix", p = as.integer(slots$p), i = as.integer(slots$i),
               x = as.double(slots$x), Dim = as.integer(slots$dims),
               Dimnames = list(if (!is.null(genes)) as.character(genes), as.character(cells)))
}

check_cell_path <- function(x, argument) {
  if (length(x) != 1 || is.na(x)) {
    canal_abort("class", argument, "one path of an .h5ad file, a 10x .h5 file or a 10x folder",
                sprintf("%d strings", length(x)))
  }
  if (is_folder(x)) {
    canal_abort("file", argument, "the path of an .h5ad file",
                sprintf("\"%s\", which is a folder", x),
                "canal_read_10x() reads the folders of Cell Ranger.")
  }
  if (!file.exists(path.expand(x))) {
    canal_abort("file", argument, "the path of an .h5ad file, a 10x .h5 file or a 10x folder",
                sprintf("\"%s\", which is no file", x),
                sprintf("Paths start from the working directory, %s.", getwd()))
  }
}
# nolint end
