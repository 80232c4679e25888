# The record that canalR leaves with an object: a list of an entry per prefix of results, of a list
# of `prediction` and `embedding`, and of those that are no model's results (`own_entries`).

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
  merged <- without_evaluations(merged_record(earlier, findings$record), names(findings$columns))
  # They are of all cells, those that came from other objects included.
  merged$merged <- Filter(length, lapply(merged$merged, function(other) {
    for (entry in names(findings$record)) {
      other[[entry]] <- other[[entry]][setdiff(names(other[[entry]]),
                                               names(findings$record[[entry]]))]
      if (!length(other[[entry]])) other[[entry]] <- NULL
    }
    without_evaluations(other, names(findings$columns))
  }))
  if (!length(merged$merged)) merged$merged <- NULL
  if (length(merged)) merged
}

without_evaluations <- function(record, columns) {
  for (entry in c("evaluation", "evaluated")) {
    record[[entry]] <- record[[entry]][setdiff(names(record[[entry]]), columns)]
    if (!length(record[[entry]])) record[[entry]] <- NULL
  }
  record
}

# In metadata() ------------------------------------------------------------------------------------

# cbind() of two objects keeps the metadata of both, and so two records of one name.
metadata_record <- function(x) {
  all <- S4Vectors::metadata(x)
  bound_record(lapply(unname(all[names(all) %in% "canal"]), as.list))
}

# One record: entry by entry the first that has it. `merged` keeps what others say otherwise.
bound_record <- function(records) {
  records <- unique(Filter(length, records))
  if (!length(records)) return(list())
  first <- records[[1]]
  for (other in records[-1]) {
    alone <- setdiff(names(other), c(names(first), "merged"))
    first[alone] <- other[alone]
    differs <- vapply(names(other), function(entry) !identical(other[[entry]], first[[entry]]), NA)
    kept <- other[differs & names(other) != "merged"]
    first$merged <- unique(c(first$merged, if (length(kept)) list(kept), other$merged))
  }
  first
}

# One entry, in the place of the first.
with_metadata_record <- function(x, record) {
  all <- S4Vectors::metadata(x)
  at <- which(names(all) %in% "canal")
  if (length(at) > 1) all <- all[-at[-1]]
  all[["canal"]] <- record
  S4Vectors::metadata(x) <- all
  x
}
