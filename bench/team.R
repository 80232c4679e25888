# Sums of numbers over the workers of a team, on the loopback of this machine.
#
#   Rscript bench/team.R [--rounds 100] [--workers 3]
#
# By size, 4 kB to 64 MB of float32, for teams of 2 to `workers`: the median, and the least, which
# is what is left when nothing else runs on the machine. From the least, what a message and a byte
# cost: seconds = 2 (W - 1) alpha + 2 (W - 1) / W bytes beta.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))

asked <- parse_options(list(rounds = 100, workers = 3))
sizes <- 4^(6:13)  # bytes

# In a worker: seconds of every call, a column per size; the first calls of a size warm up.
time_sums <- function(team, sizes, rounds) {
  lapply(sizes, function(bytes) {
    number <- if (bytes > 1e7) max(5, rounds %/% 10) else rounds
    canalR:::cpp_time_team_sum(team$pointer, bytes / 4, number + 3)[-(1:3)]
  })
}
environment(time_sums) <- globalenv()

# What a worker of a ring sends: 2 (W - 1) / W of the bytes.
ring_bytes <- function(bytes, workers) 2 * (workers - 1) / workers * bytes

# A call takes as long as it does for the last worker.
slowest <- function(by_worker) do.call(pmax, by_worker)

measure <- function(workers) {
  seconds <- canal_launch(workers, time_sums, list(sizes, asked$rounds), num_threads = 1,
                          verbose = FALSE)
  calls <- lapply(seq_along(sizes), function(size) slowest(lapply(seconds, `[[`, size)))
  data.frame(workers = workers, bytes = sizes, median = vapply(calls, stats::median, 0),
             least = vapply(calls, min, 0))
}

# The smallest size gives alpha and the largest beta; a line through all would be drawn by the
# largest alone.
fit <- function(rows) {
  workers <- rows$workers[1]
  last <- nrow(rows)
  rise <- rows$least[last] - rows$least[1]
  data.frame(workers = workers, alpha_us = rows$least[1] / (2 * (workers - 1)) * 1e6,
             beta = rise / ring_bytes(rows$bytes[last], workers) * 1e9)
}

tables <- lapply(seq(2, max(2, asked$workers)), measure)
cat(machine_text(), "\n\n")
cat("| workers | bytes | median, ms | least, ms | MB/s that each worker sends |\n",
    "|---|---|---|---|---|\n", sep = "")
for (rows in tables) {
  rate <- ring_bytes(rows$bytes, rows$workers[1]) / rows$least / 1e6
  cat(sprintf("| %.0f | %.0f | %.3g | %.3g | %.0f |\n", rows$workers, rows$bytes, 1e3 * rows$median,
              1e3 * rows$least, rate), sep = "")
}
cat("\n| workers | alpha, us | beta, s per GB sent |\n|---|---|---|\n")
for (fitted in lapply(tables, fit)) {
  cat(sprintf("| %.0f | %.0f | %.2f |\n", fitted$workers, fitted$alpha_us, fitted$beta))
}
