#' Import a checkpoint of the published programs
#'
#' Reads the weights that scBERT, CANAL or TransAnno-Net wrote (`.pth`, in PyTorch's zip form or the
#' form before version 1.6), a plain `state_dict`, and what [canal_export()] or another program
#' wrote as `.safetensors`. What a file is, is told from its content. Every size is read from the
#' file. Nothing in it is ever executed: objects that canalR does not know are skipped and named.
#'
#' @param path The checkpoint.
#' @param vocabulary A [canal_vocabulary()] or gene symbols, in the order that the checkpoint was
#'   trained with: the full vocabulary, or (for a CANAL stage) only the chosen genes. A published
#'   checkpoint does not hold gene names. Without them they are those of its example bank where it
#'   has one, else `gene1`, `gene2`, ..., which is enough for [canal_forward()]. A file of
#'   [canal_export()] knows its genes.
#' @param config Training settings, a [canal_config()]; its network entries are replaced by the
#'   file's sizes. `NULL` takes those of the file where [canal_export()] wrote them, else
#'   `canal_config("scbert")`.
#' @param positions Whether the table of positions is `"fixed"` (gene2vec, as in scBERT and CANAL)
#'   or `"learned"` (as in TransAnno-Net, whose checkpoints look the same), and so is trained on in
#'   later stages. `NULL` takes what a file of [canal_export()] says, else `"fixed"`.
#' @param verbose `TRUE` shows progress and says what is done; `FALSE` does neither. Warnings come
#'   either way. Told is what was read and what was skipped.
#' @param ... For later versions; must be empty.
#'
#' @details Names may bear DataParallel's or DistributedDataParallel's `module.` in front, all or
#' some, once or more often. float16, bfloat16 and float64 become float32.
#'
#' The example bank of a CANAL checkpoint is a whole AnnData, pickled, or a view on one. Its matrix
#' of log2-normalised values of the chosen genes (a numpy array, or scipy's csr or csc matrix), gene
#' names and columns of cells (pandas 0.24 and later) are read, and tokens made of them: the whole
#' part of a value, at most `n_bins`. Its columns are found by their names in any case and
#' spelling: the type (`celltype`, `cell_type`, `type`, `label`, `annotation`), the rank (`rank`;
#' where there is none, the cells of a type in their order) and the stage (`stage`; where there is
#' none, 1). A bank that does not fit the model is skipped, and the message says why.
#'
#' @return A [CanalModel-class]. A CANAL stage knows its types (`annotation`) and genes
#'   (`highly_variable_idx`) and goes on training as any other model.
#' @section Errors: `canalR_error_file` (missing, truncated, damaged or foreign file),
#'   `canalR_error_sizes` (weights that contradict each other, or a vocabulary of another length),
#'   `canalR_error_argument`.
#' @source scBERT (Yang et al. 2022), CANAL and TransAnno-Net, their programs' checkpoints.
#' @examples
#' model <- canal_model(canal_config("compact"), c("INS", "GCG", "SST"), seed = 1)
#' file <- tempfile(fileext = ".pth")
#' canal_export(model, file)
#' canal_import(file)
#' @export
canal_import <- function(path, ..., vocabulary = NULL, config = NULL, positions = NULL,
                         verbose = TRUE) {
  check_no_dots(...)
  path <- check_path(path)
  if (!is.null(config)) check_config(config)
  if (!is.null(positions)) check_choice(positions, c("fixed", "learned"), "positions")
  check_flag(verbose, "verbose")
  expected <- "a checkpoint of scBERT, CANAL, TransAnno-Net or canalR"
  checkpoint <- about_argument("path", expected, cpp_read_checkpoint(path))
  sizes <- about_argument("path", expected, cpp_sizes(checkpoint$weights))
  if (is.null(config)) config <- checkpoint_config(checkpoint)
  if (is.null(positions)) positions <- checkpoint_positions(checkpoint)
  genes <- checkpoint_genes(vocabulary, checkpoint, sizes)
  labels <- checkpoint_labels(checkpoint$annotation, sizes)
  model <- new_model(sized_config(config, sizes),
                     checkpoint_vocabulary(genes$vocabulary, checkpoint), genes$genes,
                     checkpoint$weights, labels,
                     c(list(pretrained = is_pretrained(checkpoint), positions = positions,
                            source = basename(path)), exported_provenance(checkpoint$settings)))
  bank <- checkpoint_bank(checkpoint, model)
  if (!is.null(bank$bank)) model@bank <- bank$bank
  tell_import(model, checkpoint$skipped, verbose)
  tell_bank(bank, verbose)
  model
}

# With the genes by whose total cells are scaled, where later ones have joined.
checkpoint_vocabulary <- function(symbols, checkpoint) {
  vocabulary <- canal_vocabulary(symbols)
  scaling <- unname(checkpoint$settings["scaling_genes"])
  if (is_number(scaling) && scaling >= 1 && scaling < length(symbols)) vocabulary$scaling <- scaling
  vocabulary
}

