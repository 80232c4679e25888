# Pictures, as ggplot2 objects: print them, change them, save them with ggplot2::ggsave(). Here is
# what they have in common: colours, order and names of types, theme, captions. A file per topic has
# the rest.

# `.data` is what ggplot2 calls the plotted table inside aes().
utils::globalVariables(".data")

#' Pictures of evaluations, streams, trainings and genes
#'
#' `plot()` of a [canal_evaluate()] result shows the confusion matrix: a row per true type, a column
#' per label, coloured by the share of the row, with the numbers of cells. `plot()` of a
#' [canal_stream()] shows the accuracy on each stage's held-out cells over the stages, their
#' average, and what was forgotten. `plot()` of a model shows how it was trained: losses, accuracy
#' and learning rate by epoch. `plot()` of a [canal_gene_importance()] shows each type's genes.
#'
#' Colours differ in lightness, and lines in shape too, so that colour-blind eyes and grey printers
#' tell them apart. Pictures of a few types are made for 18 x 12 cm, those of 60 types for
#' 24 x 18 cm. In a confusion matrix of many types, or of long names, rows are numbered, and columns
#' have the numbers of their rows; a type that is only a label has an empty row. A tile that is not
#' white has at least one cell.
#'
#' @param x A `canal_evaluation` (see [canal_evaluation()]), a `canal_stream`, a
#'   [CanalModel-class], a [CellularModel-class] or a `canal_importance`.
#' @param ... Not used.
#'
#' @return A ggplot2 object.
#' @section Errors: `canalR_error_package` where ggplot2 is not installed, `canalR_error_empty` for
#'   an evaluation of no cells, `canalR_error_stages` for a model without epochs of that part,
#'   `canalR_error_argument` for other arguments or values out of range.
#' @source The measures: [canal_evaluate()], [canal_stream()], [canal_gene_importance()]. The
#'   pictures are canalR's own.
#' @seealso [canal_plot_scores()], [canal_plot_novelty()], [canal_plot_flow()] and
#'   [canal_plot_embedding()] for annotated cells.
#' @examplesIf requireNamespace("ggplot2", quietly = TRUE)
#' evaluation <- canal_evaluate(c("alpha", "beta", "beta"), c("alpha", "beta", "alpha"))
#' plot(evaluation)
#' plot(canal_pretrained("compact"))
#' @name canal-plots
NULL

need_ggplot <- function() need_package("ggplot2", "x", "which draws the plots")

