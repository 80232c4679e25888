#' Train a CELLULAR embedding
#'
#' Trains an encoder (a small feed-forward network over variable genes) whose embedding brings cells
#' of one type together whatever batch they come from, and keeps the types as far apart from one
#' another as they are in the data. With `classifier = TRUE` a classifier is trained on top.
#'
#' @param x Cells with raw counts: a SingleCellExperiment, SummarizedExperiment or Seurat object, a
#'   matrix or `dgCMatrix` (genes x cells), or the path of an `.h5ad`, or of a 10x `.h5` file
#'   or folder (see [canal_read_10x()]).
#' @param labels The cells' types: the name of a column of `x`, or a vector with one per cell.
#' @param batch The cells' batches in the same way. `NULL`: all are one.
#' @param latent_dim Width of the embedding (a whole number from 1), and how many principal
#'   components the centroid loss takes its distances from.
#' @param n_genes How many variable genes the encoder reads, 2 or more: scanpy's `cell_ranger`
#'   flavour, on the training cells.
#' @param classifier `TRUE` trains the classifier, too. See [cellular_classifier()].
#' @param search `TRUE` searches for its widths, learning rate and dropout.
#' @param epochs The most epochs, a whole number from 2 (from 1 where `warm_up` is 0).
#' @param batch_size Cells of a mini-batch, 2 or more. All mini-batches of an epoch have about the
#'   same number, so that none is a mere rest.
#' @param learning_rate Highest learning rate: it rises for `warm_up` epochs from 0 on, and falls
#'   along a cosine to 0 at `epochs`. At most 1.
#' @param warm_up Epochs in which the learning rate rises, 0 or more.
#' @param weight_decay Weight decay of Adam, 0 to 1.
#' @param dropout Share of the first hidden layer's values that are dropped in training, 0 to 0.99.
#' @param type_weight,batch_weight,centroid_weight Weights of the three losses, 0 or more, see
#'   Details. With one batch alone there is no batch loss, and its weight goes to the types'.
#' @param temperature Where the temperature of the type loss starts. It is learned, within
#'   `temperature_range`.
#' @param temperature_range Two numbers above 0, the lowest temperature and the highest.
#' @param batch_temperature Temperature of the batch loss, above 0.
#' @param patience Stop after so many epochs in a row without a smaller validation loss; a whole
#'   number from 1, or `Inf`.
#' @param validation Share of each type's cells held out, 0 to 0.9. With 0 every epoch is run and
#'   the last one kept.
#' @param seed One whole number, 0 or more; `NULL` takes one from R's random numbers without using
#'   them up.
#' @param num_threads Threads; `NULL` for every core this process may use, or as many as the
#'   environment variable `OMP_NUM_THREADS` says.
#' @param checkpoint A folder where the whole state of the training is kept after every epoch, as in
#'   [canal_train()]. The classifier has none.
#' @param verbose `TRUE` shows progress and says what is done; `FALSE` does neither. Warnings come
#'   either way.
#' @param assay.type Name of the assay (Seurat: layer, which may be split; `.h5ad`: layer, or `"X"`;
#'   10x `.h5` of several genomes: one of them) with raw counts.
#' @param ... Arguments of [cellular_classifier()], with `classifier = TRUE`. Those that both have
#'   in common (`epochs`, `learning_rate`, ...) are the encoder's here; call [cellular_classifier()]
#'   for others.
#'
#' @details Counts are scaled to the mean library size of the training cells and put through
#' `log(1 + x)`. The loss of a mini-batch is
#' `type_weight * T + batch_weight * B + centroid_weight * C`:
#' * T, soft nearest neighbours: for a cell, `-log(P / (P + Q))`, P the sum of `exp(cosine /
#'   temperature)` with the other cells of its type and Q with those of other types; averaged in a
#'   type, types weighted by inverse frequency.
#' * B: the same within a type, P with the cells of the same batch and Q with those of other
#'   batches, of which the inverse is taken; averaged in a batch, batches weighted by inverse
#'   frequency.
#' * C: mean squared difference between the distances of the types' centroids in the embedding and
#'   among the principal components of the data (mean over batches), each divided by the largest.
#'
#' A mini-batch without any pair that T needs (two cells of a type and one of another) makes no
#' step, and takes no part in validation; the record counts both (`skipped`).
#'
#' Ctrl-C during the epochs stops within a second and returns the best model so far (`print()` says
#' that it was interrupted); with `classifier = TRUE` a warning says that there is no classifier
#' then.
#' The time of the principal components before the first epoch grows with the cube of the genes,
#' their memory (genes x genes numbers) with the square.
#'
#' @return A [CellularModel-class].
#' @section Errors and warnings: `canalR_error_labels` (`labels` or `batch`: wrong length, missing,
#'   one single type, no type with two cells), `canalR_error_genes` (no variable ones),
#'   `canalR_error_argument`, `canalR_error_checkpoint`, and those of counts as in
#'   [canal_prepare()]. `canalR_warning_batch`: types that are in one batch only, whose batches the
#'   loss cannot mix. Told, not warned of: one batch only, fewer variable genes than `n_genes`,
#'   fewer cells than `batch_size`.
#' @source CELLULAR (Andrekson and Mercado 2024), Methods.
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' file <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
#' pancreas <- canal_read_h5ad(file)
#' train <- pancreas[, pancreas$batch %in% c("indrop", "celseq")]
#' model <- cellular_train(train, "celltype", "batch", latent_dim = 20, n_genes = 200, epochs = 3,
#'                         seed = 1, verbose = FALSE)
#' model
#' @export
cellular_train <- function(x, labels, batch = NULL, latent_dim = 100, n_genes = 2000,
                           classifier = FALSE, search = FALSE, epochs = 50, batch_size = 256,
                           learning_rate = 1e-3, warm_up = 4, weight_decay = 5e-5, dropout = 0.2,
                           type_weight = 0.9, batch_weight = 0.1, centroid_weight = 1,
                           temperature = 0.25, temperature_range = c(0.1, 2),
                           batch_temperature = 0.5, patience = 20, validation = 0.2, seed = NULL,
                           num_threads = NULL, checkpoint = NULL, verbose = TRUE,
                           assay.type = "counts", ...) {
  check_flag(verbose, "verbose")
  check_flag(classifier, "classifier")
  check_flag(search, "search")
  check_classifier_arguments(classifier, search, list(...))
  check_epochs(epochs, warm_up)
  settings <- list(
    latent_dim = latent_dim, n_genes = n_genes, epochs = epochs, batch_size = batch_size,
    learning_rate = learning_rate, warm_up = warm_up, weight_decay = weight_decay,
    dropout = dropout, type_weight = type_weight, batch_weight = batch_weight,
    centroid_weight = centroid_weight, temperature = temperature,
    temperature_range = temperature_range, batch_temperature = batch_temperature,
    patience = patience, validation = validation,
    seed = checkpoint_seed(seed, checkpoint, "cellular")
  )
  check_cellular_settings(settings)
  settings <- c(settings, list(num_threads = num_threads, checkpoint = checkpoint,
                               verbose = verbose))
  started <- proc.time()[["elapsed"]]
  cells <- labelled_cells(x, labels, batch, assay.type, num_threads, verbose)
  data <- cellular_data(cells, settings)
  suspendInterrupts({
    run <- run_encoder(data, settings)
    model <- end_encoder(data, run, settings, proc.time()[["elapsed"]] - started)
    tell_encoder(model, verbose)
    if (classifier) model <- add_classifier(cells, model, search, settings, ...)
    take_late_interrupt(verbose)
    model
  })
}

