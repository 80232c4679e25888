#' A model of canalR
#'
#' Made by [canal_model()], [canal_import()] or [canal_load()]; [canal_train()] returns a new one
#' after each stage. It is plain R data, so `saveRDS()`, a new session and a parallel worker keep it
#' whole.
#'
#' @slot config The [canal_config()] it was made with.
#' @slot vocabulary A [canal_vocabulary()] of all genes it may choose from, with the vectors that
#'   were given for them (gene2vec) or learned in pre-training.
#' @slot genes The genes of its sequence, in order: chosen by the first stage, all of the vocabulary
#'   before.
#' @slot labels The cell types it knows, in the order of its outputs.
#' @slot weights A named list of float32 arrays under the published names.
#' @slot history A list with a record per stage, see [canal_stream()].
#' @slot heldout A list with the held-out cells of each stage: `tokens` (raw, genes x cells),
#'   `spare` (the same of genes that may join later, with their names) and `labels`.
#' @slot bank The example bank: `tokens`, `spare` and `entries` (a row per cell).
#' @slot pending Cells of an interrupted stage that have yet to be ranked for the bank.
#' @slot provenance Where it comes from: `id`, `pretrained`, `positions`, `seed`, `created`.
#' @slot cache An environment with the native network; rebuilt whenever it is missing.
#'
#' @param object A `CanalModel`.
#'
#' @return An object of class `CanalModel`; `show()` prints what it knows and what it has learned.
#' @seealso [canal_stream()] for its history, [canal_save()] to keep it.
#' @examples
#' model <- canal_model(canal_config("compact"), c("INS", "GCG", "SST"), seed = 1)
#' model
#' model@genes
#' @export
setClass("CanalModel", slots = c(
  config = "ANY", vocabulary = "ANY", genes = "character", labels = "character",
  weights = "list", history = "list", heldout = "list", bank = "list", pending = "list",
  provenance = "list", cache = "environment"
))

setValidity("CanalModel", function(object) {
  if (!length(object@weights)) return(TRUE)  # an empty one, before it is filled
  sizes <- cpp_sizes(object@weights)
  problems <- c(
    config_problem(object@config),
    cells_problem(object),
    if (!inherits(object@vocabulary, "canal_vocabulary")) "`vocabulary` must be a vocabulary",
    if (length(object@genes) != sizes$positions - 1) "`genes` must name all positions but the last",
    if (!is.null(object@provenance$recipe) && !is.list(object@provenance$recipe)) {
      "`provenance$recipe` must be a list"
    },
    if (length(object@labels) != sizes$types) "`labels` must name every output",
    if (length(object@history) != length(object@heldout)) "every stage must have held-out cells"
  )
  if (length(problems)) problems else TRUE
})

# Why it is no configuration; NULL where it is one.
config_problem <- function(config) {
  tryCatch({
    check_config(config)
    NULL
  }, canalR_error = conditionMessage)
}

# Why its cells are not whole; NULL where they are.
cells_problem <- function(model) {
  if (!all(vapply(c(model@heldout, list(model@bank)), has_tokens_of, NA, model@genes))) {
    return("`heldout` and `bank` must have a token per gene and cell")
  }
  if (ncol(model@bank$tokens) != nrow(model@bank$entries)) "`bank` must have an entry per cell"
}

# A stage that was interrupted has no held-out cells yet.
has_tokens_of <- function(cells, genes) {
  is.null(cells$tokens) || is.raw(cells$tokens) && nrow(cells$tokens) == length(genes)
}

setMethod("initialize", "CanalModel", function(.Object, ...) {
  .Object <- callNextMethod(.Object, ...)
  .Object@cache <- new.env(parent = emptyenv())
  .Object
})

#' An untrained network
#'
#' Draws the weights of a network: the Performer encoder and its pre-training head. The
#' classification head comes with the first stage, when the types are known.
#'
#' @param config A [canal_config()].
#' @param vocabulary A [canal_vocabulary()], or the gene symbols of one. Its position table (genes x
#'   `dim`) becomes the network's and stays fixed in training; without one the table is drawn and
#'   learned.
#' @param seed One whole number, 0 or more; `NULL` takes one from R's random numbers without using
#'   them up.
#'
#' @return A [CanalModel-class].
#' @section Errors: `canalR_error_argument` for something else than a configuration or vocabulary,
#'   `canalR_error_sizes` where the position table is not `dim` wide.
#' @source scBERT (Yang et al. 2022), Methods.
#' @examples
#' canal_model(canal_config("compact"), c("INS", "GCG", "SST", "PPY"), seed = 1)
#' @export
canal_model <- function(config, vocabulary, seed = NULL) {
  check_config(config)
  vocabulary <- as_vocabulary(vocabulary)
  seed <- resolve_seed(seed)
  weights <- cpp_initial_weights(network_sizes(config, vocabulary), config$token_sd,
                                 config$position_sd, seed)
  positions <- "learned"
  if (!is.null(vocabulary$positions)) {
    weights <- cpp_set_positions(weights, vocabulary$positions)
    positions <- "fixed"
  }
  new_model(config, vocabulary, vocabulary$genes, weights,
            provenance = list(pretrained = FALSE, positions = positions, seed = seed))
}

