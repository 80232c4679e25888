# What CELLULAR's trainings may be given.

# Lowest, highest, whole number or not. temperature_range is checked by itself.
cellular_bounds <- list(
  latent_dim = list(1, 65536, TRUE), n_genes = list(2, .Machine$integer.max, TRUE),
  epochs = list(1, 1e6, TRUE), batch_size = list(2, 1e9, TRUE),
  learning_rate = list(0, 1, FALSE), warm_up = list(0, 1e6, TRUE),
  weight_decay = list(0, 1, FALSE), dropout = list(0, 0.99, FALSE),
  type_weight = list(0, 1e6, FALSE), batch_weight = list(0, 1e6, FALSE),
  centroid_weight = list(0, 1e6, FALSE), temperature = list(1e-6, 1e6, FALSE),
  batch_temperature = list(1e-6, 1e6, FALSE), patience = list(1, Inf, TRUE),
  validation = list(0, 0.9, FALSE)
)

check_cellular_settings <- function(settings) {
  for (name in intersect(names(settings), names(cellular_bounds))) {
    bound <- cellular_bounds[[name]]
    check_number(settings[[name]], name, bound[[1]], bound[[2]], bound[[3]])
  }
  if (!is.null(settings$temperature_range)) check_temperature(settings)
}

check_temperature <- function(settings) {
  range <- settings$temperature_range
  if (!is.numeric(range) || length(range) != 2 || !isTRUE(all(diff(c(0, range)) >= 0)) ||
        range[1] == 0) {
    canal_abort("argument", "temperature_range", "two numbers above 0, the lower first",
                describe_value(range))
  }
  check_number(settings$temperature, "temperature", range[1], range[2])
}

# Before hours of training, what would be refused after them.
check_classifier_arguments <- function(classifier, search, given) {
  if (classifier) return(check_classifier_call(search, given))
  if (search) {
    canal_abort("argument", "search", "FALSE without a classifier", "TRUE",
                "Set `classifier = TRUE` too.")
  }
  if (length(given)) {
    names <- names(given)
    canal_abort("argument", "...", "nothing without a classifier",
                if (is.null(names)) sprintf("%d arguments", length(given)) else some_of(names),
                "Arguments of cellular_classifier() go with `classifier = TRUE`.")
  }
}

check_classifier_call <- function(search, given) {
  known <- setdiff(names(formals(cellular_classifier)),
                   c("x", "labels", "model", "search", "seed", "num_threads", "verbose",
                     "assay.type"))
  unknown <- setdiff(names(given), known)
  if (length(unknown) || length(names(given)) < length(given)) {
    canal_abort("argument", "...", paste("arguments of cellular_classifier():", toString(known)),
                if (length(unknown)) some_of(unknown) else "one without a name")
  }
  usual <- lapply(formals(cellular_classifier)[known], eval)
  usual$loss <- usual$loss[1]
  classifier_settings(utils::modifyList(usual, given), search, names(given))
}

# The rate of the first epoch is 0.
check_epochs <- function(epochs, warm_up) {
  if (is_number(epochs) && is_number(warm_up) && epochs < 2 && warm_up > 0) {
    canal_abort("argument", "epochs", "2 or more, as the learning rate starts from 0",
                format(epochs))
  }
}
