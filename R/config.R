# The one place where hyper-parameters have their values: entry, scbert, compact, lowest, highest,
# whole number or not. The highest is infinite only where nothing has to hold that many. Functions
# take their defaults from a model's configuration.
config_entries <- function() {
  head_width <- 64
  prepared <- formals(canal_prepare)
  list(
    dim               = list(200, 32, 1, 4096, TRUE),
    depth             = list(6, 2, 1, 64, TRUE),
    heads             = list(10, 2, 1, 64, TRUE),
    head_width        = list(head_width, 16, 1, 1024, TRUE),
    features          = list(floor(head_width * log(head_width)), 32, 1, 65536, TRUE),
    ff_mult           = list(4, 4, 1, 64, TRUE),
    fc1               = list(128, 128, 1, 65536, TRUE),
    fc2               = list(64, 64, 1, 65536, TRUE),
    token_sd          = list(1, 1, 0, 100, FALSE),
    position_sd       = list(1, 0.1, 0, 100, FALSE),
    n_bins            = list(prepared$n_bins, prepared$n_bins, 1, 254, TRUE),
    n_genes           = list(prepared$n_genes, prepared$n_genes, 1, Inf, TRUE),
    target_sum        = list(prepared$target_sum, prepared$target_sum, 1e-6, 1e15, FALSE),
    epochs            = list(100, 15, 1, 1e6, TRUE),
    batch_size        = list(14, 14, 1, 1e9, TRUE),
    learning_rate     = list(2e-4, 2e-3, 0, 1, FALSE),
    learning_rate_min = list(1e-6, 1e-6, 0, 1, FALSE),
    first_cycle       = list(15, 15, 1, 1e6, TRUE),
    warm_up           = list(5, 5, 0, 1e6, TRUE),
    cycle_mult        = list(2, 2, 1, 100, FALSE),
    cycle_decay       = list(0.9, 0.9, 0, 1, FALSE),
    weight_decay      = list(0, 0, 0, 1, FALSE),
    accumulation      = list(1, 1, 1, 1e9, TRUE),
    clip_norm         = list(0, 0, 0, 1e12, FALSE),
    amsgrad           = list(1, 1, 0, 1, TRUE),
    label_smoothing   = list(0.1, 0.1, 0, 0.99, FALSE),
    dropped_tokens    = list(0, 0.7, 0, 1, FALSE),
    lambda            = list(0.1, 0.1, 0, 1e6, FALSE),
    bank_size         = list(1000, 1000, 0, 1e9, TRUE),
    new_genes         = list(0, 0, 0, 1e6, TRUE),
    outside_genes     = list(100, 100, 0, 1e6, TRUE),
    kept_genes        = list(2000, 2000, 0, 1e6, TRUE),
    patience          = list(10, 15, 1, Inf, TRUE),
    validation        = list(0.2, 0.2, 0, 0.9, FALSE),
    history_size      = list(1000, 1000, 0, Inf, TRUE),
    redraw_interval   = list(1000, 0, 0, 1e9, TRUE),
    temperature       = list(0.8, 0.8, 1e-6, 1e6, FALSE),
    unsure_below      = list(0.5, 0.5, 0, 1, FALSE),
    pretrain_epochs        = list(100, 30, 1, 1e6, TRUE),
    pretrain_batch_size    = list(3, 16, 1, 1e9, TRUE),
    pretrain_accumulation  = list(60, 1, 1, 1e9, TRUE),
    pretrain_learning_rate = list(1e-4, 2e-3, 0, 1, FALSE),
    pretrain_clip_norm     = list(100, 100, 0, 1e12, FALSE),
    pretrain_validation    = list(0.05, 0.05, 0, 0.9, FALSE),
    masked                 = list(0.15, 0.15, 1e-6, 1, FALSE),
    replaced               = list(0.9, 0.9, 0, 1, FALSE),
    zeros                  = list(0, 0, 0, 1e6, FALSE)
  )
}

