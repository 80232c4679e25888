# Writing where the disk is full: a small tmpfs on which a few bytes are left, other numbers of them
# each time; and one that turns read-only. Needs root, as nobody else may mount.
source("tests/faults/common.R")

place <- file.path(results_folder, "tmpfs")
dir.create(place, showWarnings = FALSE)
place <- normalizePath(place)
mount <- function(...) {
  system2("mount", c(...), stdout = FALSE, stderr = FALSE) == 0
}
# As soon as nothing has it open: see below.
unmount <- function() system2("umount", c("-l", place), stdout = FALSE, stderr = FALSE)

free_bytes <- function() {
  as.numeric(system2("df", c("-B1", "--output=avail", shQuote(place)), stdout = TRUE)[2])
}

# Leaves about so many bytes.
fill <- function(left) {
  size <- max(free_bytes() - left, 0)
  writeBin(raw(size), file.path(place, "filler"))
}

# What is there decides over what the call said.
outcome_now <- function(outcome, there) {
  if (startsWith(there, "lost")) return(there)
  if (outcome == "written" && there != "new") return(paste("written, and there is:", there))
  outcome
}

# What a write that failed leaves for R's end, which it may turn into a crash: files of the disk, be
# they removed already, or what could not be closed when it was collected, which is said and no
# error.
tidy_outcome <- function(writer, folder) {
  said <- utils::capture.output(type = "message", {
    outcome <- written_or_refused(writer, folder)
    invisible(gc())
  })
  if (outcome != "refused" || isTRUE(writer$left_open)) return(outcome)
  paths <- Sys.readlink(list.files("/proc/self/fd", full.names = TRUE))
  left <- grep(place, paths, fixed = TRUE, value = TRUE)
  if (length(said)) paste("said:", said[1]) else if (length(left)) "left open" else outcome
}

try_full <- function(name, writer, tries) {
  outcomes <- vapply(seq_len(tries), function(number) {
    folder <- file.path(place, "work")
    dir.create(folder)
    on.exit(unlink(c(folder, file.path(place, "filler")), recursive = TRUE))
    writer$before(folder)
    before <- contents(writer$kept(folder))
    there <- present(folder)
    # From nothing at all to as much as it takes.
    fill((sum(lengths(before)) + sum(writer$spare)) * (number - 1) / tries)
    outcome <- tidy_outcome(writer, folder)
    unlink(file.path(place, "filler"))
    if (outcome == "refused" && !are_intact(before)) outcome <- "lost"
    if (outcome == "refused" && any(grepl("part", setdiff(present(folder), there)))) {
      outcome <- "left"
    }
    outcome_now(outcome, there_now(writer, folder))
  }, "")
  report(name, "full", outcomes)
}

try_read_only <- function(name, writer) {
  folder <- file.path(place, "work")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  writer$before(folder)
  before <- contents(writer$kept(folder))
  there <- present(folder)
  mount("-o", "remount,ro", place)
  outcome <- written_or_refused(writer, folder)
  mount("-o", "remount,rw", place)
  if (!are_intact(before) || !identical(present(folder), there)) outcome <- "lost"
  outcome <- outcome_now(outcome, there_now(writer, folder))
  report(name, "read-only", outcome, possible = "refused")
}

# What is done in a session whose temporary folder has so many bytes left: it says how it ended, as
# written_or_refused() does.
try_temporary <- function(name, code, tries, most, needed) {
  outcomes <- vapply(seq_len(tries), function(number) {
    script <- tempfile(fileext = ".R")
    on.exit(unlink(c(script, file.path(place, "filler"))))
    writeLines(c(
      "suppressMessages(library(canalR))",
      "outcome <- tryCatch({", code, "'written'",
      "}, canalR_error = function(error) 'refused', error = conditionMessage)",
      "cat(outcome)"
    ), script)
    fill(most * (number - 1) / tries)
    output <- system2("Rscript", c("--vanilla", shQuote(script)), stdout = TRUE, stderr = FALSE,
                      env = paste0("TMPDIR=", shQuote(place)))
    c(utils::tail(output, 1), "no end")[1]
  }, "")
  report(name, "full, for temporary files", outcomes, possible = union(needed, "written"), needed)
}

# Nothing of it needs room there.
make_and_keep <- sprintf('
  file <- %s
  model <- canal_model(canal_config("compact"), paste0("G", 1:50), seed = 1)
  canal_save(model, file)
  stopifnot(model@provenance$id == %s, identical(canal_load(file)@weights, model@weights))
', deparse1(tempfile(fileext = ".h5")),
deparse1(canal_model(canal_config("compact"), paste0("G", 1:50), seed = 1)@provenance$id))

launch_one <- "
  values <- canal_launch(1, function(team) 1:50000 + 0.5, verbose = FALSE)
  stopifnot(identical(values[[1]], 1:50000 + 0.5))
"

# needed: how some of them must have ended.
report <- function(name, fault, outcomes, possible = c("refused", "written"), needed = "refused") {
  good <- outcomes %in% possible
  odd <- unique(outcomes[!good])
  add_row(if (all(good) && all(needed %in% outcomes)) "passed" else "failed",
          c(name, fault, length(outcomes), sum(outcomes == "refused"), sum(outcomes == "written"),
            if (length(odd)) paste(odd, collapse = "; ") else ""))
}

if (!mount("-t", "tmpfs", "-o", "size=24m", "tmpfs", place)) {
  add_row("skipped", c("all", "full", 0, 0, 0, "a tmpfs cannot be mounted here (needs root)"))
} else {
  finished <- tryCatch({
    source("tests/faults/writers.R")
    for (name in chosen(names(writers))) {
      # In this order: what has an open file does not turn read-only.
      try_read_only(name, writers[[name]])
      try_full(name, writers[[name]], times(24, 1))
    }
    try_temporary("canal_model(), canal_save(), canal_load()", make_and_keep, times(4, 1), 1e5,
                  needed = "written")
    try_temporary("canal_launch()", launch_one, times(24, 2), 1e6, needed = "refused")
    TRUE
  }, finally = unmount())
}
write_results("full", "Writes: a disk that is full, or read-only", c(
  "writer", "the disk is", "tries", "refused, all as before", "written", "else"
))
