# One stage: what it starts from, its epochs, and what it leaves behind.

# Grows the network for the stage's genes and types, splits the cells and sets up the native
# trainer's data.
begin_stage <- function(model, data, settings) {
  model <- keep_positions(model)
  if (nrow(model@bank$entries) == 0) model@bank <- empty_bank(length(model@genes))
  # The stage counts, so that one seed for a whole stream does not draw the same thing twice.
  stage_seed <- function(part) derive_seed(settings$seed, 10 * length(model@history) + part)
  new_types <- setdiff(sort(unique(data$types), method = "radix"), model@labels)
  warn_alike(new_types, model@labels)
  labels <- c(model@labels, new_types)
  held <- hold_out(data$types, settings$validation, stage_seed(1))
  bank_held <- hold_out(model@bank$entries$type, settings$validation,
                        stage_seed(2))
  grown <- grow_network(model, data, labels, stage_seed(3))
  train <- function(model) {
    cells <- join_cells(data, !held, model@bank, !bank_held)
    if (isTRUE(settings$oversample)) repeat_cells(cells, stage_seed(6)) else cells
  }
  model <- with_stage_genes(model, data$genes)
  list(
    model = model, data = data, labels = labels, new_types = new_types, held = held,
    weights = grown, seed = stage_seed,
    train = train(model),
    validate = join_cells(data, held, model@bank, bank_held)
  )
}

# What the model remembers of cells and genes, for a sequence with the genes that join. Its weights
# stay: they are the old network, for the distillation.
with_stage_genes <- function(model, genes) {
  model@vocabulary <- longer_vocabulary(model@vocabulary, genes$outside)
  if (!has_genes(model)) {
    model@bank <- empty_bank(length(genes$sequence))
  } else {
    model@bank <- grow_kept_cells(model@bank, genes$joined)
    model@heldout <- lapply(model@heldout, grow_kept_cells, joined = genes$joined)
  }
  model
}

# New cells and cells of the bank together: tokens (raw, genes x cells) and types.
join_cells <- function(data, chosen, bank, bank_chosen) {
  list(tokens = cbind(unname(data$tokens@tokens[, chosen, drop = FALSE]),
                      unname(bank$tokens[, bank_chosen, drop = FALSE])),
       types = c(data$types[chosen], bank$entries$type[bank_chosen]))
}

repeat_cells <- function(cells, seed) {
  places <- oversampled(cells$types, seed)
  list(tokens = cells$tokens[, places, drop = FALSE], types = cells$types[places])
}

grow_network <- function(model, data, labels, seed) {
  weights <- model@weights
  genes <- data$genes
  known <- setdiff(genes$sequence, genes$joined)
  if (!has_genes(model) && !identical(known, model@vocabulary$genes)) {
    weights <- cpp_cut_positions(weights, match(known, model@vocabulary$genes) - 1L)
  }
  weights <- with_joined_genes(weights, genes$joined, data$tokens@tokens, known, model, seed)
  if (has_genes(model)) return(cpp_grow_types(weights, length(labels), seed))
  cpp_add_head(weights, model@config$fc1, model@config$fc2, length(labels), is_published(model),
               seed)
}

# Whether the encoder is one of the published programs', whose heads start as PyTorch's layers do.
# canalR's own starts from tokens in the order of their expression, pre-trained or not, and the head
# reads that.
is_published <- function(model) {
  isTRUE(model@provenance$pretrained) && is.null(model@provenance$pretraining)
}

learns_positions <- function(model) {
  identical(recipe_entry(model, "positions", model@provenance$positions), "learned")
}

new_trainer <- function(stage, settings) {
  tell_libraries(settings$compute$device)
  old <- stage$model@labels
  distil <- length(old) > 0 && settings$lambda > 0
  cpp_trainer(
    stage$weights, if (distil) stage$model@weights, stage$train$tokens,
    match(stage$train$types, stage$labels) - 1L,
    c(team_option(settings$team), list(
         trainable = settings$trainable, label_smoothing = settings$label_smoothing,
         distillation = if (distil) settings$lambda * length(old) / length(stage$labels) else 0,
         batch_size = settings$batch_size, accumulation = settings$accumulation,
         clip_norm = settings$clip_norm, amsgrad = stage$model@config$amsgrad == 1,
         weight_decay = stage$model@config$weight_decay,
         redraw_interval = settings$redraw_interval,
         dropped_tokens = stage$model@config$dropped_tokens, batch_stabiliser = FALSE,
         new_positions = learning_positions(stage$data$genes$joined, stage$model),
         learn_positions = learns_positions(stage$model),
         seed = stage$seed(4), num_threads = thread_count(settings$num_threads),
         compute = settings$compute, cache = settings$cache))
  )
}

