#' Train the classifier of a CELLULAR model
#'
#' A network of two hidden layers on the embedding, whose encoder stays as it is. Any labelled cells
#' will do: those that the embedding was trained on, or others, with the same types or others.
#'
#' @inheritParams cellular_train
#' @param model A [CellularModel-class]. A classifier that it has is replaced.
#' @param hidden Widths of the two hidden layers, whole numbers; one number for both.
#' @param learning_rate Highest learning rate, 0 to 1, with the schedule of [cellular_train()].
#' @param dropout Share of the first hidden layer's values that are dropped in training, 0 to 0.99.
#' @param loss `"published"`: the cross-entropy of the softmax of the network's *probabilities*, as
#'   the published program has it. `"plain"`: that of its logits, as usual.
#' @param search `TRUE` tries `trials` settings and keeps the one with the smallest validation loss;
#'   `hidden`, `learning_rate` and `dropout` are then chosen, not given.
#' @param trials How many settings (1 to 10,000), drawn at random: widths from 64 to 2,048 and the
#'   learning rate from 1e-5 to 1e-2, both evenly by their logarithm, dropout from 0 to 0.5. All
#'   are trained for a quarter of the epochs, the better half of them for another quarter, and the
#'   better half of those to the end (successive halving).
#' @param max_missing The largest share (0 to 1) of the model's genes that `x` may lack. They count
#'   as zeros.
#'
#' @details
#' Cells are embedded on `num_threads` threads. The classifier is trained on one: its layers are
#' small, and LibTorch's sums over a mini-batch depend on how many threads share them. One seed so
#' gives one classifier, to the last bit.
#'
#' @return `model` with the classifier, the types of these cells as its labels.
#' @section Errors: as [cellular_train()]; `canalR_error_overlap` where more than `max_missing` of
#'   the model's genes are missing, as in [cellular_predict()].
#' @source CELLULAR (Andrekson and Mercado 2024), Methods.
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' file <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
#' pancreas <- canal_read_h5ad(file)
#' train <- pancreas[, pancreas$batch %in% c("indrop", "celseq")]
#' model <- cellular_train(train, "celltype", "batch", latent_dim = 20, n_genes = 200, epochs = 3,
#'                         seed = 1, verbose = FALSE)
#' model <- cellular_classifier(train, "celltype", model, hidden = 32, epochs = 3, seed = 1,
#'                              verbose = FALSE)
#' model
#' @export
cellular_classifier <- function(x, labels, model, hidden = 512, learning_rate = 1e-3,
                                dropout = 0.2, loss = c("published", "plain"), search = FALSE,
                                trials = 20, epochs = 50, batch_size = 256, warm_up = 4,
                                weight_decay = 5e-5, patience = 10, validation = 0.2,
                                max_missing = 0.3, seed = NULL, num_threads = NULL, verbose = TRUE,
                                assay.type = "counts") {
  check_cellular_model(model)
  check_flag(verbose, "verbose")
  check_flag(search, "search")
  if (missing(loss)) loss <- loss[1]
  given <- c(hidden = !missing(hidden), learning_rate = !missing(learning_rate),
             dropout = !missing(dropout), trials = !missing(trials))
  settings <- classifier_settings(list(
    hidden = hidden, learning_rate = learning_rate, dropout = dropout, loss = loss,
    trials = trials, epochs = epochs, batch_size = batch_size, warm_up = warm_up,
    weight_decay = weight_decay, patience = patience, validation = validation,
    max_missing = max_missing
  ), search, names(given)[given])
  settings <- c(settings, list(seed = resolve_seed(seed), num_threads = num_threads,
                               verbose = verbose))
  started <- proc.time()[["elapsed"]]
  cells <- labelled_cells(x, labels, NULL, assay.type, num_threads, verbose)
  data <- classifier_data(cells, model, settings)
  suspendInterrupts({
    found <- if (search) {
      search_classifier(data, settings)
    } else {
      list(settings = settings, run = run_classifier(data, settings))
    }
    model <- end_classifier(model, data, found, proc.time()[["elapsed"]] - started)
    tell_classifier(model, verbose)
    take_late_interrupt(verbose)
    model
  })
}

# Checks them all. given: names of those that the user gave.
classifier_settings <- function(settings, search, given) {
  settings$hidden <- rep_len(check_hidden(settings$hidden), 2)
  check_choice(settings$loss, c("published", "plain"), "loss")
  check_number(settings$trials, "trials", 1, 1e4, whole = TRUE)
  check_number(settings$max_missing, "max_missing", 0, 1)
  check_cellular_settings(settings)
  check_epochs(settings$epochs, settings$warm_up)
  check_searchable(search, settings$validation, given)
  settings
}

check_hidden <- function(hidden) {
  fits <- is.numeric(hidden) && length(hidden) %in% 1:2 && !anyNA(hidden) &&
    all(hidden >= 1 & hidden <= 65536 & hidden == round(hidden))
  if (!fits) {
    canal_abort("argument", "hidden", "one or two whole numbers from 1 to 65536",
                if (is.numeric(hidden)) some_of(format(hidden)) else describe_value(hidden))
  }
  hidden
}