# The encoder that is there must not be lost by what comes after it.
add_classifier <- function(cells, model, search, settings, ...) {
  without <- function(reason) {
    canal_warn("stopped", "classifier", "the classifier to be trained too", reason,
               "The model with the encoder alone is returned: see cellular_classifier().",
               call = NULL)
    model
  }
  if (interrupt_came() || model@history$encoder$stopped == "interrupt") {
    return(without("interrupted"))
  }
  tryCatch(
    # Of genes with one name it was told before.
    allowInterrupts(suppressWarnings(
      cellular_classifier(cells, cells$types, model, search = search, seed = settings$seed,
                          num_threads = settings$num_threads, verbose = settings$verbose, ...),
      classes = "canalR_warning_duplicates"
    )),
    interrupt = function(interrupt) without("interrupted"),
    error = function(error) without(conditionMessage(error))
  )
}

# The size of mini-batches that are all about as large.
even_batch_size <- function(cells, batch_size) ceiling(cells / ceiling(cells / batch_size))

# Cosine with a linear warm-up, published as CosineWarmupScheduler: the rates of epochs 1, 2, ...
warm_cosine_rates <- function(epochs, learning_rate, warm_up) {
  epoch <- seq_len(epochs) - 1
  rise <- if (warm_up > 0) pmin(epoch / warm_up, 1) else 1
  learning_rate * (1 + cos(pi * epoch / epochs)) / 2 * rise
}