# The epochs of a stage. Returns the best weights, the losses by epoch and what ended it:
# "epochs", "patience", "interrupt", "error" or "diverged".
run_epochs <- function(stage, settings) {
  run <- list(weights = stage$weights, losses = empty_losses(), stopped = "epochs",
              best_epoch = 0L, best_accuracy = NA_real_, best_loss = Inf, patience_from = 0)
  trainer <- until_interrupt(new_trainer(stage, settings))
  if (is.null(trainer)) {
    run$stopped <- "interrupt"
    return(run)
  }
  on.exit(cpp_release_trainer(trainer))
  progress <- epoch_progress(sprintf("Stage %d", length(stage$model@history) + 1L),
                             length(stage$train$types), stage_text, settings)
  on.exit(progress$close(), add = TRUE)
  rates <- learning_rates(settings$epochs, settings$learning_rate, stage$model@config)
  run <- run_training(run, rates, stage_training(trainer, stage, settings, progress),
                      stage_checkpoint(stage, settings), progress, settings)
  run$weights <- cpp_best_weights(trainer)
  tell_cache(cpp_cache_problem(trainer))
  run
}

stage_text <- function(run) {
  last <- run$losses[nrow(run$losses), ]
  sprintf("epoch %d: loss %.3f, validation accuracy %.3f (best %.3f)", last$epoch, last$total,
          last$validation_accuracy, run$best_accuracy)
}

out_of_patience <- function(run, stage, settings) {
  nrow(run$losses) - run$patience_from >= settings$patience && has_validation(stage)
}

# What the state of the stage that comes next is called.
stage_state <- function(model) sprintf("stage-%d", length(model@history) + 1L)

# Where the state of a stage is kept. Cells, labels, the model it starts from and what decides the
# result make it this one; the most epochs do not, so that a run can be made longer.
stage_checkpoint <- function(stage, settings) {
  training_checkpoint(
    settings$checkpoint, stage_state(stage$model),
    list(stage$model@provenance$id, stage$labels, stage$train$types, stage$validate$types,
         cpp_digest(stage$train$tokens), cpp_digest(stage$validate$tokens),
         learns_positions(stage$model), deciding_settings(settings, stage$model@config,
                                                          setdiff(stage_settings, "epochs"))),
    settings$seed, settings$team
  )
}

# The stage was trained all the same, only slower.
tell_cache <- function(problem) {
  if (!nzchar(problem)) return(invisible())
  canal_warn("cache", "cache", "room to keep what the frozen layers make of the cells", problem,
             "Give it more memory, or set TMPDIR before R starts.", call = NULL)
}

has_validation <- function(stage) length(stage$validate$types) > 0

empty_losses <- function() {
  data.frame(epoch = integer(), learning_rate = numeric(), classification = numeric(),
             distillation = numeric(), total = numeric(), validation_loss = numeric(),
             validation_accuracy = numeric())
}

stage_training <- function(trainer, stage, settings, progress) {
  list(
    epoch = function(number, rate) run_epoch(trainer, stage, number, rate, progress),
    judge = function(run, row) judge_epoch(run, row, trainer),
    is_over = function(run) out_of_patience(run, stage, settings),
    state = function() cpp_trainer_state(trainer),
    restore = function(state) cpp_restore_trainer(trainer, state)
  )
}

# Losses and accuracy of one epoch, as run_training() wants them.
run_epoch <- function(trainer, stage, number, rate, progress) {
  losses <- until_interrupt(cpp_train_epoch(trainer, rate, TRUE, progress$cells))
  if (is.null(losses)) return(NULL)
  validation <- until_interrupt(validate_epoch(trainer, stage))
  if (is.null(validation)) return(NULL)
  held <- has_validation(stage)
  list(row = c(list(epoch = number, learning_rate = rate), losses,
               validation_loss = if (held) validation$loss else NA_real_,
               validation_accuracy = validation$accuracy),
       finite = is.finite(losses$total) && is.finite(validation$loss))
}

# Loss and accuracy on the held-out cells. Without any, one training cell tells whether the weights
# are still finite: the losses of an epoch do not, as they come from before its last step.
validate_epoch <- function(trainer, stage) {
  cells <- if (has_validation(stage)) stage$validate else first_cell(stage$train)
  truth0 <- match(cells$types, stage$labels) - 1L
  validation <- cpp_validate(trainer, cells$tokens, truth0)
  if (is.null(validation)) return(NULL)
  accuracy <- if (has_validation(stage)) mean(validation$predicted0 == truth0) else NA_real_
  list(loss = validation$loss, accuracy = accuracy)
}

