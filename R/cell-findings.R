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

# What has that name already must be an embedding of the same prefix: nobody's principal components,
# nor those of a prefix in other letters.
check_free <- function(name, taken, x, findings) {
  if (!name %in% taken || !is.null(cell_record(x)[[findings$prefix]]$embedding)) {
    return(invisible())
  }
  canal_abort("argument", "prefix", "one whose embedding has a name of its own",
              sprintf("\"%s\", and `x` has another embedding \"%s\"", findings$prefix, name),
              "Choose another prefix, or remove that embedding first.", call = NULL)
}

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