run_encoder <- function(data, settings) {
  run <- list(losses = empty_encoder_losses(), stopped = "epochs", best_epoch = 0L,
              best_loss = Inf)
  cells <- length(data$train$types)
  if (cells < settings$batch_size) {
    canal_inform("batch_size", sprintf(
      "%s training cells, fewer than a mini-batch of %g: they make one together.",
      thousands(cells), settings$batch_size
    ), settings$verbose)
  }
  genes <- length(data$genes)
  start <- cpp_cellular_start(genes, max(1, genes %/% 2), max(1, genes %/% 4), settings$latent_dim,
                              settings$temperature, derive_seed(settings$seed, 2))
  trainer <- cpp_cellular_trainer(start, data$distances, data$train$types - 1L,
                                  batches0(data, data$train), encoder_options(data, settings))
  on.exit(cpp_cellular_release(trainer))
  kept <- training_checkpoint(settings$checkpoint, "cellular", list(
    cpp_digest(serialize(list(data$train, data$held, data$genes, data$labels), NULL)),
    lapply(settings[encoder_settings], as.double)
  ), settings$seed)
  progress <- epoch_progress("Embedding", cells, encoder_text, settings)
  on.exit(progress$close(), add = TRUE)
  rates <- warm_cosine_rates(settings$epochs, settings$learning_rate, settings$warm_up)
  run <- run_training(run, rates, encoder_training(trainer, data, settings, progress), kept,
                      progress, settings)
  check_began(run)
  run$weights <- cpp_cellular_best(trainer)
  run
}

# After a divergence in the first epoch there is nothing to return.
check_began <- function(run) {
  if (run$stopped != "diverged" || nrow(run$losses)) return(invisible())
  canal_abort("argument", "learning_rate", "one that lowers the loss",
              "a loss that is not finite in the first epoch", "Try a lower one.")
}

# What decides the result of a training.
encoder_settings <- c("latent_dim", "n_genes", "epochs", "batch_size", "learning_rate", "warm_up",
                      "weight_decay", "dropout", "type_weight", "batch_weight", "centroid_weight",
                      "temperature", "temperature_range", "batch_temperature", "patience",
                      "validation", "seed")

encoder_options <- function(data, settings) {
  c(settings[c("weight_decay", "dropout", "temperature", "batch_temperature", "batch_weight",
               "centroid_weight")],
    list(snn_weight = settings$type_weight, least_temperature = settings$temperature_range[1],
         most_temperature = settings$temperature_range[2],
         seed = derive_seed(settings$seed, 3)),
    step_options(length(data$train$types), settings))
}

# What both trainers' steps have in common.
step_options <- function(cells, settings) {
  list(batch_size = even_batch_size(cells, settings$batch_size), clip_norm = 0, amsgrad = FALSE,
       num_threads = thread_count(settings$num_threads))
}

# NULL where there is one batch.
batches0 <- function(data, part) if (length(data$batches)) part$batches - 1L

encoder_training <- function(trainer, data, settings, progress) {
  range <- settings$temperature_range
  list(
    epoch = function(number, rate) encoder_epoch(trainer, data, number, rate, progress, range),
    judge = function(run, row) judge_by_loss(run, row, function() cpp_cellular_keep_best(trainer)),
    is_over = function(run) encoder_is_over(run, data, settings),
    state = function() cpp_cellular_state(trainer),
    restore = function(state) cpp_cellular_restore(trainer, state)
  )
}