first_cell <- function(cells) list(tokens = cells$tokens[, 1, drop = FALSE], types = cells$types[1])

# Keeps the weights of an epoch that is better than all before: a higher validation accuracy, or the
# same with a smaller loss. Patience counts from the last higher accuracy alone. Without held-out
# cells the last epoch counts as the best.
judge_epoch <- function(run, epoch, trainer) {
  run$losses <- rbind(run$losses, as.data.frame(epoch))
  accuracy <- epoch$validation_accuracy
  higher <- is.na(accuracy) || is.na(run$best_accuracy) || accuracy > run$best_accuracy
  same <- !higher && accuracy == run$best_accuracy && epoch$validation_loss < run$best_loss
  if (higher) run$patience_from <- epoch$epoch
  if (higher || same) {
    run$best_accuracy <- accuracy
    run$best_loss <- epoch$validation_loss
    run$best_epoch <- epoch$epoch
    cpp_keep_best(trainer)
  }
  run
}

# The model after the stage: weights, bank, held-out cells and the record of the stage.
end_stage <- function(stage, run, settings, seconds) {
  model <- stage$model
  number <- length(model@history) + 1L
  model <- with_weights(model, run$weights)
  model@labels <- stage$labels
  model@genes <- stage$data$tokens@genes
  model@heldout <- c(model@heldout, list(held_cells(stage, settings)))
  candidates <- bank_candidates(stage, number, settings)
  ranked <- if (run$stopped != "interrupt") rank_stage(model, candidates, settings)
  if (is.null(ranked)) {
    model@pending <- candidates
  } else {
    model@bank <- ranked$bank
  }
  model@history <- c(model@history, list(stage_record(stage, run, model, number, ranked$accuracy,
                                                      seconds, settings)))
  model
}

# The bank and the accuracies after a stage; NULL where Ctrl-C or an error came in between, which
# must not cost the trained model.
rank_stage <- function(model, candidates, settings) {
  tryCatch(until_interrupt(list(
    bank = update_bank(model, candidates, settings$num_threads, settings$compute),
    accuracy = heldout_accuracy(model, settings)
  )), error = function(error) {
    warn_stopped(conditionMessage(error), NULL)
    NULL
  })
}

bank_candidates <- function(stage, number, settings) {
  trained <- !stage$held
  list(tokens = unname(stage$data$tokens@tokens[, trained, drop = FALSE]),
       spare = stage$data$spare[, trained, drop = FALSE],
       types = stage$data$types[trained], stage = number,
       names = rownames(stage$data$tokens)[trained], size = settings$bank_size)
}

held_cells <- function(stage, settings) {
  held <- which(stage$held)
  most <- stage$model@config$history_size
  if (length(held) > most) {
    held <- with_seed(stage$seed(5), sort(held[sample.int(length(held), most)]))
  }
  list(tokens = unname(stage$data$tokens@tokens[, held, drop = FALSE]),
       spare = stage$data$spare[, held, drop = FALSE], labels = stage$data$types[held])
}

# Accuracy on the held-out cells of every stage so far, named by stage.
heldout_accuracy <- function(model, settings) {
  accuracy <- vapply(model@heldout, function(held) {
    if (!length(held$labels)) return(NA_real_)
    logits <- run_network(held$tokens, model, "logits", thread_count(settings$num_threads),
                          settings$compute)[[1]]
    mean(model@labels[max.col(logits, ties.method = "first")] == held$labels)
  }, numeric(1))
  setNames(accuracy, seq_along(accuracy))
}

stage_record <- function(stage, run, model, number, accuracy, seconds, settings) {
  list(stage = number, cells = length(stage$held), dropped = nrow(stage$data$tokens@dropped),
       new_types = stage$new_types, types = stage$labels, new_genes = stage$data$genes$joined,
       bank = nrow(model@bank$entries),
       epochs = nrow(run$losses), best_epoch = run$best_epoch,
       best_accuracy = run$best_accuracy, accuracy = c(accuracy, numeric()), seconds = seconds,
       stopped = run$stopped, losses = run$losses, seed = settings$seed,
       settings = c(Filter(Negate(is.null), settings[stage_settings]),
                    list(computed = settings$compute$name)))
}

# Of a stage's settings those that decide its result.
stage_settings <- c("epochs", "batch_size", "accumulation", "learning_rate", "clip_norm", "lambda",
                    "bank_size", "new_genes", "oversample", "patience", "validation",
                    "label_smoothing", "trainable", "redraw_interval")
