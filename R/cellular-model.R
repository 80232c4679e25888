#' A model of CELLULAR
#'
#' Made by [cellular_train()]. It is plain R data, so `saveRDS()`, a new session and a parallel
#' worker keep it whole; [canal_save()] and [canal_load()] keep it in one HDF5 file.
#'
#' @slot genes The genes it reads, in order.
#' @slot labels The cell types it was trained on, sorted; the outputs of its classifier.
#' @slot batches The batches it was trained on; empty where there was one.
#' @slot target Library size that every cell is scaled to: the mean of the training cells.
#' @slot weights A named list of float32 arrays: the encoder's under the published names, and the
#'   learned temperature.
#' @slot classifier The same of the classifier, with its running means and variances; empty where
#'   none was trained.
#' @slot history `encoder` and `classifier`: losses by epoch, what ended the training and its
#'   settings; `search`: a row per trial, where widths were searched.
#' @slot provenance Where it comes from: `id`, `seed`, `created`, `version`.
#' @slot cache An environment with the native networks; rebuilt whenever it is missing.
#'
#' @param object A `CellularModel`.
#'
#' @return An object of class `CellularModel`; `show()` prints what it knows.
#' @examples
#' set.seed(1)
#' counts <- matrix(rpois(60 * 40, 2), 60, 40,
#'                  dimnames = list(paste0("gene", 1:60), paste0("cell", 1:40)))
#' types <- rep(c("B", "T"), 20)
#' counts[1:20, types == "B"] <- counts[1:20, types == "B"] + 5
#' model <- cellular_train(counts, types, latent_dim = 4, n_genes = 40, epochs = 2, warm_up = 1,
#'                         seed = 1, verbose = FALSE)
#' model
#' model@labels
#' @export
setClass("CellularModel", slots = c(
  genes = "character", labels = "character", batches = "character", target = "numeric",
  weights = "list", classifier = "list", history = "list", provenance = "list",
  cache = "environment"
))

setMethod("initialize", "CellularModel", function(.Object, ...) {
  .Object <- callNextMethod(.Object, ...)
  .Object@cache <- new.env(parent = emptyenv())
  .Object
})

setValidity("CellularModel", function(object) {
  if (!length(object@weights)) return(TRUE)  # an empty one, before it is filled
  sizes <- cellular_sizes(object)
  problems <- c(
    if (length(object@genes) != sizes$genes) "`genes` must name all inputs of the encoder",
    if (length(object@classifier) && length(object@labels) != sizes$types) {
      "`labels` must name every output of the classifier"
    }
  )
  if (length(problems)) problems else TRUE
})

# Widths of both networks, as their weights' shapes have them; `types` and `classifier` without a
# classifier are of length 0.
cellular_sizes <- function(model) {
  rows <- function(weights, names) vapply(names, function(n) attr(weights[[n]], "shape")[1], 0L)
  encoder <- rows(model@weights, paste0("output_encoder.",
                                        c("norm_layer_in", "linear1", "linear2", "output"),
                                        ".weight"))
  classifier <- if (has_classifier(model)) {
    rows(model@classifier, paste0("classifier.", c("linear1", "linear2", "output"), ".weight"))
  }
  list(genes = encoder[[1]], hidden = unname(encoder[2:3]), latent = encoder[[4]],
       classifier = unname(classifier[1:2]), types = unname(classifier[3]))
}

check_cellular_model <- function(model) {
  if (!is(model, "CellularModel")) {
    canal_abort("argument", "model", "a CellularModel", describe_value(model),
                "Make one with cellular_train() or canal_load().")
  }
  invisible(model)
}

has_classifier <- function(model) length(model@classifier) > 0

# A model with other weights: its native networks and its id go with the old ones.
with_cellular_weights <- function(model, weights = model@weights, classifier = model@classifier) {
  model@weights <- weights
  model@classifier <- classifier
  model@cache <- new.env(parent = emptyenv())
  model@provenance$id <- weights_id(c(weights, classifier))
  validObject(model)
  model
}

#' @rdname CellularModel-class
#' @export
setMethod("show", "CellularModel", function(object) {
  cat(cellular_text(object), sep = "\n")
})

cellular_text <- function(model) {
  sizes <- cellular_sizes(model)
  encoder <- model@history$encoder
  c(sprintf("CELLULAR model %s", model@provenance$id),
    sprintf("  genes      %s, cells scaled to %.6g counts", thousands(length(model@genes)),
            model@target),
    sprintf("  encoder    %g > %g > %g > %g; trained on %s cells, %d epochs (%s), best: %d",
            sizes$genes, sizes$hidden[1], sizes$hidden[2], sizes$latent, thousands(encoder$cells),
            nrow(encoder$losses), stop_reasons[[encoder$stopped]], encoder$best_epoch),
    sprintf("  batches    %s", if (length(model@batches)) some_of(model@batches, 8) else "one"),
    sprintf("  types      %s", some_of(model@labels, 8)),
    classifier_text(model, sizes))
}

classifier_text <- function(model, sizes) {
  if (!has_classifier(model)) return("  classifier none; see cellular_classifier()")
  record <- model@history$classifier
  sprintf("  classifier %g > %g > %g > %d; %d epochs, best validation accuracy %s", sizes$latent,
          sizes$classifier[1], sizes$classifier[2], length(model@labels), nrow(record$losses),
          format(round(record$best_accuracy, 3)))
}
