#' Pre-train a network on unlabelled cells
#'
#' Teaches a network the language of gene expression by masked tokens, as scBERT does: of a cell's
#' expressed genes some are hidden, and the network is trained to tell their tokens from the rest
#' of the cell. No labels are needed. What comes out is where [canal_train()] starts from.
#'
#' @inheritParams canal_train
#' @param x Cells without labels: a SingleCellExperiment, SummarizedExperiment or Seurat object, a
#'   matrix or `dgCMatrix` (genes x cells, raw counts), the path of an `.h5ad`, of a 10x `.h5` file
#'   or folder, or a list of several of these. Genes that one of them lacks are zeros in its cells.
#'   Tokens that do not fit into `memory` are prepared from the files anew in every epoch, block by
#'   block.
#' @param vocabulary A [canal_vocabulary()] or gene symbols: the genes of the sequence, all of them.
#'   Its position table, if it has one, stays fixed; else one is learned. A
#'   [CanalModel][CanalModel-class] that has not been trained yet: its pre-training goes on.
#' @param config A [canal_config()]; that of `vocabulary` where it is a model.
#' @param epochs The most epochs, a whole number from 1.
#' @param batch_size Cells of a mini-batch, a whole number from 1.
#' @param accumulation Mini-batches per step of the optimiser, a whole number from 1.
#' @param learning_rate Highest learning rate of the schedule, see [canal_config()].
#' @param clip_norm Longest gradient of a step; longer ones are scaled down. 0: no limit.
#' @param patience Stop after so many validations (one an epoch) in a row without a smaller loss; a
#'   whole number from 1, or `Inf`.
#' @param validation Share of the cells held out, 0 to 0.9.
#' @param masked Share of a cell's tokens above 0 that are predicted, up to 1, rounded up to whole
#'   tokens.
#' @param replaced Probability (0 to 1) that such a token is hidden behind the mask token; else it
#'   stays visible.
#' @param zeros Tokens 0 that are predicted as well, for each of the others. 0 is the published
#'   choice. A network that never has to predict a 0 need not know which genes a cell is silent in.
#' @param balance `TRUE` weighs each kind of token by the inverse of its frequency among the
#'   predicted ones, so that each counts the same, however rare. `FALSE` is the published loss, of
#'   which the token 1 has the largest part.
#' @param memory Bytes that tokens may take, one for each cell and gene. Which cells are held out
#'   does not depend on it, the order of the others does.
#' @param min_genes Leave out cells with fewer detected genes of the vocabulary, see
#'   [canal_prepare()].
#'
#' @details The loss is the cross-entropy of the predicted tokens, a mean over those of a
#' mini-batch. The optimiser is Adam. The best network is the one with the smallest loss on the
#' held-out cells, whose masks are the same in every epoch.
#'
#' Cells are drawn in random order in every epoch. Where tokens do not fit into `memory`, blocks of
#' cells come in random order, and cells within a block.
#'
#' Ctrl-C returns the best network so far. With `checkpoint` a run that was stopped, in whatever
#' way, goes on from its last whole epoch when the same call is made again, see [canal_train()].
#'
#' @return A [CanalModel-class] to give to [canal_train()]. `canal_pretraining()` gives its record:
#'   a data frame with a row per epoch, `learning_rate`, `loss` and `accuracy` (share of predicted
#'   tokens that were right) in training, the same on the held-out cells (`validation_loss`,
#'   `validation_accuracy`), and `recall`, the mean over the kinds of token of the share that was
#'   right, in which rare tokens count like frequent ones.
#' @section Errors: those of [canal_prepare()]; `canalR_error_argument`; `canalR_error_checkpoint`
#'   for a checkpoint of another training.
#' @source scBERT (Yang et al. 2022), Methods, pre-training.
#' @examples
#' set.seed(1)
#' genes <- paste0("GENE", 1:30)
#' counts <- matrix(rpois(30 * 60, 2), 30, dimnames = list(genes, paste0("cell", 1:60)))
#' model <- canal_pretrain(counts, genes, canal_config("compact"), epochs = 2, seed = 1,
#'                         verbose = FALSE)
#' canal_pretraining(model)
#' @export
canal_pretrain <- function(x, vocabulary, config = canal_config("scbert"),
                           epochs = config$pretrain_epochs,
                           batch_size = config$pretrain_batch_size,
                           accumulation = config$pretrain_accumulation,
                           learning_rate = config$pretrain_learning_rate,
                           clip_norm = config$pretrain_clip_norm,
                           patience = Inf,
                           validation = config$pretrain_validation,
                           masked = config$masked,
                           replaced = config$replaced,
                           zeros = config$zeros,
                           balance = FALSE,
                           redraw_interval = config$redraw_interval,
                           memory = 2e9, checkpoint = NULL, team = NULL,
                           seed = NULL, num_threads = NULL, device = "cpu", precision = "auto",
                           verbose = TRUE, assay.type = "counts", min_genes = NULL) {
  if (is(vocabulary, "CanalModel") && missing(config)) config <- vocabulary@config
  check_config(config)
  check_flag(balance, "balance")
  if (!is.null(min_genes)) check_number(min_genes, "min_genes", 0, .Machine$integer.max)
  check_flag(verbose, "verbose")
  check_optional_team(team)
  settings <- list(
    epochs = epochs, batch_size = batch_size, accumulation = accumulation,
    learning_rate = learning_rate, clip_norm = clip_norm, patience = patience,
    validation = validation, masked = masked, replaced = replaced, zeros = zeros,
    redraw_interval = redraw_interval, balance = balance,
    seed = from_rank_0(team, checkpoint_seed(seed, checkpoint, "pretraining"))
  )
  check_pretraining(settings)
  settings <- c(settings, list(num_threads = num_threads, team = team,
                               verbose = verbose && is_rank_0(team),
                               compute = compute_on(device, precision)))
  model <- network_to_pretrain(vocabulary, config, settings$seed)
  cells <- pretraining_cells(x, model, assay.type, min_genes, memory, settings)
  started <- proc.time()[["elapsed"]]
  suspendInterrupts({
    run <- run_pretraining(model, cells, settings, checkpoint)
    model <- from_rank_0(team, end_pretraining(model, run, cells, settings,
                                               proc.time()[["elapsed"]] - started))
    take_late_interrupt(verbose)
    model
  })
}

