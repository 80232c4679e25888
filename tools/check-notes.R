# Judges the log of R CMD check: check-notes.R <00check.log> <folder of notes.R and the list>.
arguments <- commandArgs(trailingOnly = TRUE)
source(file.path(arguments[2], "notes.R"))

found <- as.data.frame(tools::check_packages_in_dir_details(logs = arguments[1]))
found <- found[!found$Status %in% c("OK", "INFO", "SKIPPED"), ]
clean <- judge(found, file.path(arguments[2], "check-notes.dcf"))
# A log that ends early has no status.
if (!any(grepl("^Status: ", readLines(arguments[1], warn = FALSE)))) {
  cat("The check did not come to its end.\n")
  clean <- FALSE
}
cat(if (clean) "R CMD check: clean.\n" else "R CMD check: not clean.\n")
quit(status = as.integer(!clean))
