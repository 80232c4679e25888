# Writing into a folder whose rights are gone. For root there are no rights to lose: tools/faults.sh
# runs this as another user.
source("tests/faults/common.R")

try_rights <- function(name, writer) {
  folder <- new_folder("rights")
  on.exit({
    Sys.chmod(folder, "0755")
    unlink(folder, recursive = TRUE)
  })
  writer$before(folder)
  before <- contents(writer$kept(folder))
  there <- present(folder)
  Sys.chmod(folder, "0555")
  outcome <- written_or_refused(writer, folder)
  Sys.chmod(folder, "0755")
  if (!are_intact(before) || !identical(present(folder), there)) outcome <- "lost"
  there <- there_now(writer, folder)
  if (there != "old") outcome <- there
  add_row(if (outcome == "refused") "passed" else "failed", c(name, outcome))
}

if (file.access(tempdir(), 2) == 0 && system2("id", "-u", stdout = TRUE) == "0") {
  add_row("skipped", c("all", "root may write anywhere"))
} else {
  source("tests/faults/writers.R")
  for (name in chosen(names(writers))) try_rights(name, writers[[name]])
}
write_results("permissions", "Writes: rights that are gone", c("writer", "came out"))
