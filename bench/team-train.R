# How training scales over the workers of a team on this machine, and what travels: the published
# network's stage training (1,001 tokens, mini-batches of 14), untrained weights, drawn tokens.
#
#   Rscript bench/team-train.R [--cells 112] [--workers 2] [--epochs 3] [--threads 1]
#
# Every worker has `--threads` threads. A row per team: seconds per epoch (the least of the epochs
# after the first), cells per second, the ratio to one worker, and what a worker sends per step.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))
asked <- parse_options(list(cells = 112, workers = 2, epochs = 3, threads = 1))

genes <- paste0("GENE", seq_len(1000))
config <- canal_config("scbert")
model <- canal_model(config, genes, seed = 1)
set.seed(1)
counts <- matrix(rnbinom(length(genes) * asked$cells, mu = 0.5, size = 0.5), length(genes),
                 dimnames = list(genes, paste0("cell", seq_len(asked$cells))))
types <- rep_len(c("A", "B", "C"), asked$cells)

# In a worker. trainable: "stage", the last layer but one, final norm and head; "all".
time_training <- function(team, counts, types, model, epochs, threads, trainable) {
  seconds <- function(epochs) {
    started <- proc.time()[["elapsed"]]
    canalR::canal_train(counts, types, model, epochs = epochs, validation = 0, bank_size = 0,
                        seed = 1, min_genes = 0, trainable = trainable, redraw_interval = 0,
                        num_threads = threads, verbose = FALSE, team = team)
    proc.time()[["elapsed"]] - started
  }
  sent <- function() canalR:::cpp_team_bytes_sent(team$pointer)
  # What comes once per call, such as the model that rank 0 hands out at the end, cancels.
  start <- sent()
  first <- seconds(1)
  middle <- sent()
  more <- seconds(1 + epochs)
  c(seconds = (more - first) / epochs,
    bytes = ((sent() - middle) - (middle - start)) / epochs)
}
environment(time_training) <- globalenv()

measure <- function(workers, trainable) {
  all <- canal_launch(workers, time_training,
                      list(counts, types, model, asked$epochs, asked$threads, trainable),
                      num_threads = asked$threads, verbose = FALSE)
  list(workers = workers, seconds = max(vapply(all, `[[`, 0, "seconds")),
       bytes = max(vapply(all, `[[`, 0, "bytes")))
}

cat(machine_text(), "\n\n")
cat("| learns | workers | s per epoch | cells per s | ratio | MB a worker sends per step |\n",
    "|---|---|---|---|---|---|\n", sep = "")
steps <- ceiling(asked$cells / config$batch_size)
for (trainable in c("stage", "all")) {
  alone <- NULL
  for (workers in seq_len(asked$workers)) {
    row <- measure(workers, trainable)
    if (is.null(alone)) alone <- row$seconds
    cat(sprintf("| %s | %d | %.2f | %.1f | %.2f | %.1f |\n", trainable, workers, row$seconds,
                asked$cells / row$seconds, alone / row$seconds, row$bytes / steps / 1e6))
  }
}
