#' The recipes of the published programs
#'
#' One network, three ways to train it. A recipe is a list of settings that replace those of the
#' model's configuration; [canal_train()] takes it as `recipe`. Its entries can be changed like
#' those of any list.
#'
#' @param name `"canal"`: stages with example bank and distillation. `"scbert"`: one data set, all
#'   genes of the vocabulary, a wide head, plain cross-entropy, gradients of 60 mini-batches of 3
#'   cells added up, unknown cells by their confidence. `"transanno"`: TransAnno-Net, scBERT's
#'   network with a learned position table, on variable genes, with rare types oversampled.
#' @param x A recipe.
#' @param ... Not used.
#'
#' @details Entries, all optional, so that a recipe may say as little as it needs to:
#' * every entry of [canal_config()] but the sizes of the encoder, which a network has already:
#'   `n_genes` (`Inf`: the whole vocabulary), `fc1` and `fc2` (these three are settled by the first
#'   stage; a recipe of a later one does not change them),
#'   `epochs`, `batch_size`, `accumulation`, `learning_rate`, `clip_norm`, `amsgrad`, `patience`,
#'   `validation`, `label_smoothing`, `lambda`, `bank_size`, `new_genes`, `unsure_below`, ...;
#' * `trainable`: as in [canal_train()];
#' * `positions`: `"fixed"` or `"learned"`, the position table in training (it learns with
#'   `trainable = "all"`);
#' * `oversample`: whether cells of rarer types are repeated until each type has as many training
#'   cells as the largest (held-out cells are set aside first, and never repeated);
#' * `novelty`: what [canal_predict()] does when it is not told.
#'
#' The rest of TransAnno-Net's way is functions of their own: [canal_merge()] for several sources,
#' [canal_quality_filter()], [canal_cross_validate()], and [canal_pretrain()] at
#' `learning_rate = 1e-5` with a vocabulary without vectors. Its "80/20 split and 5-fold
#' cross-validation" is `canal_cross_validate(k = 5)`, with `validation` choosing the best epoch
#' among the training cells.
#'
#' @return A list of class `canal_recipe`, with the name as attribute `name`.
#' @section Errors: `canalR_error_argument` for an unknown name; [canal_train()] refuses unknown
#'   entries and values out of range.
#' @source CANAL (Wan et al. 2024), scBERT (Yang et al. 2022) and TransAnno-Net, Methods and
#'   programs.
#' @examples
#' recipe <- canal_recipe("scbert")
#' recipe$epochs <- 20
#' recipe
#' @export
canal_recipe <- function(name = c("canal", "scbert", "transanno")) {
  if (missing(name)) name <- name[1]
  recipes <- published_recipes()
  check_choice(name, names(recipes), "name")
  structure(recipes[[name]], name = name, class = "canal_recipe")
}

# CANAL's are the defaults of the configuration, which states them once.
published_recipes <- function() {
  config <- canal_config("scbert")
  canal <- c(unclass(config)[c("n_genes", "fc1", "fc2", "epochs", "batch_size", "accumulation",
                               "learning_rate", "clip_norm", "amsgrad", "patience", "validation",
                               "label_smoothing", "lambda", "bank_size", "new_genes",
                               "dropped_tokens")],
             list(trainable = "stage", positions = "fixed", oversample = FALSE, novelty = "canal"))
  scbert <- utils::modifyList(canal, list(
    n_genes = Inf, fc1 = 512, fc2 = 128, batch_size = 3, accumulation = 60, learning_rate = 1e-4,
    clip_norm = 1e6, amsgrad = 0, label_smoothing = 0, lambda = 0, bank_size = 0,
    unsure_below = config$unsure_below, novelty = "threshold"
  ))
  transanno <- utils::modifyList(scbert, list(
    n_genes = config$n_genes, patience = 20, trainable = "all", positions = "learned",
    oversample = TRUE
  ))
  list(canal = canal, scbert = scbert, transanno = transanno)
}

#' @rdname canal_recipe
#' @export
print.canal_recipe <- function(x, ...) {
  cat("canalR recipe \"", attr(x, "name", exact = TRUE), "\"\n", sep = "")
  values <- vapply(unclass(x), function(value) paste(format(value), collapse = " "), "")
  cat(paste0("  ", format(names(values)), "  ", values, "\n"), sep = "")
  invisible(x)
}

# Entries of a recipe that the configuration has none of: their values.
recipe_choices <- list(trainable = c("all", "stage", "head"), positions = c("fixed", "learned"),
                       oversample = c(TRUE, FALSE), novelty = c("none", "canal", "threshold"))

