#' Compare predicted labels with the truth
#'
#' Accuracy, macro F1, adjusted Rand index, confusion matrix, and, where the truth holds types that
#' the model did not know, the accuracy on known and on unknown types with their harmonic mean
#' (H-score).
#'
#' @param x What [canal_predict()] returned (a SingleCellExperiment or SummarizedExperiment, a
#'   Seurat object, or a `DataFrame`, with the column `canal_label`), the same as a data frame or
#'   tibble (a table read back from a file), or a vector of predicted labels, `NA` for cells
#'   without.
#' @param truth The true cell types: the name of a column of `x`, or a vector with one label per
#'   cell (matched by name where it is named by cell).
#' @param novel The cell types that the model did not know, by name. For their cells, and for cells
#'   whose truth is "Unassigned", the label "Unassigned" is the right one, and no other. `NULL`:
#'   none.
#' @param predicted The column of predicted labels: `"cellular_label"` of [cellular_predict()], say,
#'   or another method's.
#' @param score How novel each cell looks, higher for cells of unknown types: the name of a column,
#'   or a vector with one number per cell in their order, `NA` for cells without. `NULL` takes
#'   `<prefix>_novelty` beside a `predicted` column `<prefix>_label`, where there is one.
#' @param verbose `TRUE` shows progress and says what is done; `FALSE` does neither. Warnings come
#'   either way.
#'
#' @details
#' With C cells, all shares in 0..1:
#' * `accuracy`: cells with the right label / C.
#' * `macro_f1`: mean over the types in the truth of F1 = 2 hits / (cells of the type + cells called
#'   so), which is 0 for a type that was never predicted. All novel types count as one,
#'   "Unassigned".
#' * `ari`: adjusted Rand index of both partitions, novel types taken as one; 1 where both
#'   partitions are the same, also if all cells are of one type.
#' * `known_accuracy`, `unknown_accuracy`: the accuracy over cells of known and of novel types.
#' * `h_score`: their harmonic mean, 0 where both are 0.
#' * `auroc`: area under the ROC curve of `score`, the chance that a cell of a novel type has a
#'   higher one than a cell of a known type, equal scores counting half; 0.5 is guessing. Cells
#'   without a score are left out. No threshold enters it.
#'
#' A cell without prediction (left out because too few genes were detected) counts as wrong
#' everywhere, and as a group of its own in `ari`; how many there are is told in `left_out`. What
#' has no cells to be computed from is `NA`: everything for no cells, `ari` for one cell,
#' `unknown_accuracy`, `h_score` and `auroc` without cells of novel types, `auroc` without scores.
#'
#' @return For a vector, a `canal_evaluation`: a list of `cells`, `accuracy`, `macro_f1`, `ari`,
#'   `known_accuracy`, `unknown_accuracy`, `h_score`, `auroc`, `left_out` and `unassigned` (numbers
#'   of cells), `novel`, `confusion` (integer matrix of counts, truth x predicted, without the cells
#'   left out) and `by_type` (data frame: `type`, `cells`, `predicted`, `precision`, `recall`, `f1`,
#'   `left_out`). For an object, the object with the evaluation in its record, from where
#'   [canal_evaluation()] takes it, and a message with the main numbers. A prediction that writes
#'   the same column ends it; after any other change of labels or cells [canal_evaluation()] warns.
#'
#' @section Errors:
#' `canalR_error_labels` for a truth of another length, an unknown column or missing labels;
#' `canalR_error_prediction` where `x` holds no such column; `canalR_error_class` for another kind
#' of `x`; `canalR_error_argument` for a `novel` that is no character vector, or a `score` that is
#' no column and no number per cell.
#'
#' @source Wan et al. (2024) Continually adapting pre-trained language model to universal annotation
#'   of single-cell RNA-seq data. *Briefings in Bioinformatics* 25:bbae047, for the measures; Hubert
#'   and Arabie (1985) Comparing partitions. *Journal of Classification* 2:193, for the adjusted
#'   Rand index; Hanley and McNeil (1982) The meaning and use of the area under a receiver operating
#'   characteristic (ROC) curve. *Radiology* 143:29, for `auroc`.
#'
#' @seealso [canal_evaluation()] to get an evaluation out of an object.
#' @examples
#' predicted <- c("alpha", "beta", "beta", "Unassigned", "alpha", NA)
#' truth <- c("alpha", "beta", "beta", "ductal", "ductal", "beta")
#' evaluation <- canal_evaluate(predicted, truth, novel = "ductal")
#' evaluation
#' evaluation$confusion
#' as.data.frame(evaluation)
#'
#' # in an object: here the table that canal_predict() returns for a matrix
#' prediction <- S4Vectors::DataFrame(canal_label = predicted, cell_type = truth)
#' prediction <- canal_evaluate(prediction, "cell_type", novel = "ductal")
#' canal_evaluation(prediction)$accuracy
#' @export
canal_evaluate <- function(x, truth, novel = NULL, predicted = "canal_label", score = NULL,
                           verbose = TRUE) {
  check_flag(verbose, "verbose")
  told(evaluated(x, truth, check_novel(novel), predicted, score), verbose)
}