check_searchable <- function(search, validation, given) {
  if (!search) {
    if (!"trials" %in% given) return(invisible())
    canal_abort("argument", "trials", "nothing without a search", "some",
                "Set `search = TRUE` too.")
  }
  if (validation == 0) {
    canal_abort("argument", "validation", "a share above 0, which the search judges by", "0")
  }
  searched <- intersect(given, c("hidden", "learning_rate", "dropout"))
  if (length(searched)) {
    canal_abort("argument", "search", sprintf("FALSE where `%s` is given", searched[1]), "TRUE")
  }
}

# Embeddings (cells x latent), types (from 1) of training and held-out cells.
classifier_data <- function(cells, model, settings) {
  embedding <- embed_counts(cells$counts, model, settings$max_missing, settings)
  used <- cells_with_counts(cells, Matrix::colSums(cells$counts[
    rownames(cells$counts) %in% model@genes, , drop = FALSE
  ]), settings$verbose)
  types <- cells$types[used]
  check_types_to_tell(types)
  labels <- sort(unique(types), method = "radix")
  held <- hold_out(types, settings$validation, derive_seed(settings$seed, 4))
  type <- match(types, labels)
  part <- function(chosen) {
    list(embedding = embedding[used[chosen], , drop = FALSE], types = type[chosen])
  }
  list(labels = labels, train = part(!held), held = part(held))
}

check_types_to_tell <- function(types) {
  check_no_unassigned(types)
  if (length(unique(types)) < 2) {
    canal_abort("labels", "labels", "at least two types", paste("only", some_of(unique(types))),
                "A classifier needs types to tell apart.")
  }
}

check_no_unassigned <- function(types) {
  if (any(types == unassigned_label)) {
    canal_abort("labels", "labels", "names of cell types", "\"Unassigned\"",
                "That name is kept for cells of no known type.")
  }
}

# On one thread, for the same weights whatever the machine has.
new_classifier <- function(data, settings, number = 0) {
  settings$num_threads <- 1
  seed <- derive_seed(settings$seed, 20 + number)
  cells <- length(data$train$types)
  start <- cpp_cellular_classifier_start(ncol(data$train$embedding), settings$hidden[1],
                                         settings$hidden[2], length(data$labels), seed)
  cpp_cellular_classifier_trainer(
    start, data$train$embedding, data$train$types - 1L,
    c(list(dropout = settings$dropout, plain_cross_entropy = settings$loss == "plain",
           weight_decay = settings$weight_decay, seed = seed), step_options(cells, settings))
  )
}

start_of_classifier <- function() {
  list(losses = data.frame(epoch = integer(), learning_rate = numeric(), loss = numeric(),
                           accuracy = numeric(), validation_loss = numeric(),
                           validation_accuracy = numeric()),
       stopped = "epochs", best_epoch = 0L, best_loss = Inf)
}

run_classifier <- function(data, settings) {
  trainer <- new_classifier(data, settings)
  on.exit(cpp_cellular_classifier_release(trainer))
  progress <- epoch_progress("Classifier", length(data$train$types), classifier_epoch_text,
                             settings)
  on.exit(progress$close(), add = TRUE)
  run <- classify_until(settings$epochs, start_of_classifier(), trainer, data, settings, progress)
  run$weights <- cpp_cellular_classifier_best(trainer)
  run
}

# Goes on with a training until so many of its epochs are behind it.
classify_until <- function(epochs, run, trainer, data, settings, progress) {
  rates <- warm_cosine_rates(settings$epochs, settings$learning_rate, settings$warm_up)
  nowhere <- training_checkpoint(NULL, "classifier", NULL, settings$seed)
  training <- classifier_training(trainer, data, settings, progress)
  run_training(run, rates[seq_len(epochs)], training, nowhere, progress, settings)
}

classifier_training <- function(trainer, data, settings, progress) {
  list(
    epoch = function(number, rate) classifier_epoch(trainer, data, number, rate, progress),
    judge = function(run, row) {
      judge_by_loss(run, row, function() cpp_cellular_classifier_keep_best(trainer))
    },
    is_over = function(run) encoder_is_over(run, data, settings)
  )
}

classifier_epoch <- function(trainer, data, number, rate, progress) {
  trained <- until_interrupt(cpp_cellular_classifier_train(trainer, NULL, rate, progress$cells))
  if (is.null(trained)) return(NULL)
  held <- until_interrupt(validate_classifier(trainer, data$held))
  if (is.null(held)) return(NULL)
  row <- data.frame(epoch = number, learning_rate = rate, loss = trained$loss,
                    accuracy = trained$accuracy, validation_loss = held$loss,
                    validation_accuracy = held$accuracy)
  list(row = row, finite = is.finite(trained$loss) && !is.nan(held$loss))
}