check_no_dots <- function(...) {
  if (...length()) {
    canal_abort("argument", "...", "nothing", sprintf("%d more arguments", ...length()),
                "Name the arguments.")
  }
}

check_path <- function(path, argument = "path") {
  if (!is.character(path) || length(path) != 1L || is.na(path)) {
    canal_abort("argument", argument, "one path", describe_value(path))
  }
  path.expand(path)
}

# One that R makes others of, or takes the ending of: it stops at bytes that are no text. Files of
# such names can be read nevertheless.
check_text_path <- function(path, argument = "path") {
  path <- check_path(path, argument)
  if (!validEnc(path)) {
    canal_abort("argument", argument, "a path that is text in this session's encoding",
                describe_value(path), "Where it is the name of a file, give that another one.")
  }
  path
}

# The settings in a file of canal_export(), as far as this version knows their names.
checkpoint_config <- function(checkpoint) {
  known <- intersect(names(checkpoint$settings), names(config_entries()))
  if (!length(known)) return(canal_config("scbert"))
  preset <- if (checkpoint$preset == "compact") "compact" else "scbert"
  tryCatch(
    do.call(canal_config, c(preset, as.list(checkpoint$settings[known]))),
    canalR_error = function(error) {
      canal_abort("file", "path", "settings that canal_config() takes", conditionMessage(error))
    }
  )
}

# A published checkpoint always is.
is_pretrained <- function(checkpoint) {
  !identical(unname(checkpoint$settings["pretrained"]), 0)
}

# What training and prediction go by beside the settings: that canalR pre-trained the network, and
# the choices of its recipe.
exported_provenance <- function(settings) {
  own <- identical(unname(settings["own_pretraining"]), 1)
  recipe <- recipe_from_numbers(settings)
  c(if (own) list(pretraining = list(losses = as.list(empty_pretraining()))),
    if (length(recipe)) list(recipe = recipe))
}

checkpoint_positions <- function(checkpoint) {
  if (checkpoint$positions == "learned") "learned" else "fixed"
}

# The genes of a checkpoint: of its sequence (one fewer than its positions) and of its vocabulary.
checkpoint_genes <- function(vocabulary, checkpoint, sizes) {
  count <- sizes$positions - 1
  if (is.null(vocabulary)) return(own_genes(checkpoint, count))
  symbols <- as_vocabulary(vocabulary)$genes
  if (length(symbols) == count) return(list(genes = symbols, vocabulary = symbols))
  chosen0 <- checkpoint$variable_genes0
  if (!length(chosen0)) chosen0 <- match(checkpoint$genes, checkpoint$vocabulary) - 1
  if (length(chosen0) == count && isTRUE(all(chosen0 >= 0 & chosen0 < length(symbols)))) {
    return(list(genes = symbols[chosen0 + 1], vocabulary = symbols))
  }
  canal_abort("sizes", "vocabulary", sprintf("%g genes, as the checkpoint has", count),
              sprintf("%d genes", length(symbols)),
              "Give the genes that the checkpoint was trained with, in its order.")
}

# The names in the file itself, if it has any that can be used.
own_genes <- function(checkpoint, count) {
  genes <- checkpoint$genes
  if (length(genes) == count && are_symbols(genes)) {
    vocabulary <- checkpoint$vocabulary
    if (!are_symbols(vocabulary) || !all(genes %in% vocabulary)) vocabulary <- genes
    return(list(genes = genes, vocabulary = vocabulary))
  }
  names <- bank_genes(checkpoint$bank)
  if (length(names) != count) names <- paste0("gene", seq_len(count))
  list(genes = names, vocabulary = names)
}

are_symbols <- function(genes) {
  length(genes) > 0 && all(nzchar(genes)) && anyDuplicated(genes) == 0
}

checkpoint_labels <- function(annotation, sizes) {
  if (sizes$types == 0) return(character())
  if (length(annotation) == 0) return(paste0("type", seq_len(sizes$types)))
  if (length(annotation) != sizes$types) {
    canal_abort("sizes", "path", sprintf("%g names in `annotation`, one per output", sizes$types),
                sprintf("%d", length(annotation)))
  }
  annotation
}

sized_config <- function(config, sizes) {
  config[c("dim", "depth", "heads", "head_width", "features")] <-
    sizes[c("dim", "depth", "heads", "head_width", "features")]
  config$ff_mult <- sizes$ff_width / sizes$dim
  config$n_bins <- sizes$tokens - 2
  if (sizes$types > 0) config[c("fc1", "fc2")] <- sizes[c("fc1", "fc2")]
  config
}

tell_import <- function(model, skipped, verbose) {
  types <- if (length(model@labels)) some_of(model@labels, 6) else "none yet"
  canal_inform("import", sprintf("Read %s parameters; %d genes; types: %s.",
                                 thousands(parameter_count(model@weights)),
                                 length(model@genes), types), verbose)
  if (length(skipped)) {
    canal_inform("skipped", sprintf("Skipped (not needed, or not known): %s.",
                                    some_of(skipped, 8)), verbose)
  }
}
