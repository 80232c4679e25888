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
own_entries <- c("evaluation", "quality", "symbols", "normalisation")

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
# "embedding".
check_free_names <- function(x, prefix, what) {
  if (!is.null(cell_record(x)[[prefix]][[what]])) return(invisible())
  taken <- if (what == "embedding") taken_embedding(x, prefix) else taken_columns(x, prefix)
  if (!length(taken)) return(invisible())
  canal_abort("argument", "prefix", "one whose results have names of their own",
              sprintf("\"%s\", and `x` has %s of its own already", prefix, some_of(taken)),
              "Choose another prefix, or rename or remove those first.")
}

taken_embedding <- function(x, prefix) {
  findings <- list(prefix = prefix)
  taken <- intersect(embedding_name(findings), sce_names(x, "reducedDimNames"))
  if (!methods::is(x, "Seurat")) return(taken)
  c(intersect(reduction_name(findings), names(x@reductions)),
    taken_key(x, embedding_key(findings), reduction_name(findings)))
}

# A table with all of them has lost its record, as merge() of Seurat objects loses it.
taken_columns <- function(x, prefix) {
  if (!methods::is(x, "SummarizedExperiment") && !methods::is(x, "Seurat")) return(character())
  columns <- colnames(cell_columns(x))
  own <- paste0(prefix, "_", c("label", "confidence", "novelty", "reason", "pruned"))
  if (all(own %in% columns)) return(character())
  findings <- list(prefix = prefix, columns = stats::setNames(nm = own))
  name <- scores_name(findings)
  taken <- c(intersect(own, columns), stale_columns(columns, findings),
             intersect(name, sce_names(x, "altExpNames")))
  if (!methods::is(x, "Seurat")) return(taken)
  c(taken, intersect(name, names(x@assays)), taken_key(x, scores_key(findings), name))
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

# Entry by entry, not deeply: old and new parameters must not mix. NULL where nothing is left.
merged_record <- function(earlier, record) {
  merged <- as.list(earlier)
  for (entry in names(record)) {
    new <- record[[entry]]
    # A model's prediction leaves the note on its embedding, and the other way round.
    if (!entry %in% own_entries && length(new)) {
      new <- replace(as.list(merged[[entry]]), names(new), new)
    }
    merged[[entry]] <- new
  }
  if (length(merged)) merged
}

# The record after new results: an evaluation is of the labels that were there, so new ones end it.
record_with <- function(earlier, findings) {
  merged <- merged_record(earlier, findings$record)
  merged$evaluation <- merged$evaluation[setdiff(names(merged$evaluation),
                                                 names(findings$columns))]
  if (!length(merged$evaluation)) merged$evaluation <- NULL
  merged
}

# New labels end everything that an earlier call has left beside them under the same prefix.
replaces_labels <- function(findings) {
  paste0(findings$prefix, "_label") %in% names(findings$columns)
}

stale_columns <- function(columns, findings) {
  if (!replaces_labels(findings)) return(character())
  old <- sprintf("^%s_(prob_.*|top_[0-9]+(_confidence)?|cluster(_share)?)$", findings$prefix)
  setdiff(grep(old, columns, value = TRUE), names(findings$columns))
}

check_findings <- function(findings, n_cells) {
  rows <- unlist(lapply(findings[c("columns", "embedding", "scores")], nrow))
  if (all(rows == n_cells)) return(invisible())
  canal_abort("cells", "results", sprintf("a row for each of the %d cells", n_cells),
              sprintf("%s rows", paste(unique(rows), collapse = " and ")))
}
