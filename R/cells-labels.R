# Cell labels as a user gives them: the name of a column of cells, or a vector.

# One column of cells, as the object holds it. `argument` is the one the user named it with.
cell_column <- function(x, name, argument = "labels") {
  columns <- cell_columns(x)
  if (name %in% colnames(columns)) return(columns[[name]])
  canal_abort("labels", argument, "the name of a column of cells, or one label per cell",
              sprintf("\"%s\"; %s", name, describe_columns(columns)))
}

describe_columns <- function(columns, most = 20) {
  if (is.null(columns)) return("`x` has no columns of cells")
  if (!ncol(columns)) return("`x` has cells, but no columns")
  paste("the columns are", some_of(colnames(columns), most))
}

# The labels as text, one per cell. `labels`: the name of a column of `x`, or a vector in the order
# of the cells; one that is named by cell is matched by name. Unused levels of factors are gone.
# wanted: numbers of the cells that must have one; NULL: all.
labels_of <- function(x, labels, argument = "labels", wanted = NULL) {
  if (is.character(x) && is.null(dim(x))) x <- any_cells(x)
  names <- cell_names(x)
  columns <- cell_columns(x)
  n_cells <- if (is.null(names)) cell_count(x) else length(names)
  if (is_column_name(labels, columns, n_cells)) labels <- cell_column(x, labels, argument)
  labels_in_order(labels, names, n_cells, argument, wanted)
}

# A single string is one label only where there is one cell, and no such column.
is_column_name <- function(labels, columns, n_cells) {
  is.character(labels) && length(labels) == 1 && !is.na(labels) && is.null(names(labels)) &&
    (n_cells != 1 || labels %in% colnames(columns))
}

cell_count <- function(x) {
  if (inherits(x, "canal_cells")) return(ncol(x$counts))
  if (is_table(x)) nrow(x) else ncol(x)
}

labels_in_order <- function(labels, cells, n_cells, argument, wanted = NULL) {
  # Run-length encoded columns (Rle) are common in Bioconductor.
  if (methods::is(labels, "Rle") || methods::is(labels, "Factor")) labels <- as.vector(labels)
  check_label_vector(labels, argument)
  if (length(labels) != n_cells) {
    canal_abort("labels", argument, sprintf("one label for each of the %d cells", n_cells),
                sprintf("%d labels", length(labels)))
  }
  text <- label_text(labels)
  # NaN, of a column of numbers, would be a text; and an empty text names nothing.
  text[is.na(labels) | !nzchar(trimws(text))] <- NA
  place <- places_by_name(names(labels), cells, argument)
  if (!is.null(place)) text <- text[place]
  check_no_missing(text, cells, argument, wanted)
  text
}

# Labels as text, of numbers the same whatever their kind: as.character() makes 1e+05 of 100000, but
# of 100000L what it is.
label_text <- function(labels) {
  text <- as.character(labels)
  if (!is.double(labels) || is.object(labels)) return(text)
  short <- which(grepl("e", text, fixed = TRUE) & labels == round(labels) & abs(labels) < 1e15)
  text[short] <- sprintf("%.0f", labels[short])
  text
}

check_cells_and_labels <- function(x, labels) {
  check_given(x, "x", "cells")
  check_given(labels, "labels", "the name of a column of cells, or one label per cell")
}

# "T cell" beside "T_cell" or "t cell " is mostly one type under two names, and becomes two. new:
# types that a training meets for the first time.
warn_alike <- function(new, known = character()) {
  names <- c(known, new)
  alike <- split(names, gsub("[[:space:]_.]+", " ", trimws(tolower(names))))
  alike <- Filter(function(group) length(group) > 1 && any(group %in% new), alike)
  if (!length(alike)) return(invisible())
  pairs <- vapply(alike, function(group) paste0("\"", group, "\"", collapse = " and "), "")
  canal_warn("labels", "labels", "types that differ in more than case, spaces, `_` and `.`",
             some_of(pairs), "Each is a type of its own: where they mean one, rename them first.")
}

check_label_vector <- function(labels, argument) {
  if (!is.atomic(labels) || is.null(labels) || !is.null(dim(labels))) {
    canal_abort("labels", argument, "the name of a column of cells, or one label per cell",
                if (is.null(labels)) "none" else paste("an object of class", class(labels)[1]))
  }
  texts <- if (is.factor(labels)) levels(labels) else labels
  foreign <- if (is.character(texts)) which(!validEnc(texts))
  if (length(foreign)) {
    canal_abort("labels", argument, "labels that are text in this session's encoding",
                describe_name(texts[foreign[1]]), "iconv() brings them into another encoding.")
  }
}

# Labels named by cell (Seurat's Idents(), say) may be in another order than the cells: then places
# would be silently wrong. Names that are no cells mean nothing.
places_by_name <- function(names, cells, argument) {
  if (identical(names, cells)) return(NULL)
  if (!any(names %in% cells)) {
    warn_foreign_names(names, cells, argument)
    return(NULL)
  }
  place <- match(cells, names)
  if (!anyNA(place) && !anyDuplicated(names)) return(place)
  canal_abort("labels", argument, "names that are the cells', or none",
              sprintf("names without %s of the cells (%s)", sum(is.na(place)),
                      some_of(cells[is.na(place)])),
              "Put them in the order of the cells and remove the names with unname().")
}

# Cells of the same names but for a prefix or suffix are a common mistake, and may be in another
# order. Names that repeat are no cells': those of a table of clusters, by which labels were looked
# up.
warn_foreign_names <- function(names, cells, argument) {
  if (is.null(names) || is.null(cells) || anyDuplicated(names)) return(invisible())
  canal_warn("labels", argument, "names that are the cells', or none",
             sprintf("names of which none is a cell's (%s; cells are %s)", some_of(names),
                     some_of(cells)),
             "They were taken in the order of the cells. unname() says that this is meant.")
}

check_no_missing <- function(text, cells, argument, wanted) {
  missing <- which(is.na(text))
  if (!is.null(wanted)) missing <- intersect(missing, wanted)
  if (!length(missing)) return(invisible())
  which_ones <- if (is.null(cells)) paste("number", some_of(missing)) else some_of(cells[missing])
  canal_abort("labels", argument, "a label for every cell",
              sprintf("missing or empty ones for %d of %d cells (%s)", length(missing),
                      length(text), which_ones),
              "Leave those cells out, or label them.")
}