evaluated <- function(x, truth, novel, predicted, score) {
  if (is_label_vector(x)) {
    truth <- labels_in_order(truth, names(x), length(x), "truth")
    if (!is.null(score)) score <- check_scores(score, length(x))
    return(evaluate_labels(label_text(x), truth, novel, score))
  }
  truth <- labels_of(x, truth, "truth")
  labels <- predicted_labels(x, predicted)
  evaluation <- evaluate_labels(labels, truth, novel, novelty_scores(x, score, predicted))
  canal_inform("evaluation", headline(evaluation))
  record <- without_evaluations(cell_record(x)[c("evaluation", "evaluated")], predicted)
  # The latest stands last.
  with_cell_record(x, list(
    evaluation = c(record$evaluation, stats::setNames(list(evaluation), predicted)),
    evaluated = c(record$evaluated, stats::setNames(list(labels_seen(labels, cell_names(x))),
                                                    predicted))
  ))
}

# What tells later whether labels are still those that were evaluated: how many, and two digests, as
# cells may be put in another order or get other names.
labels_seen <- function(labels, cells) {
  text <- as.character(ifelse(is.na(labels), "", paste0("=", labels)))
  digest <- function(text) cpp_digest(writeBin(enc2utf8(text), raw()))
  list(cells = length(labels), in_order = digest(text),
       by_name = if (!is.null(cells)) {
         digest(sort(enc2utf8(paste0(cells, text)), method = "radix"))
       })
}

# Warns where an evaluation is of other labels than those that are there now.
warn_outdated <- function(x, column, evaluation, seen) {
  got <- label_changes(x, column, evaluation, seen)
  if (is.null(got)) return(invisible())
  canal_warn("evaluation", "x", sprintf("the labels that were evaluated (%s)", column), got,
             "canal_evaluate() evaluates those that are there now.")
}

# NULL where there are none. seen: of labels_seen(), NULL where an older version evaluated.
label_changes <- function(x, column, evaluation, seen) {
  columns <- cell_columns(x)
  if (!column %in% colnames(columns)) return("cells without that column")
  labels <- label_text(columns[[column]])
  if (length(labels) != evaluation$cells) {
    return(sprintf("%s, where %s were evaluated", cells_text(length(labels)),
                   thousands(evaluation$cells)))
  }
  if (is.null(seen)) return(NULL)
  now <- labels_seen(labels, cell_names(x))
  named <- !is.null(seen$by_name) && identical(now$by_name, seen$by_name)
  if (!named && now$in_order != seen$in_order) "others, or other cells"
}

is_label_vector <- function(x) is.atomic(x) && !is.null(x) && is.null(dim(x))

check_novel <- function(novel) {
  if (is.null(novel)) return(character())
  if (is.factor(novel)) novel <- as.character(novel)
  if (!is.character(novel) || anyNA(novel)) {
    canal_abort("argument", "novel", "names of cell types, or NULL", describe_name(novel))
  }
  # The answer to unknown types, not one of them.
  setdiff(novel, unassigned_label)
}

check_predicted <- function(column) {
  if (!is.character(column) || length(column) != 1 || is.na(column)) {
    canal_abort("argument", "predicted", "the name of a column", describe_value(column))
  }
}