# Okabe and Ito's colours, for the few lines or bars of a picture. The yellow is left out: it is
# too light for a line on white.
line_colours <- c("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

# The same, and then those that lie farthest from all before them, the smallest of the distances in
# OKLab that normal, deuteranopic and protanopic eyes see; without pale, dark and greyish ones.
dot_colours <- c(
  line_colours, "#8C0019", "#7FE5BF", "#0000FF", "#721972", "#727FFF", "#8C4C66", "#2633B2",
  "#B23300", "#00CC7F", "#7FD8FF", "#4CF266", "#33CCBF", "#D80CCC", "#72334C", "#CC2699",
  "#5959FF", "#F24C66", "#CC3F3F", "#6699F2", "#8C337F", "#F2723F", "#FF9972", "#5972D8",
  "#00A5BF", "#2600D8", "#FFB200", "#993333", "#A55972", "#3FD8A5", "#4C338C", "#33CCE5",
  "#33BF99", "#7FD8D8", "#F266CC", "#007F99", "#594CB2", "#26F299", "#597F4C", "#723F99",
  "#E53399", "#B2B259", "#00A53F", "#990C66", "#663FE5", "#26597F", "#72BFFF", "#CC727F",
  "#33E53F", "#9972B2", "#0C8CE5", "#BF9966", "#991900", "#7FA5FF", "#A500CC"
)

# From nothing to everything.
share_colours <- c("white", "#9ECAE1", "#3182BD", "#08306B")

# What stands for cells that have no label at all, in pictures alone.
no_label <- "no label"

# Labels as a factor: types in their own order (a factor's) or the alphabet's, then "Unassigned" and
# what is NA, always last.
with_type_levels <- function(labels) {
  text <- as.character(labels)
  types <- if (is.factor(labels)) levels(droplevels(labels)) else sort(unique(text))
  text[is.na(text)] <- no_label
  last <- intersect(c(unassigned_label, no_label), text)
  factor(text, c(setdiff(types, c(unassigned_label, no_label)), last))
}

# A colour per name. Beyond 60 types they come round again, which labels in the picture make up for.
type_colours <- function(types) {
  greys <- c("grey55", "grey80")
  names(greys) <- c(unassigned_label, no_label)
  known <- setdiff(types, names(greys))
  c(stats::setNames(rep_len(dot_colours, length(known)), known), greys)[types]
}

as_percent <- function(shares) sprintf("%g %%", round(100 * shares, 1))

# "1,204 cells"
cells_text <- function(number) paste(thousands(number), ifelse(number == 1, "cell", "cells"))

# Sentences under a picture, in lines that fit into 18 cm.
caption_of <- function(..., width = 95) {
  text <- paste(c(...), collapse = " ")
  if (nzchar(text)) paste(strwrap(text, width), collapse = "\n")
}

# Names that are too long lose their middle: the ends are what tells such names apart.
shorten_middle <- function(names, most) {
  half <- (most - 3) / 2
  short <- paste0(substr(names, 1, ceiling(half)), "...",
                  substr(names, nchar(names) - floor(half) + 1, nchar(names)))
  ifelse(nchar(names) > most, short, names)
}

picture_theme <- function() {
  ggplot2::theme_bw(base_size = 11) + ggplot2::theme(
    panel.grid.minor = ggplot2::element_blank(),
    panel.grid.major = ggplot2::element_line(colour = "grey92"),
    axis.text = ggplot2::element_text(colour = "black"),
    strip.background = ggplot2::element_blank(),
    strip.text = ggplot2::element_text(hjust = 0, margin = ggplot2::margin(2, 0, 3, 0)),
    legend.key = ggplot2::element_blank(),
    plot.caption = ggplot2::element_text(hjust = 0, colour = "grey25"),
    plot.caption.position = "plot"
  )
}

# Names of the rows and columns of a table of types, named by type. Upright names of many types, or
# long ones, leave the table no room: then rows are numbered, and a column has its row's number.
# cells: numbers of cells that go with the rows' names or the columns', named by type.
table_names <- function(rows, columns, cells, in_rows = TRUE) {
  counted <- function(types) {
    ifelse(types %in% names(cells), sprintf("%s (%s)", types, thousands(cells[types])), types)
  }
  numbered <- has_numbers(columns)
  place <- if (numbered) as.character(match(columns, rows)) else rep(NA, length(columns))
  row_names <- in_lines(if (in_rows || any(!is.na(place))) counted(rows) else rows)
  if (any(!is.na(place))) row_names <- sprintf("%s  %d", row_names, seq_along(rows))
  column_names <- if (in_rows) columns else counted(columns)
  list(rows = stats::setNames(row_names, rows),
       columns = stats::setNames(ifelse(is.na(place), column_names, place), columns))
}

has_numbers <- function(columns) length(columns) > 25 || max(nchar(columns), 0) > 20

# Few long names, such as those of the Cell Ontology, are written in lines of this width.
in_lines <- function(names, width = 40, most = 20) {
  if (length(names) > most) return(names)
  vapply(names, function(name) paste(strwrap(name, width), collapse = "\n"), "", USE.NAMES = FALSE)
}

# How many lines the longest of the names has.
most_lines <- function(names) max(lengths(strsplit(names, "\n", fixed = TRUE)), 1)

# In points: what leaves so many names room in a picture of 12 cm, and takes no more than `length`
# of it; a letter is about 0.55 of its size wide. Below 5 points nobody can read them.
name_text_size <- function(names, length = 200) {
  lines <- unlist(strsplit(names, "\n", fixed = TRUE))
  max(5, min(10, 280 / (length(names) * most_lines(names)),
             length / (0.55 * max(nchar(lines), 1))))
}

# names: of table_names().
table_theme <- function(names) {
  text <- function(names, length, ...) {
    ggplot2::element_text(size = name_text_size(names, length), colour = "black", ...)
  }
  ggplot2::theme_minimal(base_size = 11) + ggplot2::theme(
    axis.text.y = text(names$rows, 200),
    axis.text.x.top = text(names$columns, 120, angle = 90, hjust = 0, vjust = 0.5),
    panel.grid = ggplot2::element_blank(),
    plot.caption = ggplot2::element_text(hjust = 0, colour = "grey25"),
    plot.caption.position = "plot",
    plot.background = ggplot2::element_rect(fill = "white", colour = NA)
  )
}

# A column that canalR writes, or an error that says what writes it.
written_column <- function(x, column, hint) {
  columns <- cell_columns(x)
  if (!is.null(columns) && column %in% colnames(columns)) {
    values <- columns[[column]]
    # Run-length encoded columns are common in Bioconductor.
    return(if (methods::is(values, "Rle")) as.vector(values) else values)
  }
  canal_abort("prediction", "x", paste("cells with a column", column), describe_columns(columns),
              hint)
}

writes_labels <- function(prefix) {
  sprintf("%s_predict(..., prefix = \"%s\") writes it.", method_of(prefix), prefix)
}

# Which of the two families of functions a prefix most likely is of, for hints.
method_of <- function(prefix) if (startsWith(prefix, "cellular")) "cellular" else "canal"

check_one_name <- function(name, argument = "prefix") {
  if (is.character(name) && length(name) == 1L && !is.na(name) && nzchar(name)) {
    return(invisible(name))
  }
  canal_abort("argument", argument, "one name", describe_value(name))
}

# What is left with the object about the prediction of that prefix: a list, empty without.
prediction_record <- function(x, prefix) as.list(cell_record(x)[[prefix]]$prediction)