network_sizes <- function(config, vocabulary) {
  list(tokens = config$n_bins + 2, positions = length(vocabulary$genes) + 1, dim = config$dim,
       depth = config$depth, heads = config$heads, head_width = config$head_width,
       features = config$features, ff_width = config$ff_mult * config$dim, fc1 = 0, fc2 = 0,
       types = 0, mlm_head = TRUE)
}

new_model <- function(config, vocabulary, genes, weights, labels = character(),
                      provenance = list()) {
  provenance$created <- format(Sys.time(), "%Y-%m-%d %H:%M:%S", tz = "UTC")
  provenance$version <- as.character(utils::packageVersion("canalR"))
  provenance$id <- weights_id(weights)
  new("CanalModel", config = config, vocabulary = vocabulary, genes = genes, labels = labels,
      weights = weights, history = list(), heldout = list(), bank = empty_bank(length(genes)),
      pending = list(), provenance = provenance)
}

# A model that an older canalR made and saveRDS() kept: what it lacks is as it was then.
up_to_date <- function(model) {
  usual <- unclass(canal_config("scbert"))
  lacking <- setdiff(names(usual), names(model@config))
  model@config[lacking] <- usual[lacking]
  with_spare <- function(cells) {
    if (length(cells) && is.null(cells$spare)) cells$spare <- no_spare(ncol(cells$tokens))
    cells
  }
  model@bank <- with_spare(model@bank)
  model@pending <- with_spare(model@pending)
  model@heldout <- lapply(model@heldout, with_spare)
  model
}

# Other weights for a model: its native network and its id go with the old ones.
with_weights <- function(model, weights) {
  model@weights <- weights
  model@cache <- new.env(parent = emptyenv())
  model@provenance$id <- weights_id(weights)
  model
}

# A short name for these very weights, so that a result can be traced to the model that gave it: of
# the MD5 of all their bytes in their order. No file is made for it, as tempdir() may be full, and
# an id of half of the weights would make a sound model a damaged one.
weights_id <- function(weights) {
  substr(cli::hash_raw_md5(as.raw(unlist(weights, use.names = FALSE))), 1, 12)
}

# The native network of a model, rebuilt where the cache is empty or came out of another process.
native_network <- function(model, compute) {
  tell_libraries(compute$device)
  pointer <- model@cache[[compute$name]]
  if (is.null(pointer) || !cpp_is_live(pointer)) {
    pointer <- cpp_network(model@weights, compute)
    assign(compute$name, pointer, envir = model@cache)
  }
  pointer
}

#' @rdname CanalModel-class
#' @export
setMethod("show", "CanalModel", function(object) {
  cat(model_text(object), sep = "\n")
})

model_text <- function(model) {
  sizes <- cpp_sizes(model@weights)
  c(sprintf("canalR model %s (%s)", model@provenance$id, model_state(model)),
    sprintf("  genes   %s of %s in the vocabulary", thousands(length(model@genes)),
            thousands(length(model@vocabulary$genes))),
    sprintf("  network dim %g, depth %g, heads %g x %g, %g features; %s parameters (%s)",
            sizes$dim, sizes$depth, sizes$heads, sizes$head_width, sizes$features,
            thousands(parameter_count(model@weights)),
            format(structure(weight_bytes(model@weights), class = "object_size"), units = "auto")),
    types_text(model),
    bank_text(model))
}

model_state <- function(model) {
  stages <- length(model@history)
  if (stages > 0) return(sprintf("%d stage%s", stages, if (stages == 1) "" else "s"))
  if (isTRUE(model@provenance$pretrained)) "pre-trained" else "untrained"
}

weight_bytes <- function(weights) sum(lengths(weights))
parameter_count <- function(weights) weight_bytes(weights) / 4

types_text <- function(model) {
  if (length(model@history) == 0) {
    return(if (length(model@labels)) paste("  types  ", some_of(model@labels, 8)))
  }
  imported <- setdiff(model@labels, unlist(lapply(model@history, `[[`, "new_types")))
  stages <- vapply(model@history, function(record) {
    new <- if (length(record$new_types)) some_of(record$new_types, 8) else "no new types"
    sprintf("  stage %d %d cells, %s; best validation accuracy %s", record$stage, record$cells, new,
            format(round(record$best_accuracy, 3)))
  }, "")
  c(if (length(imported)) paste("  before ", some_of(imported, 8)), stages)
}

bank_text <- function(model) {
  if (length(model@history) == 0) return(NULL)
  entries <- model@bank$entries
  waiting <- if (length(model@pending)) "; cells of an interrupted stage wait to be ranked" else ""
  sprintf("  bank    %d cells of %d types%s", nrow(entries), length(unique(entries$type)), waiting)
}
