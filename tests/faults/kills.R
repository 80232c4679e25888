# Writers that are killed at random moments: what is there afterwards is the old file or the new
# one, and it loads. Each kill may leave one half-written neighbour, which a later write removes.
source("tests/faults/common.R")
source("tests/faults/writers.R")

set.seed(fault_seed)

seconds_of <- function(writer) {
  folder <- new_folder("timed")
  on.exit(unlink(folder, recursive = TRUE))
  writer$before(folder)
  system.time(quietly(writer$write(folder)))[["elapsed"]]
}

is_part <- function(names) grepl("part", names)

# Half-written files that nobody has touched for more than an hour.
age <- function(folder) {
  parts <- Filter(is_part, present(folder))
  Sys.setFileTime(file.path(folder, parts), Sys.time() - 7200)
}

try_kills <- function(name, writer, tries) {
  seconds <- seconds_of(writer)
  folder <- new_folder("killed")
  on.exit(unlink(folder, recursive = TRUE))
  writer$before(folder)
  killed <- left <- lost <- 0
  for (number in seq_len(tries)) {
    job <- parallel::mcparallel({
      # A checkpoint or a cache is there already: only the first write is one.
      if (number %% 2 == 0) quietly(writer$before(folder))
      quietly(writer$write(folder))
      "done"
    }, silent = TRUE)
    Sys.sleep(stats::runif(1) * seconds * 1.2)
    tools::pskill(job$pid, tools::SIGKILL)
    ended <- suppressWarnings(parallel::mccollect(job))
    killed <- killed + is.null(ended[[1]])
    left <- max(left, sum(is_part(present(folder))))
    lost <- lost + load_fails(writer, folder)
  }
  age(folder)
  quietly(writer$before(folder))
  quietly(writer$write(folder))
  after <- sum(is_part(present(folder)))
  add_row(if (lost == 0 && after == 0 && killed > 0) "passed" else "failed",
          c(name, tries, killed, lost, left, after))
}

for (name in names(writers)) try_kills(name, writers[[name]], times(40, 1))
write_results("kills", "Writes: killed at random moments", c(
  "writer", "tries", "killed before the end", "did not load afterwards", "half-written files",
  "of them after a later write"
))
