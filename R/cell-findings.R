# What a model has found out of cells, on its way into a user's object, and the names it gets there.

# prefix: what the names of all results start with.
# columns: a data frame with a row per cell, in the order of the cells; or NULL.
# embedding: a cells x width matrix, or NULL.
# scores: a cells x types matrix with names of types, or NULL.
# record: a list kept as entry `prefix` of the object's record; other entries of that stay.
# call: of the user's function (see logged_call()), which Seurat objects log.
cell_findings <- function(prefix, columns = NULL, embedding = NULL, scores = NULL,
                          record = list(), call = NULL) {
  list(prefix = prefix, columns = columns, embedding = embedding, scores = scores,
       record = if (length(record)) stats::setNames(list(record), prefix), call = call)
}

# A call for a log, by the name of the function.
logged_call <- function(name, call) {
  list(name = name, text = paste(deparse(short_call(name, call)), collapse = "\n"))
}

# Entries of the record that are no model's results.
own_entries <- c("evaluation", "evaluated", "quality", "symbols", "normalisation", "merged")

check_prefix <- function(prefix) {
  if (is.character(prefix) && identical(grepl("^[A-Za-z][A-Za-z0-9]*$", prefix), TRUE) &&
        !prefix %in% own_entries) {
    return(invisible())
  }
  canal_abort("argument", "prefix", "letters and digits, a letter first",
              if (is.character(prefix)) describe_name(prefix) else describe_value(prefix),
              sprintf("Seurat allows no others in keys; %s are taken.",
                      paste(own_entries, collapse = ", ")))
}

embedding_name <- function(findings) toupper(findings$prefix)

# What has the names of results already must be results of the same prefix: nobody's principal
# components, columns or proteins. Looked at before the work begins. what: "prediction" or
# "embedding". wanted: list(columns, scores), the names that a prediction is going to have.
check_free_names <- function(x, prefix, what, wanted = list()) {
  taken <- if (!is.null(cell_record(x)[[prefix]][[what]])) {
    if (what == "prediction") taken_since(x, prefix, wanted)
  } else if (what == "embedding") {
    taken_embedding(x, prefix)
  } else {
    taken_columns(x, prefix)
  }
  if (!length(taken)) return(invisible())
  canal_abort("argument", "prefix", "one whose results have names of their own",
              sprintf("\"%s\", and `x` has %s of its own already", prefix, some_of(taken)),
              "Choose another prefix, or rename or remove those first.")
}

# What somebody has put, since an earlier prediction, where the next one's results go.
taken_since <- function(x, prefix, wanted) {
  columns <- setdiff(intersect(wanted$columns, colnames(cell_columns(x))),
                     written_columns(x, prefix))
  c(columns, setdiff(intersect(wanted$scores, places_of_scores(x)), written_scores(x, prefix)))
}

taken_embedding <- function(x, prefix) {
  findings <- list(prefix = prefix)
  taken <- intersect(embedding_name(findings), sce_names(x, "reducedDimNames"))
  if (!methods::is(x, "Seurat")) return(taken)
  c(intersect(reduction_name(findings), names(x@reductions)),
    taken_key(x, embedding_key(findings), reduction_name(findings)))
}

# An object with all of them has lost its record, as merge() of Seurat objects loses it.
taken_columns <- function(x, prefix) {
  if (!methods::is(x, "SummarizedExperiment") && !methods::is(x, "Seurat")) return(character())
  columns <- colnames(cell_columns(x))
  own <- label_columns(prefix)
  if (all(own %in% columns)) return(character())
  kinds <- sprintf("^%s_(prob_.*|top_[0-9]+(_confidence)?|cluster(_share)?)$", prefix)
  findings <- list(prefix = prefix)
  name <- scores_name(findings)
  taken <- c(intersect(own, columns), grep(kinds, columns, value = TRUE),
             intersect(name, places_of_scores(x)))
  if (!methods::is(x, "Seurat")) return(taken)
  c(taken, taken_key(x, scores_key(findings), name))
}

