# Measures of how well predicted labels meet the truth. `truth` and `predicted` are character
# vectors of one length; a missing prediction (a cell that was left out) is a wrong one. Truth is
# never missing.

unassigned_label <- "Unassigned"

# Share of cells with the right label; NA of no cells.
accuracy_of <- function(truth, predicted) {
  if (!length(truth)) return(NA_real_)
  sum(predicted == truth, na.rm = TRUE) / length(truth)
}

# A row per type of the truth. Precision is NA for a type that was never predicted; F1, which is
# 2 hits / (cells + predictions), is 0 then.
type_scores <- function(truth, predicted, types = sort(unique(truth))) {
  cells <- counts_in(truth, types)
  calls <- counts_in(predicted, types)
  hits <- counts_in(truth[which(predicted == truth)], types)
  data.frame(
    type = types, cells = cells, predicted = calls,
    precision = ifelse(calls > 0, hits / calls, NA_real_), recall = hits / cells,
    f1 = 2 * hits / (cells + calls), left_out = counts_in(truth[is.na(predicted)], types),
    stringsAsFactors = FALSE
  )
}

counts_in <- function(values, types) tabulate(match(values, types), length(types))

# How often each value of a vector occurs, or each combination of several. table() of what is no
# factor makes R's option `warn` 2 for a moment: Ctrl-C then would leave a session in which every
# warning is an error.
label_counts <- function(...) do.call(table, unname(lapply(list(...), as.factor)))

# Mean F1 over the types present in the truth; NA of no cells.
macro_f1_of <- function(truth, predicted) {
  if (!length(truth)) return(NA_real_)
  mean(type_scores(truth, predicted)$f1)
}

# Adjusted Rand index (Hubert & Arabie 1985): agreement over pairs of cells, 0 for chance and 1 for
# the same partition, also where both put all cells together or each apart. NA with fewer than two
# cells, which make no pair. A cell without prediction is together with no other.
adjusted_rand_of <- function(truth, predicted) {
  if (length(truth) < 2) return(NA_real_)
  pairs <- function(n) sum(n * (n - 1) / 2)
  called <- !is.na(predicted)
  both <- pairs(as.numeric(label_counts(truth[called], predicted[called])))
  in_truth <- pairs(as.numeric(label_counts(truth)))
  in_predicted <- pairs(as.numeric(label_counts(predicted[called])))
  by_chance <- in_truth * in_predicted / pairs(length(truth))
  most <- (in_truth + in_predicted) / 2
  if (most == by_chance) 1 else (both - by_chance) / (most - by_chance)
}

# Counts, truth x predicted. Cells without prediction are in no column.
confusion_of <- function(truth, predicted, novel = character()) {
  in_order <- function(types) {
    c(setdiff(sort(types), c(novel, unassigned_label)), sort(intersect(types, novel)))
  }
  rows <- c(in_order(unique(truth)), intersect(unassigned_label, truth))
  columns <- c(in_order(unique(c(setdiff(truth, novel), predicted[!is.na(predicted)]))),
               if (length(novel) || unassigned_label %in% c(truth, predicted)) unassigned_label)
  called <- !is.na(predicted)
  counts <- table(factor(truth[called], rows), factor(predicted[called], columns))
  matrix(as.integer(counts), length(rows), length(columns),
         dimnames = list(truth = rows, predicted = columns))
}

# Harmonic mean of the accuracies on known and on unknown types: 0 where both are 0, NA where either
# kind has no cell.
h_score_of <- function(known, unknown) {
  if (is.na(known) || is.na(unknown)) return(NA_real_)
  if (known + unknown == 0) return(0)
  2 * known * unknown / (known + unknown)
}

# Chance that a novel cell has a higher score than another, equal scores counting half (Mann and
# Whitney's U by ranks); NA where either kind has no cell. score: no NA. novel: TRUE or FALSE, one
# per cell.
auroc_of <- function(score, novel) {
  counts <- as.numeric(c(sum(novel), sum(!novel)))
  if (any(counts == 0)) return(NA_real_)
  (sum(rank(score)[novel]) - counts[1] * (counts[1] + 1) / 2) / prod(counts)
}