# The model with the recipe's settings in its configuration, so that later stages and prediction
# follow it too. NULL changes nothing.
with_recipe <- function(model, recipe) {
  if (is.null(recipe)) return(model)
  recipe <- as_recipe(recipe)
  check_recipe(recipe, model)
  if (has_genes(model)) recipe <- recipe[setdiff(names(recipe), settled_by_first_stage)]
  config <- model@config
  entries <- intersect(names(recipe), names(config))
  config[entries] <- unclass(recipe)[entries]
  if (identical(config$n_genes, Inf)) config$n_genes <- max(1, length(model@vocabulary$genes))
  check_config(config)
  model@config <- config
  model@provenance$recipe <- utils::modifyList(
    as.list(model@provenance$recipe),
    c(list(name = attr(recipe, "name", exact = TRUE)), unclass(recipe)[intersect(names(recipe),
                                                                   names(recipe_choices))])
  )
  model
}

# Genes and head are there after the first stage, whatever a later recipe says.
settled_by_first_stage <- c("n_genes", "fc1", "fc2")

is_named_list <- function(x) {
  is.list(x) && length(names(x)) == length(x) && !anyDuplicated(names(x))
}

as_recipe <- function(recipe) {
  if (is_named_list(recipe)) {
    name <- attr(recipe, "name", exact = TRUE)
    return(structure(recipe, name = if (is.null(name)) "custom" else name,
                     class = "canal_recipe"))
  }
  if (is.character(recipe) && length(recipe) == 1 && recipe %in% names(published_recipes())) {
    return(canal_recipe(recipe))
  }
  canal_abort("argument", "recipe",
              sprintf("a canal_recipe(), its name (%s), a list of settings by name, or NULL",
                      paste(names(published_recipes()), collapse = ", ")),
              describe_value(recipe))
}

# The encoder is there already, and a head too after the first stage. Pre-training is over.
check_recipe <- function(recipe, model) {
  encoder <- c("dim", "depth", "heads", "head_width", "features", "ff_mult", "token_sd",
               "position_sd", "n_bins", "target_sum")
  before <- c("masked", "replaced", "zeros", grep("^pretrain_", names(model@config), value = TRUE))
  known <- setdiff(c(names(model@config), names(recipe_choices)), c(encoder, before))
  unknown <- setdiff(names(recipe), known)
  if (length(unknown)) {
    canal_abort("argument", "recipe", "settings of a training", some_of(unknown),
                paste("There are:", paste(known, collapse = ", ")))
  }
  for (name in intersect(names(recipe), names(recipe_choices))) {
    if (!isTRUE(recipe[[name]] %in% recipe_choices[[name]])) {
      canal_abort("argument", "recipe", sprintf("`%s` to be one of %s", name,
                                                paste(recipe_choices[[name]], collapse = ", ")),
                  describe_value(recipe[[name]]))
    }
  }
}

# What the model's recipe says of something that the configuration has no entry for.
recipe_entry <- function(model, name, otherwise) {
  entry <- model@provenance$recipe[[name]]
  if (is.null(entry)) otherwise else entry
}

# Places of cells with those of rarer types repeated until each type has as many as the largest:
# every cell as often as the others of its type, but for one. Held-out cells are not among them.
oversampled <- function(types, seed) {
  most <- max(label_counts(types))
  with_seed(seed, {
    unlist(lapply(split(seq_along(types), factor(types, sort(unique(types), method = "radix"))),
                  function(cells) {
                    whole <- rep(cells, most %/% length(cells))
                    c(whole, cells[sample.int(length(cells), most - length(whole))])
                  }), use.names = FALSE)
  })
}

#' @export
`[.canal_recipe` <- function(x, i) {
  structure(unclass(x)[i], name = attr(x, "name", exact = TRUE), class = "canal_recipe")
}

# A recipe's choices as numbers, for files that hold numbers only, and back.
recipe_numbers <- function(model) {
  choices <- model@provenance$recipe[intersect(names(recipe_choices),
                                               names(model@provenance$recipe))]
  if (!length(choices)) return(NULL)
  numbers <- mapply(function(value, name) match(value, recipe_choices[[name]]), choices,
                    names(choices))
  stats::setNames(as.numeric(numbers), paste0("recipe_", names(choices)))
}

recipe_from_numbers <- function(settings) {
  names <- intersect(paste0("recipe_", names(recipe_choices)), names(settings))
  stats::setNames(lapply(names, function(name) {
    recipe_choices[[sub("^recipe_", "", name)]][settings[[name]]]
  }), sub("^recipe_", "", names))
}
