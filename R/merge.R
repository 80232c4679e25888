#' Merge data sets into one
#'
#' Puts the cells of several sources side by side, with their genes matched by name: what is done
#' before training on pooled data. Everything stays sparse.
#'
#' Cells keep their names where no two sources share one; otherwise all get the source's name in
#' front (`source_cell`). Columns of cells are matched by name and are `NA` in a source without
#' them; a column that is a factor in one source and text in another, or of different kinds, becomes
#' text.
#'
#' Pooling is another thing than a stream of stages: [canal_train()] learns from one source after
#' the other and needs no earlier data. Genes that a source has not measured are zeros in the union,
#' which a model can mistake for a property of that source; `"intersection"` avoids that.
#'
#' @param x A list of sources: SingleCellExperiment, SummarizedExperiment or Seurat objects,
#'   matrices or dgCMatrices (genes x cells, raw counts), paths of `.h5ad` files, of 10x `.h5` files
#'   or folders; or a character vector of paths. Its names are the sources' names; without, a path's
#'   file name or `source1`, `source2`, ...
#' @param genes `"union"`: every gene of any source, zero where a source lacks it, in the order in
#'   which they first come. `"intersection"`: the genes that all sources have, in the order of the
#'   first.
#' @param source Name of the new column that tells the source.
#' @param as What to return: `"SingleCellExperiment"` or `"Seurat"` (the package of that name is
#'   needed), or `"list"`: `counts` (dgCMatrix, genes x cells) and `cells` (data frame).
#' @param assay.type Name of the assay (Seurat: layer, which may be split; `.h5ad`: layer, or `"X"`;
#'   10x `.h5` of several genomes: one of them) with raw counts.
#'   One for all sources, or one for each.
#' @param verbose `TRUE` shows progress and says what is done; `FALSE` does neither. Warnings come
#'   either way. Told is what was merged, and which
#'   columns of cells were left out.
#'
#' @return The merged cells in the order of the sources, with a column `source` (a factor) after the
#'   joined columns of cells.
#' @section Errors: `canalR_error_empty` for no source, or an intersection without genes,
#'   `canalR_error_duplicates` for cells of one source with the same name, `canalR_error_argument`
#'   where the column `source` is taken, `canalR_error_package`, and those of a source's class as in
#'   [canal_prepare()]. Warning: `canalR_warning_duplicates` for genes with the same name in a
#'   source, of which the first is used.
#' @source TransAnno-Net's preparation, which merges its sources first.
#' @examples
#' counts <- function(genes, cells) {
#'   matrix(rpois(length(genes) * cells, 3), length(genes),
#'          dimnames = list(genes, paste0("cell", seq_len(cells))))
#' }
#' merged <- canal_merge(list(lung = counts(c("A", "B", "C"), 4), liver = counts(c("B", "D"), 3)),
#'                       as = "list")
#' merged$counts
#' merged$cells
#' @export
canal_merge <- function(x, genes = c("union", "intersection"), source = "source",
                        as = c("SingleCellExperiment", "Seurat", "list"), assay.type = "counts",
                        verbose = TRUE) {
  if (missing(genes)) genes <- genes[1]
  check_choice(genes, c("union", "intersection"), "genes")
  if (missing(as)) as <- as[1]
  check_choice(as, c("SingleCellExperiment", "Seurat", "list"), "as")
  check_flag(verbose, "verbose")
  check_source(source)
  parts <- read_sources(x, assay.type, verbose)
  merged_genes <- joined_genes(parts, genes)
  names <- unique_cell_names(parts)
  counts <- bind_cells(lapply(parts, `[[`, "counts"), merged_genes)
  colnames(counts) <- unlist(names, use.names = FALSE)
  columns <- told(joined_columns(parts, colnames(counts), source), verbose)
  canal_inform("merge", sprintf(
    "%d sources merged: %s cells x %s genes (%s); %s genes are in all of them.", length(parts),
    thousands(ncol(counts)), thousands(nrow(counts)), genes,
    thousands(length(joined_genes(parts, "intersection", need_some = FALSE)))
  ), verbose)
  merged_object(counts, columns, as)
}

# A named list of canal_cells.
check_source <- function(source) {
  if (!is.character(source) || length(source) != 1 || is.na(source) || !nzchar(source)) {
    canal_abort("argument", "source", "the name of a column", describe_value(source))
  }
}