# The columns of every prediction.
label_columns <- function(prefix) {
  paste0(prefix, "_", c("label", "confidence", "novelty", "reason", "pruned"))
}

places_of_scores <- function(x) {
  if (methods::is(x, "Seurat")) names(x@assays) else sce_names(x, "altExpNames")
}

sce_names <- function(x, of) {
  if (!methods::is(x, "SingleCellExperiment")) return(character())
  getExportedValue("SingleCellExperiment", of)(x)
}

# Seurat finds features by the keys of assays and embeddings: two of one key are not told apart.
taken_key <- function(x, key, name) {
  parts <- c(x@assays, x@reductions)
  keys <- vapply(parts[setdiff(names(parts), name)], SeuratObject::Key, "")
  if (!key %in% keys) return(character())
  sprintf("the key \"%s\" (of %s)", key, names(keys)[match(key, keys)])
}

embedding_key <- function(findings) paste0(reduction_name(findings), "_")

scores_key <- function(findings) paste0(tolower(findings$prefix), "scores_")

reduction_name <- function(findings) tolower(findings$prefix)

scores_name <- function(findings) paste0(findings$prefix, "_scores")

# New labels end everything that an earlier call has left beside them under the same prefix.
replaces_labels <- function(findings) {
  paste0(findings$prefix, "_label") %in% names(findings$columns)
}

stale_columns <- function(x, findings) {
  if (!replaces_labels(findings)) return(character())
  setdiff(written_columns(x, findings$prefix), names(findings$columns))
}

# Columns of `x` that an earlier prediction has written: nobody else's may be replaced or removed.
# The record names them. Where it is lost, or an older one, they are the columns of every
# prediction, of clusters and next types, and probabilities of types that the record or the labels
# name.
written_columns <- function(x, prefix) {
  columns <- cell_columns(x)
  notes <- prediction_notes(x, prefix)
  if (all_named(notes, "columns")) {
    return(intersect(unlist(lapply(notes, `[[`, "columns")), colnames(columns)))
  }
  types <- c(unlist(lapply(notes, function(note) note$model$types)),
             as.character(unique(columns[[paste0(prefix, "_label")]])))
  start <- paste0(prefix, "_")
  exact <- c(label_columns(prefix), paste0(start, c("cluster", "cluster_share")),
             paste0(start, "prob_", types))
  c(intersect(exact, colnames(columns)),
    grep(sprintf("^%stop_[0-9]+(_confidence)?$", start), colnames(columns), value = TRUE))
}

# The same for the name of scores: without a record, of what looks like them.
written_scores <- function(x, prefix) {
  name <- intersect(scores_name(list(prefix = prefix)), places_of_scores(x))
  if (!length(name)) return(character())
  notes <- prediction_notes(x, prefix)
  written <- if (all_named(notes, "columns")) {
    name %in% unlist(lapply(notes, `[[`, "scores"))
  } else if (methods::is(x, "Seurat")) {
    identical(SeuratObject::Key(x@assays[[name]]), scores_key(list(prefix = prefix)))
  } else {
    beside <- SingleCellExperiment::altExp(x, name)
    identical(SummarizedExperiment::assayNames(beside), "probabilities")
  }
  name[written]
}

# What is on record about predictions of a prefix: of `x`, and of objects that were bound to it.
prediction_notes <- function(x, prefix) {
  record <- cell_record(x)
  notes <- lapply(c(list(record), record$merged), function(one) one[[prefix]]$prediction)
  Filter(length, notes)
}

all_named <- function(notes, entry) {
  length(notes) > 0 && !any(vapply(notes, function(note) is.null(note[[entry]]), NA))
}

check_findings <- function(findings, n_cells) {
  rows <- unlist(lapply(findings[c("columns", "embedding", "scores")], nrow))
  if (all(rows == n_cells)) return(invisible())
  canal_abort("cells", "results", sprintf("a row for each of the %d cells", n_cells),
              sprintf("%s rows", paste(unique(rows), collapse = " and ")))
}