# NA without held-out cells.
validate_classifier <- function(trainer, held) {
  if (!length(held$types)) return(list(loss = NA_real_, accuracy = NA_real_))
  truth0 <- held$types - 1L
  found <- cpp_cellular_classifier_validate(trainer, held$embedding, truth0)
  if (is.null(found)) return(NULL)
  list(loss = found$loss, accuracy = mean(found$predicted0 == truth0))
}

classifier_epoch_text <- function(run) {
  last <- run$losses[nrow(run$losses), ]
  sprintf("epoch %d: loss %.3f, validation accuracy %.3f", last$epoch, last$loss,
          last$validation_accuracy)
}

# Successive halving. Returns the settings and the run of the best trial, and a row per trial.
search_classifier <- function(data, settings) {
  trials <- settings$trials
  trial <- draw_trials(trials, derive_seed(settings$seed, 5))
  tries <- lapply(seq_len(trials), function(i) {
    own <- utils::modifyList(settings, list(
      hidden = c(trial$width_1[i], trial$width_2[i]), learning_rate = trial$learning_rate[i],
      dropout = trial$dropout[i], verbose = FALSE
    ))
    list(settings = own, trainer = new_classifier(data, own, i), run = start_of_classifier())
  })
  on.exit(for (try in tries) cpp_cellular_classifier_release(try$trainer))
  left <- seq_len(trials)
  for (share in c(0.25, 0.5, 1)) {
    # In the first epoch nothing is learned yet.
    epochs <- min(settings$epochs, max(2, ceiling(share * settings$epochs)))
    canal_inform("search", sprintf("Search: %d settings to epoch %d.", length(left), epochs),
                 settings$verbose)
    tries[left] <- train_trials(tries[left], epochs, data)
    trial[left, c("epochs", "validation_loss")] <- trial_results(tries[left])
    if (was_interrupted(tries)) break
    if (share < 1) left <- better_half(left, trial$validation_loss)
  }
  best <- which.min(trial$validation_loss)
  run <- tries[[best]]$run
  run$weights <- cpp_cellular_classifier_best(tries[[best]]$trainer)
  if (was_interrupted(tries)) run$stopped <- "interrupt"
  trial$chosen <- seq_len(trials) == best
  list(settings = tries[[best]]$settings, run = run, search = trial)
}

# Each goes on to that epoch; after an interrupt the others stay where they are.
train_trials <- function(tries, epochs, data) {
  quiet <- list(cells = NULL, epoch = function(run) NULL)
  for (i in seq_along(tries)) {
    try <- tries[[i]]
    tries[[i]]$run <- classify_until(epochs, try$run, try$trainer, data, try$settings, quiet)
    if (was_interrupted(tries[i])) break
  }
  tries
}

was_interrupted <- function(tries) {
  any(vapply(tries, function(try) try$run$stopped == "interrupt", NA))
}

draw_trials <- function(trials, seed) {
  by_logarithm <- function(low, high) exp(stats::runif(trials, log(low), log(high)))
  with_seed(seed, data.frame(
    trial = seq_len(trials), width_1 = round(by_logarithm(64, 2048)),
    width_2 = round(by_logarithm(64, 2048)), learning_rate = by_logarithm(1e-5, 1e-2),
    dropout = stats::runif(trials, 0, 0.5), epochs = 0L, validation_loss = Inf
  ))
}

trial_results <- function(tries) {
  data.frame(epochs = vapply(tries, function(try) nrow(try$run$losses), 0L),
             validation_loss = vapply(tries, function(try) try$run$best_loss, 0))
}

better_half <- function(left, loss) {
  sort(left[order(loss[left])][seq_len(ceiling(length(left) / 2))])
}

end_classifier <- function(model, data, found, seconds) {
  run <- found$run
  best <- run$losses[run$losses$epoch == run$best_epoch, ]
  model@labels <- data$labels
  model@history$classifier <- list(
    cells = length(data$train$types), losses = run$losses, best_epoch = run$best_epoch,
    best_accuracy = c(best$validation_accuracy, NA)[1], stopped = run$stopped, seconds = seconds,
    settings = found$settings[c("hidden", "learning_rate", "dropout", "loss", "epochs",
                                "batch_size", "warm_up", "weight_decay", "patience", "validation",
                                "seed")]
  )
  model@history$search <- found$search
  with_cellular_weights(model, classifier = run$weights)
}

tell_classifier <- function(model, verbose) {
  record <- model@history$classifier
  tried <- nrow(model@history$search)
  canal_inform("classifier", sprintf(
    "Classifier of %d types%s; epochs: %d (%s), best validation accuracy %s; %.1f s.",
    length(model@labels), if (is.null(tried)) "" else sprintf(", the best of %d tried", tried),
    nrow(record$losses), stop_reasons[[record$stopped]], format(round(record$best_accuracy, 3)),
    record$seconds
  ), verbose)
}
