# Judges what a check has found by a list of what is explained: a DCF file with entries of `Check`,
# `Output` (a regular expression for all of its text, white space being single spaces), `Reason`
# and, where it is no note, `Status`.

one_line <- function(text) trimws(gsub("[[:space:]]+", " ", paste(text, collapse = " ")))

reason_for <- function(check, status, output, explained) {
  fits <- explained$Check == check & explained$Status == status
  fits <- fits & vapply(explained$Output, function(pattern) {
    grepl(sprintf("^(%s)$", one_line(pattern)), output, perl = TRUE)
  }, NA)
  if (any(fits)) one_line(explained$Reason[fits][1]) else NA
}

# found: a data frame with Check, Status (NOTE, WARNING, ERROR) and Output, which is told. TRUE if
# all of it is explained.
judge <- function(found, list_of_notes) {
  explained <- as.data.frame(read.dcf(list_of_notes, c("Check", "Status", "Output", "Reason")))
  explained$Status[is.na(explained$Status)] <- "NOTE"
  clean <- TRUE
  for (at in seq_len(nrow(found))) {
    output <- one_line(found$Output[at])
    reason <- reason_for(found$Check[at], found$Status[at], output, explained)
    clean <- clean && !is.na(reason)
    cat(if (is.na(reason)) "UNEXPLAINED " else "Explained ", found$Status[at], ": ",
        found$Check[at], "\n  ", substr(output, 1, 500), "\n",
        if (!is.na(reason)) sprintf("  -> %s\n", reason),
        sep = "")
  }
  clean
}