#' @rdname canal_pretrain
#' @export
canal_pretraining <- function(model) {
  check_model(model)
  losses <- as.data.frame(model@provenance$pretraining$losses)
  if (!nrow(losses)) {
    canal_abort("stages", "model", "a model of canal_pretrain()", "another one",
                "A file of canal_export() does not keep the record; canal_save() does.")
  }
  losses
}

# Bounds as the configuration has them for the training of stages.
check_pretraining <- function(settings) {
  entries <- config_entries()
  bounds <- c(epochs = "epochs", batch_size = "batch_size", learning_rate = "learning_rate",
              patience = "patience", validation = "validation", masked = "masked",
              replaced = "replaced", zeros = "zeros", accumulation = "accumulation",
              clip_norm = "clip_norm", redraw_interval = "redraw_interval")
  for (name in names(bounds)) {
    entry <- entries[[bounds[[name]]]]
    check_number(settings[[name]], name, entry[[3]], entry[[4]], entry[[5]])
  }
}

network_to_pretrain <- function(vocabulary, config, seed) {
  if (!is(vocabulary, "CanalModel")) return(canal_model(config, vocabulary, derive_seed(seed, 1)))
  if (length(vocabulary@labels)) {
    canal_abort("model", "vocabulary", "a model without types", "one that was trained on labels",
                "Pre-training comes before the first canal_train().")
  }
  vocabulary
}

# The epochs. Returns the best weights, the losses by epoch and what ended it, as run_epochs() does.
run_pretraining <- function(model, cells, settings, checkpoint) {
  run <- list(weights = model@weights, losses = empty_pretraining(), stopped = "epochs",
              best_epoch = 0L, best_loss = Inf)
  tell_libraries(settings$compute$device)
  trainer <- cpp_pretrainer(model@weights, pretrainer_options(model, cells, settings))
  on.exit(cpp_release_pretrainer(trainer))
  kept <- training_checkpoint(
    checkpoint, "pretraining",
    list(model@provenance$id, cells$digest(), model@provenance$positions,
         deciding_settings(settings, model@config, pretraining_settings)),
    settings$seed, settings$team
  )
  progress <- epoch_progress("Pre-training", cells$count, pretraining_text, settings, every = 1)
  on.exit(progress$close(), add = TRUE)
  rates <- learning_rates(settings$epochs, settings$learning_rate, model@config)
  run <- run_training(run, rates, pretraining(trainer, cells, settings, progress), kept, progress,
                      settings)
  run$weights <- cpp_pretrainer_best(trainer)
  run
}

pretraining <- function(trainer, cells, settings, progress) {
  list(
    epoch = function(number, rate) {
      pretrain_epoch(trainer, cells, number, rate, settings, progress)
    },
    judge = function(run, row) {
      judge_by_loss(run, row, function() cpp_pretrainer_keep_best(trainer))
    },
    is_over = function(run) pretraining_is_over(run, settings),
    state = function() cpp_pretrainer_state(trainer),
    restore = function(state) cpp_restore_pretrainer(trainer, state)
  )
}

pretraining_text <- function(run) {
  last <- run$losses[nrow(run$losses), ]
  sprintf("epoch %d: loss %.3f, held out %.3f, masked accuracy %.3f", last$epoch, last$loss,
          last$validation_loss, last$validation_accuracy)
}

# What decides the result of a pre-training.
pretraining_settings <- c("batch_size", "accumulation", "learning_rate", "clip_norm", "patience",
                          "validation", "masked", "replaced", "zeros", "redraw_interval",
                          "balance", "seed")

pretraining_is_over <- function(run, settings) {
  nrow(run$losses) > 0 && nrow(run$losses) - run$best_epoch >= settings$patience
}