# Without held-out cells there is nothing that could get better.
encoder_is_over <- function(run, data, settings) {
  length(data$held$types) > 0 && nrow(run$losses) - run$best_epoch >= settings$patience
}

empty_encoder_losses <- function() {
  data.frame(epoch = integer(), learning_rate = numeric(), loss = numeric(), types = numeric(),
             batches = numeric(), centroids = numeric(), temperature = numeric(),
             skipped = integer(), validation_loss = numeric())
}

encoder_epoch <- function(trainer, data, number, rate, progress, range) {
  sums <- until_interrupt(cpp_cellular_train(trainer, data$train$values, NULL, rate,
                                             progress$cells))
  if (is.null(sums)) return(NULL)
  if (sums$steps == 0) {
    canal_abort("labels", "labels", "two cells of a type and one of another in a mini-batch",
                "no such mini-batch", "Use a larger `batch_size`, or more cells.")
  }
  held <- until_interrupt(validate_encoder(trainer, data))
  if (is.null(held)) return(NULL)
  temperature <- cpp_weight_array(cpp_cellular_weights(trainer)[["temperature_target"]])
  row <- data.frame(epoch = number, learning_rate = rate, loss = sums$total / sums$steps,
                    types = mean_of(sums$snn, sums$with_snn),
                    batches = mean_of(sums$batch, sums$with_batch),
                    centroids = mean_of(sums$centroid, sums$with_centroid),
                    temperature = min(max(temperature, range[1]), range[2]),
                    skipped = sums$skipped + held$skipped,
                    validation_loss = mean_of(held$total, held$steps))
  list(row = row, finite = is.finite(sums$total) && !is.nan(held$total))
}

# No steps where no cells are held out, or none of them can be compared.
validate_encoder <- function(trainer, data) {
  held <- data$held
  if (!length(held$types)) return(list(total = 0, steps = 0, skipped = 0))
  cpp_cellular_validate(trainer, held$values, held$types - 1L, batches0(data, held), NULL)
}

encoder_text <- function(run) {
  last <- run$losses[nrow(run$losses), ]
  sprintf("epoch %d: loss %.3f, held out %.3f", last$epoch, last$loss, last$validation_loss)
}

end_encoder <- function(data, run, settings, seconds) {
  model <- new("CellularModel",
    genes = data$genes, labels = data$labels, batches = as.character(data$batches),
    target = data$target, weights = run$weights, classifier = list(),
    history = list(encoder = list(
      cells = length(data$train$types), held_out = length(data$held$types), losses = run$losses,
      best_epoch = run$best_epoch, stopped = run$stopped, seconds = seconds,
      settings = settings[encoder_settings]
    )),
    provenance = list(seed = settings$seed,
                      created = format(Sys.time(), "%Y-%m-%d %H:%M:%S", tz = "UTC"),
                      version = as.character(utils::packageVersion("canalR")))
  )
  with_cellular_weights(model)
}

# A loss that never found a pair has done nothing.
tell_losses <- function(record, mixed, verbose) {
  losses <- record$losses
  if (!nrow(losses)) return(invisible())
  if (mixed && all(is.na(losses$batches))) {
    canal_inform("batch", paste("No mini-batch had cells of one type in two batches, and two in",
                                "one: the batch loss did nothing."), verbose)
  }
  if (record$held_out && all(is.na(losses$validation_loss))) {
    canal_inform("validation", paste("No held-out mini-batch had pairs of cells: there is no",
                                     "validation loss, and the last epoch counts as the best."),
                 verbose)
  }
}

tell_encoder <- function(model, verbose) {
  record <- model@history$encoder
  tell_losses(record, length(model@batches) > 1, verbose)
  skipped <- sum(record$losses$skipped)
  canal_inform("cellular", sprintf(
    "Embedding of %s cells, %s genes; epochs: %d (%s); best: %d%s; %.1f s.",
    thousands(record$cells), thousands(length(model@genes)), nrow(record$losses),
    stop_reasons[[record$stopped]], record$best_epoch,
    if (skipped) sprintf("; %d mini-batches had no pairs and were left out", skipped) else "",
    record$seconds
  ), verbose)
}
