# Runs BiocCheck on a tarball and judges what it finds: bioccheck.R <tarball> <folder of notes.R and
# the list>.
arguments <- commandArgs(trailingOnly = TRUE)
source(file.path(arguments[2], "notes.R"))

# Which Bioconductor belongs to which R is asked of a server; here it is the one that is installed.
# There must be one of every kind, so the others are made up.
tell_versions <- function() {
  bioc <- as.character(utils::packageVersion("BiocVersion")[, 1:2])
  pair <- function(bioc, r) sprintf("  \"%s\": \"%s\"", bioc, r)
  file <- tempfile(fileext = ".yaml")
  writeLines(c(sprintf("release_version: \"%s\"", bioc), "devel_version: \"99.0\"",
               "r_ver_for_bioc_ver:", pair("0.1", "0.1"),
               pair(bioc, as.character(getRversion()[, 1:2])), pair("99.0", "99.0")), file)
  Sys.setenv(BIOCONDUCTOR_CONFIG_FILE = paste0("file://", file))
}

# These ask servers: packages that are deprecated, names that are taken, the maintainer's account.
asks_servers <- c("no-check-deprecated", "no-check-CRAN", "no-check-bioc-help")
tell_versions()
result <- do.call(BiocCheck::BiocCheck, c(
  list(arguments[1], checkDir = "."),
  stats::setNames(rep(list(TRUE), length(asks_servers)), asks_servers)
))

rows_of <- function(kind) {
  conditions <- result[[kind]]
  texts <- vapply(conditions, function(texts) paste(unlist(texts), collapse = " "), "")
  data.frame(Check = names(conditions), Status = rep(toupper(kind), length(texts)),
             Output = unname(texts))
}
clean <- judge(do.call(rbind, lapply(c("error", "warning", "note"), rows_of)),
               file.path(arguments[2], "bioccheck-notes.dcf"))
cat(if (clean) "BiocCheck: clean.\n" else "BiocCheck: not clean.\n")
quit(status = as.integer(!clean))