predicted_labels <- function(x, column = "canal_label") {
  check_predicted(column)
  columns <- cell_columns(x)
  if (!is.null(columns) && column %in% colnames(columns)) return(label_text(columns[[column]]))
  canal_abort("prediction", "x", paste("cells with a column", column), describe_columns(columns),
              paste0(if (column == "canal_label") "canal_predict() adds it; ",
                     "`predicted =` names the column of other labels."))
}

# A number per cell, NA for none; NULL where nobody named any and there are none.
novelty_scores <- function(x, score, predicted) {
  columns <- cell_columns(x)
  if (is.null(score)) score <- score_beside(predicted, colnames(columns))
  if (is.null(score)) return(NULL)
  if (is.character(score) && length(score) == 1 && score %in% colnames(columns)) {
    score <- columns[[score]]
  }
  check_scores(score, NROW(columns))
}

# "canal_novelty" of "canal_label", if there is one.
score_beside <- function(predicted, columns) {
  name <- sub("_label$", "_novelty", predicted)
  if (name != predicted && name %in% columns) name
}

check_scores <- function(score, n_cells) {
  if (methods::is(score, "Rle")) score <- as.vector(score)
  fits <- is.atomic(score) && is.null(dim(score)) && length(score) == n_cells
  if (fits && (is.numeric(score) || all(is.na(score)))) return(as.numeric(score))
  canal_abort("argument", "score", sprintf("a column, or one number for each of %d cells", n_cells),
              describe_value(score))
}

evaluate_labels <- function(predicted, truth, novel, score = NULL) {
  absent <- setdiff(novel, truth)
  if (length(absent) && length(truth)) {
    canal_inform("evaluation", sprintf("No cell of the truth is of the novel type %s.",
                                       some_of(absent)))
  }
  unknown <- truth %in% c(novel, unassigned_label)
  right <- ifelse(unknown, unassigned_label, truth)
  known_accuracy <- accuracy_of(right[!unknown], predicted[!unknown])
  unknown_accuracy <- accuracy_of(right[unknown], predicted[unknown])
  types <- c(sort(unique(right[!unknown])), if (any(unknown)) unassigned_label)
  structure(class = "canal_evaluation", list(
    cells = length(truth), accuracy = accuracy_of(right, predicted),
    macro_f1 = macro_f1_of(right, predicted), ari = adjusted_rand_of(right, predicted),
    known_accuracy = known_accuracy, unknown_accuracy = unknown_accuracy,
    h_score = h_score_of(known_accuracy, unknown_accuracy),
    auroc = auroc_of(score[!is.na(score)], unknown[!is.na(score)]),
    left_out = sum(is.na(predicted)), unassigned = sum(predicted %in% unassigned_label),
    novel = novel, confusion = confusion_of(truth, predicted, novel),
    by_type = type_scores(right, predicted, types)
  ))
}

# "accuracy 0.951, macro F1 0.902, ARI 0.911 (1,204 cells)"
headline <- function(evaluation) {
  measures <- sprintf("accuracy %s, macro F1 %s, ARI %s", share(evaluation$accuracy),
                      share(evaluation$macro_f1), share(evaluation$ari))
  if (!is.na(evaluation$h_score)) {
    measures <- sprintf("%s, known %s, unknown %s, H-score %s", measures,
                        share(evaluation$known_accuracy), share(evaluation$unknown_accuracy),
                        share(evaluation$h_score))
  }
  cells <- paste(thousands(evaluation$cells), "cells")
  if (evaluation$left_out) {
    cells <- sprintf("%s, of which %s without prediction", cells, thousands(evaluation$left_out))
  }
  sprintf("%s (%s)", measures, cells)
}

share <- function(value, missing = "NA") {
  ifelse(is.na(value), missing, sprintf("%.3f", value))
}

thousands <- function(number) format(number, big.mark = ",", decimal.mark = ".", trim = TRUE)