#' Hyper-parameters of the network and of its training
#'
#' A list with every hyper-parameter of canalR, each stated once, here. The functions that use one
#' take their default from the model's configuration.
#'
#' @param preset `"scbert"`: the published network, and the published training of a pre-trained one.
#'   `"compact"`: a network small enough to be trained from nothing on a laptop, with a training
#'   that suits it.
#' @param ... Entries to change, by name, each one number.
#'
#' @details
#' The network:
#' * `dim`: width of the model. `depth`: layers. `heads`, `head_width`: attention heads and the
#'   width of each. `features`: random features of the attention (published: `head_width *
#'   log(head_width)`). `ff_mult`: inner width of the feed-forward part over `dim`. `fc1`, `fc2`:
#'   widths of the classification head; `fc2` is that of the embedding.
#' * `token_sd`, `position_sd`: standard deviations of an untrained network's token and position
#'   tables. The tokens start in the order of their expression, on a quarter circle between two
#'   random directions, and the first classification head reads that order; a position table of
#'   smaller spread than the tokens' keeps it legible.
#'
#' Preparation: `n_bins` (largest token), `target_sum` and `n_genes` (variable genes that a first
#' stage chooses), as in [canal_prepare()].
#'
#' Training, as in [canal_train()]:
#' * `epochs`, `batch_size` (cells), `learning_rate`, `label_smoothing`, `lambda` (weight of the
#'   distillation), `bank_size` (cells, of all types together), `patience` (validations without a
#'   better accuracy), `validation` (share of the cells held out), `redraw_interval` (batches
#'   between two draws of the attention's random features, 0 for never), `weight_decay`.
#' * `dropped_tokens`: the largest share of a training cell's tokens that are set to 0, as if fewer
#'   of its transcripts had been caught. Every cell gets, in every step, a share of its own between
#'   0 and this. Held-out cells, the bank and the distillation's targets keep all their tokens. 0
#'   turns it off.
#' * `learning_rate_min`, `first_cycle`, `warm_up` (epochs), `cycle_mult`, `cycle_decay`: the cosine
#'   schedule with warm restarts.
#' * `accumulation` (mini-batches per step), `clip_norm` (longest gradient, 0 for no limit),
#'   `amsgrad` (1: Adam with amsgrad, 0: without).
#' * `new_genes`: the most genes that may join the sequence at a later stage; `outside_genes`: the
#'   most genes that may join a pre-trained vocabulary in the first one; `kept_genes`: how many of
#'   the next most variable genes the bank keeps tokens of, in case they join.
#' * `history_size`: the most held-out cells of a stage that the model keeps for its history.
#'
#' Pre-training, as in [canal_pretrain()]: `pretrain_epochs`, `pretrain_batch_size`,
#' `pretrain_accumulation`, `pretrain_learning_rate`, `pretrain_clip_norm`, `pretrain_validation`;
#' `masked`, `replaced` and `zeros`.
#'
#' Prediction, as in [canal_predict()]: `temperature` of CANAL's energy, `unsure_below`: confidence
#' under which `novelty = "threshold"` calls a cell unassigned.
#'
#' @return A list of class `canal_config`.
#' @section Errors: `canalR_error_argument` for an unknown preset or entry, or a value out of range.
#' @source Network: scBERT (Yang et al. 2022), Methods; Performer (Choromanski et al. 2021), section
#'   2. Training: CANAL, Methods.
#' @examples
#' canal_config()
#' canal_config("compact", n_genes = 500)$n_genes
#' @export
canal_config <- function(preset = c("scbert", "compact"), ...) {
  if (missing(preset)) preset <- preset[1]
  check_choice(preset, c("scbert", "compact"), "preset")
  entries <- config_entries()
  config <- lapply(entries, `[[`, match(preset, c("scbert", "compact")))
  changes <- list(...)
  check_config_names(names(changes), length(changes), names(entries))
  config[names(changes)] <- changes
  config <- structure(config, preset = preset, class = "canal_config")
  check_config(config)
  config
}

check_config <- function(config) {
  if (!inherits(config, "canal_config")) {
    canal_abort("argument", "config", "a canal_config()", describe_value(config))
  }
  for (name in names(config_entries())) {
    entry <- config_entries()[[name]]
    check_number(config[[name]], name, entry[[3]], entry[[4]], entry[[5]])
  }
  check_cycle(config)
}

# A cycle that is all warm-up leaves nothing for the cosine, and the next would be shorter still.
check_cycle <- function(config) {
  if (config$warm_up >= config$first_cycle) {
    canal_abort("argument", "warm_up", sprintf("fewer epochs than `first_cycle`, %g",
                                               config$first_cycle),
                format(config$warm_up))
  }
}

check_config_names <- function(given, count, known) {
  unknown <- setdiff(given, known)
  if (length(unknown) || (count > 0 && (is.null(given) || any(given == "")))) {
    canal_abort("argument", "...", "entries of the configuration by name",
                if (length(unknown)) some_of(unknown) else "a value without a name",
                paste("There are:", paste(known, collapse = ", ")))
  }
}

#' @export
print.canal_config <- function(x, ...) {
  cat("canalR configuration (preset \"", attr(x, "preset"), "\")\n", sep = "")
  values <- vapply(unclass(x), format, "")
  cat(paste0("  ", format(names(values)), "  ", values, "\n"), sep = "")
  invisible(x)
}