read_sources <- function(x, assay.type, verbose) {
  sources <- as_sources(x)
  if (!length(sources)) {
    canal_abort("empty", "x", "a list of at least one source", "an empty one")
  }
  if (!is.character(assay.type) || !length(assay.type) %in% c(1, length(sources))) {
    canal_abort("argument", "assay.type", sprintf("one name, or %d", length(sources)),
                describe_value(assay.type))
  }
  cells <- told(Map(cells_of, unname(sources), rep_len(assay.type, length(sources))), verbose)
  for (part in cells) {
    check_table(dim(part$counts), rownames(part$counts), colnames(part$counts))
  }
  stats::setNames(cells, source_names(sources))
}

source_names <- function(sources) {
  names <- names(sources)
  if (is.null(names)) names <- character(length(sources))
  for (i in which(is.na(names) | !nzchar(names))) {
    path <- is.character(sources[[i]])
    names[i] <- if (path) sub("[.]h5(ad)?$", "", basename(sources[[i]])) else paste0("source", i)
  }
  make.unique(names)
}

joined_genes <- function(parts, how, need_some = TRUE) {
  symbols <- lapply(parts, function(part) unique(rownames(part$counts)))
  joined <- Reduce(if (how == "union") union else intersect, symbols)
  if (!length(joined) && need_some) {
    canal_abort("empty", "x", "sources that have genes in common", "none",
                "Do they name genes in the same way? `genes = \"union\"` keeps all.")
  }
  joined
}

# Names of the cells by source.
unique_cell_names <- function(parts) {
  names <- lapply(parts, function(part) colnames(part$counts))
  if (!anyDuplicated(unlist(names))) return(names)
  prefixed <- Map(paste, names(parts), names, MoreArgs = list(sep = "_"))
  # "a" with "b_c" and "a_b" with "c" are one name.
  relist <- make.unique(unlist(prefixed, use.names = FALSE))
  split(relist, rep(factor(names(parts), names(parts)), lengths(prefixed)))
}

# The columns of all sources below one another, and the source.
joined_columns <- function(parts, cells, source) {
  tables <- lapply(parts, plain_columns)
  wanted <- unique(unlist(lapply(tables, names)))
  if (!is.character(source) || length(source) != 1 || is.na(source) || source %in% wanted) {
    canal_abort("argument", "source", "the name of a column that no source has",
                describe_value(source))
  }
  columns <- lapply(stats::setNames(wanted, wanted), function(name) {
    join_column(lapply(tables, `[[`, name), vapply(tables, nrow, 0L))
  })
  origin <- factor(rep(names(parts), vapply(tables, nrow, 0L)), names(parts))
  columns[[source]] <- origin
  left_out <- setdiff(unlist(lapply(parts, function(part) colnames(part$obs))), wanted)
  if (length(left_out)) {
    canal_inform("columns", sprintf("Columns left out that have more than a value per cell: %s.",
                                    some_of(left_out)))
  }
  structure(columns, class = "data.frame", row.names = cells)
}

# Columns that are vectors, a row per cell. Matrices in columns have no place in a table.
plain_columns <- function(part) {
  n_cells <- ncol(part$counts)
  names <- as.character(colnames(part$obs))
  columns <- lapply(stats::setNames(names, names), function(name) {
    column <- part$obs[[name]]
    if (methods::is(column, "Rle") || methods::is(column, "Factor")) as.vector(column) else column
  })
  plain <- vapply(columns, function(column) is.atomic(column) && is.null(dim(column)), NA)
  structure(columns[plain], class = "data.frame", row.names = seq_len(n_cells))
}

# values: a column of each source, NULL where it lacks it. sizes: the sources' cells.
join_column <- function(values, sizes) {
  # What nobody has a value of has no kind.
  without <- vapply(values, function(column) is.logical(column) && all(is.na(column)), NA)
  values[without] <- list(NULL)
  there <- values[lengths(values) > 0]
  if (!length(there)) return(rep(NA, sum(sizes)))
  kinds <- unique(vapply(there, column_kind, ""))
  as_text <- length(kinds) > 1 || kinds == "factor"
  # By its own class's `[`, so that dates come to dates.
  missing <- if (as_text) NA_character_ else there[[1]][NA_integer_]
  filled <- Map(function(column, size) {
    if (is.null(column)) return(rep(missing, size))
    if (as_text) as.character(column) else column
  }, values, sizes)
  joined <- do.call(c, unname(filled))
  if (identical(kinds, "factor")) factor(joined, unique(unlist(lapply(there, levels)))) else joined
}

# Columns of one kind stay what they are; others are put together as text.
column_kind <- function(column) {
  if (is.factor(column)) return("factor")
  if (is.object(column)) return(class(column)[1])
  if (is.numeric(column)) "number" else typeof(column)
}

merged_object <- function(counts, columns, as) {
  if (as == "list") return(list(counts = counts, cells = columns))
  object_of(counts, columns, as)
}
