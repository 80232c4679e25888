# Writers that are killed: at random moments, and as soon as something changes in their folder. What
# is there afterwards is read, not made anew: it is what was there before or what was to be written,
# whole, and no finished epoch or chunk is lost. Each kill may leave one half-written neighbour,
# which a later write removes.
source("tests/faults/common.R")
source("tests/faults/writers.R")

set.seed(fault_seed)

seconds_of <- function(writer) {
  folder <- new_folder("timed")
  on.exit(unlink(folder, recursive = TRUE))
  quietly(writer$before(folder))
  system.time(quietly(writer$write(folder)))[["elapsed"]]
}

is_part <- function(names) grepl("part", names)

# Half-written files that nobody has touched for more than an hour.
age <- function(folder) {
  parts <- Filter(is_part, present(folder))
  Sys.setFileTime(file.path(folder, parts), Sys.time() - 7200)
}

# Names, sizes and times of a folder's files.
state_of <- function(folder) {
  paths <- list.files(folder, all.files = TRUE, no.. = TRUE, full.names = TRUE)
  file.info(paths, extra_cols = FALSE)[c("size", "mtime")]
}

# A moment at which a write is killed. That something changes is when files are being written: most
# of a training is not.
wait_at_random <- function(folder, before, seconds) Sys.sleep(stats::runif(1) * seconds)
wait_for_change <- function(folder, before, seconds) {
  until <- Sys.time() + 2 * seconds
  while (Sys.time() < until && identical(state_of(folder), before)) NULL
  Sys.sleep(sample(c(0, 0.001, 0.005, 0.02), 1))
}

# "killed", "done" before it could be, or what went wrong.
write_and_kill <- function(writer, folder, seconds, wait) {
  before <- state_of(folder)
  job <- parallel::mcparallel({
    quietly(writer$write(folder))
    "done"
  }, silent = TRUE)
  wait(folder, before, seconds)
  tools::pskill(job$pid, tools::SIGKILL)
  ended <- suppressWarnings(parallel::mccollect(job))[[1]]
  if (is.null(ended)) "killed" else as.character(ended)
}

# What is lost must not be in the way of the next try.
empty <- function(folder) unlink(file.path(folder, present(folder)))

# One try: how it `ended`, what was `there` afterwards, and how many `parts` it left.
try_kill <- function(writer, folder, seconds, wait) {
  quietly(writer$before(folder))
  stopifnot(writer$found(folder) == "old")
  before <- present(folder)
  ended <- write_and_kill(writer, folder, seconds, wait)
  parts <- sum(is_part(setdiff(present(folder), before)))
  there <- there_now(writer, folder)
  if (ended == "done" && there %in% c("old", "between")) there <- "lost: it ended without writing"
  if (!ended %in% c("killed", "done")) there <- paste("lost:", ended)
  if (startsWith(there, "lost")) empty(folder)
  list(ended = ended, there = there, parts = parts)
}

# Until so many were killed before their end, by both ways in turn.
try_kills <- function(name, writer, wanted) {
  seconds <- seconds_of(writer)
  folder <- new_folder("killed")
  on.exit(unlink(folder, recursive = TRUE))
  tries <- list()
  killed <- function() sum(vapply(tries, `[[`, "", "ended") == "killed")
  while (length(tries) < 5 * wanted && killed() < wanted) {
    wait <- if (length(tries) %% 2 == 0) wait_at_random else wait_for_change
    tries <- c(tries, list(try_kill(writer, folder, seconds, wait)))
  }
  age(folder)
  quietly(writer$before(folder))
  quietly(writer$write(folder))
  report(name, tries, killed(), sum(is_part(present(folder))))
}

report <- function(name, tries, killed, after) {
  there <- vapply(tries, `[[`, "", "there")
  lost <- !there %in% c("old", "between", "new")
  parts <- max(vapply(tries, `[[`, 0L, "parts"))
  good <- killed > 0 && !any(lost) && parts <= 1 && after == 0
  add_row(if (good) "passed" else "failed",
          c(name, length(tries), killed, sum(there == "old"), sum(there == "between"),
            sum(there == "new"), sum(lost), parts, after))
  if (any(lost)) cat(paste0("    ", unique(gsub("\n", " ", there[lost]))), sep = "\n")
}

for (name in chosen(names(writers))) {
  try_kills(name, writers[[name]], times(40, 2))
}
write_results("kills", "Writes: killed at random moments, and as soon as a file changes", c(
  "writer", "tries", "killed before the end", "as it was", "further", "written", "lost",
  "half-written files after a kill", "of all after a later write"
), c(
  "After each kill the files are read, without making anything anew: a file has the old value or",
  "the new one; a training's state is the very one that an undisturbed run has after that epoch,",
  "no earlier one than before; finished chunks are all there. Then the call goes on to the result",
  "that an undisturbed one has."
))