pretrainer_options <- function(model, cells, settings) {
  c(settings[c("batch_size", "accumulation", "clip_norm", "redraw_interval", "masked", "replaced",
               "zeros", "compute")],
    list(amsgrad = FALSE, batch_stabiliser = FALSE, weight_decay = model@config$weight_decay,
         token_weights = token_weights(cells, model@config$n_bins, settings),
         learn_positions = identical(model@provenance$positions, "learned"),
         seed = derive_seed(settings$seed, 2), num_threads = thread_count(settings$num_threads)),
    team_option(settings$team))
}

# A weight per kind of token; none for the published loss. A token's frequency is that among the
# predicted ones: tokens above 0 as they come, and `zeros` zeros for each of them.
token_weights <- function(cells, n_bins, settings) {
  if (!settings$balance) return(numeric())
  counts <- cells$counted()[seq_len(n_bins + 1)]
  share <- c(settings$zeros, counts[-1] / max(1, sum(counts[-1])))
  present <- share > 0
  weights <- ifelse(present, 1 / (sum(present) * share), 0)
  c(weights * (1 + settings$zeros), 0)
}

empty_pretraining <- function() {
  data.frame(epoch = integer(), learning_rate = numeric(), loss = numeric(), accuracy = numeric(),
             validation_loss = numeric(), validation_accuracy = numeric(), recall = numeric())
}

# One epoch as run_training() wants it.
pretrain_epoch <- function(trainer, cells, epoch, rate, settings, progress) {
  sums <- until_interrupt(train_masked(trainer, cells, epoch, rate, settings, progress))
  if (is.null(sums)) return(NULL)
  held <- until_interrupt(validate_masked(trainer, cells, settings))
  if (is.null(held)) return(NULL)
  if (sums$chosen == 0) {
    canal_abort("counts", "x", "cells that express some of the model's genes",
                "none with an expressed gene to predict")
  }
  list(row = pretraining_row(epoch, rate, sums, held), finite = is.finite(sums$loss + held$loss))
}

pretraining_row <- function(epoch, rate, sums, held) {
  data.frame(epoch = epoch, learning_rate = rate, loss = mean_of(sums$loss, sums$weight),
             accuracy = mean_of(sums$right, sums$chosen),
             validation_loss = mean_of(held$loss, held$weight),
             validation_accuracy = mean_of(held$right, held$chosen),
             recall = mean(held$right_by_token / held$chosen_by_token, na.rm = TRUE))
}

mean_of <- function(sum, count) if (count > 0) sum / count else NA_real_

# Steps over all training cells. Those of a block that fill no step go on with the next block.
train_masked <- function(trainer, cells, epoch, rate, settings, progress) {
  step <- settings$batch_size * settings$accumulation
  sums <- NULL
  waiting <- NULL
  done <- 0
  train <- function(tokens) {
    if (!ncol(tokens)) return(invisible())
    report <- if (!is.null(progress$cells)) {
      function(now, total) progress$cells(done + now, total)
    }
    part <- cpp_pretrain(trainer, tokens, rate, report)
    if (is.null(part)) signalCondition(interrupted())
    sums <<- added(sums, part)
    done <<- done + ncol(tokens)
  }
  for (tokens in cells$training(derive_seed(settings$seed, 100 + epoch))) {
    tokens <- cbind(waiting, tokens())
    whole <- ncol(tokens) %/% step * step
    train(tokens[, seq_len(whole), drop = FALSE])
    waiting <- tokens[, whole + seq_len(ncol(tokens) - whole), drop = FALSE]
  }
  train(waiting)
  sums
}

validate_masked <- function(trainer, cells, settings) {
  sums <- list(loss = 0, weight = 0, right = 0, chosen = 0, chosen_by_token = 0,
               right_by_token = 0)
  blocks <- cells$held_out()
  for (i in seq_along(blocks)) {
    part <- cpp_pretrain_validate(trainer, blocks[[i]](), derive_seed(settings$seed, 10 + i))
    if (is.null(part)) signalCondition(interrupted())
    sums <- added(sums, part)
  }
  sums
}

# What the engine's return after Ctrl-C is turned into, to leave all loops at once.
interrupted <- function() structure(class = c("interrupt", "condition"), list())

added <- function(sums, part) if (is.null(sums)) part else Map(`+`, sums, part)

end_pretraining <- function(model, run, cells, settings, seconds) {
  # Nothing was learned: there is a warning that says why, and the network is what it was.
  if (!nrow(run$losses)) return(model)
  model <- with_weights(model, run$weights)
  model@provenance$pretrained <- TRUE
  model@provenance$pretraining <- list(
    cells = cells$count, losses = as.list(run$losses), best_epoch = run$best_epoch,
    stopped = run$stopped, seconds = seconds, computed = settings$compute$name,
    settings = settings[pretraining_settings]
  )
  last <- run$losses[run$losses$epoch == run$best_epoch, ]
  canal_inform("pretrain", sprintf(
    "Pre-trained on %s cells; epochs: %d (%s); best: %d, masked accuracy %s; %.1f s.",
    thousands(cells$count), nrow(run$losses), stop_reasons[[run$stopped]],
    run$best_epoch, format(round(c(last$validation_accuracy, NA)[1], 3)), seconds
  ), settings$verbose)
  model
}