#' The evaluation kept with an object
#'
#' @param x What [canal_evaluate()] returned: an annotated object, or an evaluation itself.
#' @param predicted The column of labels that was evaluated, `"canal_label"` say. `NULL`: the one
#'   that was evaluated last.
#' @param ... Not used.
#' @param n At most that many types are printed, the largest first.
#' @param row.names,optional As in [as.data.frame()].
#' @param what `"types"` for a row per type of the truth, `"overall"` for one row with the numbers
#'   over all cells.
#'
#' @details
#' An evaluation says what was true when it was made. [canal_evaluate()] keeps a digest of the
#' labels with it; where cells have been added or taken away since, or labels changed, it comes back
#' as it was, with a warning of class `canalR_warning_evaluation`. Cells may be put in another order
#' or be renamed. A change of the truth is not noticed.
#'
#' @return A `canal_evaluation`, described at [canal_evaluate()]. `as.data.frame()` gives a data
#'   frame.
#' @section Errors: `canalR_error_evaluation` for an object without one;
#'   `canalR_warning_evaluation` where the labels or the cells are no longer those evaluated.
#' @source The measures: see [canal_evaluate()].
#' @examples
#' evaluation <- canal_evaluate(c("a", "b", "a"), c("a", "b", "b"))
#' identical(canal_evaluation(evaluation), evaluation)
#' as.data.frame(evaluation, what = "overall")
#' @export
canal_evaluation <- function(x, predicted = NULL) {
  if (!is.null(predicted)) check_predicted(predicted)
  if (inherits(x, "canal_evaluation")) return(x)
  record <- cell_record(x)
  evaluations <- record$evaluation
  if (is.null(predicted)) predicted <- utils::tail(names(evaluations), 1)
  if (length(predicted) && predicted %in% names(evaluations)) {
    evaluation <- evaluations[[predicted]]
    warn_outdated(x, predicted, evaluation, record$evaluated[[predicted]])
    return(evaluation)
  }
  canal_abort("evaluation", "x", "an object with an evaluation",
              if (length(evaluations)) sprintf("one of %s", some_of(names(evaluations)))
              else sprintf("one of class %s without", class(x)[1]), "canal_evaluate() makes one.")
}

#' @rdname canal_evaluation
#' @export
print.canal_evaluation <- function(x, ..., n = 30) {
  cat(sprintf("<canal_evaluation> %s cells, %d types\n", thousands(x$cells), nrow(x$by_type)))
  values <- c(accuracy = x$accuracy, `macro F1` = x$macro_f1, ARI = x$ari,
              `known accuracy` = x$known_accuracy, `unknown accuracy` = x$unknown_accuracy,
              `H-score` = x$h_score, AUROC = x$auroc)
  shown <- c(1:3, if (!is.na(x$unknown_accuracy)) 4:6, which(!is.na(values[-(1:6)])) + 6)
  cat(sprintf("  %-16s %s\n", names(values)[shown], share(values[shown])), sep = "")
  if (x$unassigned) cat(sprintf("  %-16s %s cells\n", "unassigned", thousands(x$unassigned)))
  if (x$left_out) {
    cat(sprintf("  %-16s %s cells without prediction, counted as wrong\n", "left out",
                thousands(x$left_out)))
  }
  print_types(x$by_type, n)
  invisible(x)
}

print_types <- function(by_type, n) {
  shown <- utils::head(by_type[order(-by_type$cells), ], n)
  if (!nrow(shown)) return(invisible())
  table <- data.frame(type = format(shown$type), cells = thousands(shown$cells),
                      precision = share(shown$precision, "-"), recall = share(shown$recall),
                      F1 = share(shown$f1))
  print(table, row.names = FALSE)
  hidden <- nrow(by_type) - nrow(shown)
  if (hidden) cat(sprintf("  ... and %d smaller types: as.data.frame() has all\n", hidden))
}

#' @rdname canal_evaluation
#' @export
as.data.frame.canal_evaluation <- function(x, row.names = NULL, optional = FALSE, ...,
                                           what = c("types", "overall")) {
  if (missing(what)) what <- what[1]
  check_choice(what, c("types", "overall"), "what")
  if (what == "types") {
    return(as.data.frame(x$by_type, row.names = row.names, optional = optional))
  }
  numbers <- c("cells", "accuracy", "macro_f1", "ari", "known_accuracy", "unknown_accuracy",
               "h_score", "auroc", "left_out", "unassigned")
  # One that an older version made has no `auroc`.
  as.data.frame(unclass(x)[intersect(numbers, names(x))], row.names = row.names,
                optional = optional)
}
