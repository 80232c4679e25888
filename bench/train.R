# Stage-2 training with the published network at full size: an old model, its example bank,
# distillation, and the last layer but one, the final norm and the head to train.
#
#   Rscript bench/train.R [--tokens 1001] [--cells 28] [--threads T] [--precision auto]
#                         [--batch 14] [--epochs 3]
#
# Half of the cells are new, half come from the bank. The epochs are timed by themselves, without
# validation: setting up (with the old model's embeddings) and the first epoch, in which the frozen
# layers' output is still to be made, are told apart from them. The last line is
# `seconds_per_cell X`, per epoch.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))

# A stage between canal_train()'s begin_stage() and its first epoch; canal_train() itself cannot
# tell the parts of its time. It brings two types to the six that are known.
make_stage <- function(asked, settings) {
  types <- paste("type", 1:8)
  model <- random_classifier(asked$tokens, types[1:6])
  old <- floor(asked$cells / 2)
  model@bank <- random_bank(old, model)
  new <- asked$cells - old
  data <- list(tokens = random_tokens(new, model), types = rep_len(rev(types), new),
               genes = list(sequence = model@genes, joined = character(), outside = character()),
               spare = canalR:::no_spare(new))
  canalR:::begin_stage(model, data, settings)
}

random_bank <- function(cells, model) {
  tokens <- random_tokens(cells, model)
  list(tokens = unname(tokens@tokens),
       spare = canalR:::no_spare(cells),
       entries = data.frame(cell = rownames(tokens), type = rep_len(model@labels, cells),
                            rank = seq_len(cells), stage = rep(1L, cells)))
}

stage_settings <- function(asked) {
  config <- canal_config("scbert")
  c(config[c("learning_rate", "lambda", "bank_size", "label_smoothing", "patience",
             "accumulation", "clip_norm")],
    list(oversample = FALSE, epochs = asked$epochs, batch_size = asked$batch, validation = 0,
         trainable = "stage", redraw_interval = 0, seed = 1, num_threads = asked$threads, verbose = FALSE,
         compute = canalR:::compute_on("cpu", asked$precision),
         cache = canalR:::cache_options("auto")))
}

asked <- network_options(cells = 28, batch = 14, epochs = 3)
set.seed(1)
settings <- stage_settings(asked)
stage <- make_stage(asked, settings)
setting_up <- seconds_of(trainer <- canalR:::new_trainer(stage, settings))
losses <- list()
epoch <- function() {
  losses[[length(losses) + 1]] <<-
    canalR:::cpp_train_epoch(trainer, settings$learning_rate, TRUE, NULL)
}
first <- seconds_of(epoch())
seconds <- stats::median(vapply(seq_len(asked$epochs), function(i) seconds_of(epoch()), 0))
# The first batch alone starts where the old model stands.
stopifnot(all(is.finite(unlist(losses))), losses[[length(losses)]]$distillation > 0)

cat("Machine:", machine_text(), "\n")
cat(sprintf("Work: stage 2, %d cells (%d of them from the bank) of %d tokens, batches of %d, %d ",
            asked$cells, ncol(stage$model@bank$tokens), asked$tokens, asked$batch, asked$threads))
cat(sprintf("threads, precision %s (%s), median of %d epochs\n", asked$precision,
            kernels(asked$precision), asked$epochs))
cat(sprintf("Once: setting up with the old model's embeddings %.3f s per cell; ",
            setting_up / asked$cells))
cat(sprintf("first epoch %.3f s per cell\n", first / asked$cells))
tell_result(seconds / asked$cells)
