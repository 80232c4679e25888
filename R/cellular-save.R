# CELLULAR models as trees of plain values, in the file format of canal_save().

cellular_parts <- c("genes", "labels", "target", "weights", "history", "provenance")

cellular_to_tree <- function(model) {
  tree <- plain_tree(list(
    genes = model@genes, labels = model@labels, batches = model@batches, target = model@target,
    weights = model@weights, classifier = model@classifier, history = model@history,
    provenance = model@provenance
  ))
  format <- c(model_format, kind = "CELLULAR", content = digest_of(tree),
              written_by = as.character(utils::packageVersion("canalR")))
  c(list(format = format), tree)
}

cellular_from_tree <- function(tree) {
  if (!identical(digest_of(tree[setdiff(names(tree), "format")]), tree$format$content)) {
    stop("it does not hold what was written")
  }
  history <- tree$history
  for (part in intersect(c("encoder", "classifier"), names(history))) {
    history[[part]]$losses <- as.data.frame(history[[part]]$losses)
  }
  if (!is.null(history$search)) {
    history$search <- as.data.frame(history$search)
    history$search$chosen <- as.logical(history$search$chosen)
  }
  new("CellularModel", genes = tree$genes, labels = as.character(tree$labels),
      batches = as.character(tree$batches), target = tree$target, weights = tree$weights,
      classifier = as.list(tree$classifier), history = history, provenance = tree$provenance)
}

is_cellular_tree <- function(tree) identical(tree$format$kind, "CELLULAR")
