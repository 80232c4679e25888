# Stages of tiny training in one process: Rscript memory.R [STAGES]. After the first quarter, in
# which libraries and pools fill, the process must stay as large as it is, but for `bound` MB.
suppressPackageStartupMessages(library(canalR))
stages <- as.integer(c(commandArgs(trailingOnly = TRUE), "200")[1])
bound <- 8

resident_mb <- function() {
  gc(full = TRUE)
  status <- readLines("/proc/self/status")
  as.numeric(gsub("\\D", "", grep("^VmRSS:", status, value = TRUE))) / 1024
}

set.seed(1)
genes <- paste0("GENE", 1:60)
counts <- matrix(rpois(60 * 40, 3), 60, dimnames = list(genes, paste0("cell", 1:40)))
types <- rep(c("a", "b"), 20)
config <- canal_config("compact", n_genes = 40, dim = 16, depth = 2, epochs = 1, new_genes = 0)

# What a user does with a model between two stages, too. A stage is remembered by the model (its
# record, its held-out cells), so the stream starts anew now and then: what the model keeps is no
# loss.
untrained <- canal_model(config, genes, seed = 1)
run_stage <- function(number, model) {
  model <- canal_train(counts, types, if (number %% 5 == 1) untrained else model, seed = number,
                       num_threads = 2, verbose = FALSE)
  canal_predict(counts, model, novelty = "canal", seed = 1, verbose = FALSE)
  canal_embed(counts, model, verbose = FALSE)
  path <- tempfile(fileext = ".h5")
  canal_save(model, path)
  model <- canal_load(path)
  unlink(path)
  model
}

sizes <- numeric(stages)
model <- untrained
for (number in seq_len(stages)) {
  model <- run_stage(number, model)
  sizes[number] <- resident_mb()
}
after <- stages %/% 4
growth <- sizes[stages] - sizes[after]
cat(sprintf("%.0f MB after stage %d, %.0f MB after stage %d: %+.1f MB, %+.1f KB a stage\n",
            sizes[after], after, sizes[stages], stages, growth,
            1024 * growth / (stages - after)))
ok <- growth <= bound
cat(sprintf("%d passed, %d failed\n", ok, !ok))
quit(status = as.integer(!ok))
