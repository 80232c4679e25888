# The columns that a classifier's answer becomes, of whichever model.

# What users ask for beside the label, checked. clusters: one per cell as text, or NULL. types: the
# model's.
asked_results <- function(x, prefix, probabilities, clusters, prune_below, top_k, types) {
  check_given(x, "x", "cells")
  check_prefix(prefix)
  check_choice(probabilities, c("none", "columns", "assay"), "probabilities")
  check_number(prune_below, "prune_below", 0, 1)
  check_number(top_k, "top_k", 0, .Machine$integer.max, whole = TRUE)
  asked <- list(prefix = prefix, probabilities = probabilities, clusters = clusters,
                prune_below = prune_below, top_k = top_k)
  check_free_names(x, prefix, "prediction", result_names(asked, types))
  if (!is.null(clusters)) {
    asked$clusters <- labels_of(x, clusters, "clusters", wanted = integer())
  }
  asked
}

# The names that results are going to have: list(columns, scores).
result_names <- function(asked, types) {
  tops <- paste0("top_", seq_len(min(asked$top_k, length(types))))
  more <- c(if (!is.null(asked$clusters)) c("cluster", "cluster_share"),
            if (asked$top_k > 0) c(rbind(tops, paste0(tops, "_confidence"))),
            if (asked$probabilities == "columns") paste0("prob_", make.unique(types)))
  list(columns = c(label_columns(asked$prefix), if (length(more)) paste0(asked$prefix, "_", more)),
       scores = if (asked$probabilities == "assay") scores_name(asked))
}

# answer: `label`, `confidence`, `score` (novelty) and `probability` (cells x types) of the kept
# cells. types: their names, in the order of the columns.
label_findings <- function(answer, query, types, asked, note, call) {
  place <- query_rows(query)
  probability <- answer$probability[place, , drop = FALSE]
  colnames(probability) <- make.unique(types)
  reason <- query$reason
  reason[is.na(reason) & !is.finite(answer$confidence[place])] <- "network output not finite"
  columns <- data.frame(
    label = answer$label[place], confidence = answer$confidence[place],
    novelty = answer$score[place], reason = reason, row.names = query$cells
  )
  columns$pruned <- pruned_labels(columns$label, columns$confidence, asked$prune_below)
  if (!is.null(asked$clusters)) {
    columns <- cbind(columns, cluster_votes(columns$label, columns$confidence, asked$clusters))
  }
  columns <- cbind(columns, top_types(probability, types, asked$top_k))
  if (asked$probabilities == "columns") {
    columns <- cbind(columns, stats::setNames(as.data.frame(probability),
                                              paste0("prob_", colnames(probability))))
  }
  names(columns) <- paste0(asked$prefix, "_", names(columns))
  scores <- if (asked$probabilities == "assay") probability
  # Which of the names are canalR's own, when the next prediction replaces them.
  note$columns <- names(columns)
  if (!is.null(scores)) note$scores <- scores_name(asked)
  cell_findings(asked$prefix, columns, scores = scores, record = list(prediction = note),
                call = call)
}

pruned_labels <- function(label, confidence, below) {
  replace(label, label %in% unassigned_label | !is.finite(confidence) | confidence < below, NA)
}

# What most cells of each cell's cluster are called, and their share.
cluster_votes <- function(label, confidence, clusters) {
  voting <- !is.na(label) & !is.na(clusters)
  if (!any(voting)) return(data.frame(cluster = rep(NA_character_, length(label)),
                                      cluster_share = NA_real_))
  votes <- stats::aggregate(
    list(cells = rep(1, sum(voting)), confidence = confidence[voting]),
    list(cluster = factor(clusters[voting], unique(clusters)), label = label[voting]), sum
  )
  votes <- votes[order(-votes$cells, -votes$confidence, votes$label), ]
  winner <- votes[match(clusters, votes$cluster), ]
  voters <- label_counts(clusters[voting])
  data.frame(cluster = winner$label,
             cluster_share = winner$cells / as.vector(voters[match(clusters, names(voters))]))
}

# The k most probable types of each cell and their probabilities; of equal ones the first.
top_types <- function(probability, types, k) {
  known <- which(!is.na(rowSums(probability)))
  rest <- probability[known, , drop = FALSE]
  columns <- data.frame(row.names = seq_len(nrow(probability)))
  for (rank in seq_len(min(k, ncol(probability)))) {
    best <- max.col(rest, ties.method = "first")
    at <- cbind(seq_along(best), best)
    name <- paste0("top_", rank)
    columns[[name]] <- replace(rep(NA_character_, nrow(probability)), known, types[best])
    columns[[paste0(name, "_confidence")]] <- replace(rep(NA_real_, nrow(probability)), known,
                                                      rest[at])
    rest[at] <- -1
  }
  columns
}
