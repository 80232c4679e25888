# Files that R writes: each is there whole or not at all.

# write(part) writes the file of that name, which becomes `path` when it is whole; what was there is
# there until then. argument: what a failure is about.
replace_whole <- function(path, argument, write) {
  part <- part_file(path, sub("^.*(\\.[^.]*)$", "\\1", basename(path)))
  on.exit(unlink(part))
  tryCatch({
    write(part)
    if (!file.rename(part, path)) stop("it could not be renamed")
  }, error = function(error) {
    pass_on_memory(error)
    canal_abort("file", argument, sprintf("room for %s", path), conditionMessage(error),
                call = NULL)
  })
}

# A full disk shows in a compressed file only when it is read.
save_checked_rds <- function(value, path) {
  saveRDS(value, path)
  readRDS(path)
}

# Makes an error of the first warning of code that writes, once it has ended: a full disk is told by
# one when a connection closes. It must not be left by a jump, as by a user's handler of warnings: R
# would close the connection once more, which ends the session.
warnings_stop <- function(code) {
  told <- character()
  withCallingHandlers(code, warning = function(warned) {
    told <<- c(told, conditionMessage(warned))
    invokeRestart("muffleWarning")
  })
  if (length(told)) stop(told[1])
}

# A name beside a path, for what is being written.
part_pattern <- "^[.]canalR-part-"

part_file <- function(path, ending = "") tempfile(".canalR-part-", dirname(path), ending)

# Removes what processes that were killed as they wrote have left in a folder: files that nobody has
# written to for an hour.
sweep_parts <- function(folder) {
  parts <- list.files(folder, part_pattern, all.files = TRUE, full.names = TRUE)
  unlink(parts[which(difftime(Sys.time(), file.mtime(parts), units = "hours") > 1)])
}
