#' Import a checkpoint of the published programs
#'
#' Reads a `.pth` file that scBERT or CANAL wrote, in PyTorch's zip form or the form before version
#' 1.6. Every size is read from the file. Nothing in it is ever executed: objects that canalR does
#' not know are skipped and named.
#'
#' @param path The checkpoint.
#' @param vocabulary A [canal_vocabulary()] or gene symbols, in the order that the checkpoint was
#'   trained with: the full vocabulary, or (for a CANAL stage) only the chosen genes. A checkpoint
#'   does not hold gene names. Without them they are called `gene1`, `gene2`, ..., which is enough
#'   for [canal_forward()].
#' @param config Training settings, a [canal_config()]; its network entries are replaced by the
#'   file's sizes.
#' @param verbose Say what was read and what was skipped.
#' @param ... For later versions; must be empty.
#'
#' @return A [CanalModel-class]. A CANAL stage knows its types (`annotation`) and genes
#'   (`highly_variable_idx`) and goes on training as any other model; its example bank, a pickled
#'   Python object, is skipped, so the bank starts empty.
#' @section Errors: `canalR_error_file` (missing, truncated or foreign file), `canalR_error_sizes`
#'   (weights that contradict each other, or a vocabulary of another length).
#' @source scBERT (Yang et al. 2022) and CANAL, their programs' checkpoints.
#' @examples
#' \dontrun{
#' model <- canal_import("panglao_pretrain.pth", vocabulary)
#' }
#' @export
canal_import <- function(path, ..., vocabulary = NULL, config = canal_config("scbert"),
                         verbose = TRUE) {
  check_no_dots(...)
  path <- check_path(path)
  check_config(config)
  check_flag(verbose, "verbose")
  expected <- "a checkpoint of scBERT or CANAL"
  checkpoint <- about_argument("path", expected, cpp_read_checkpoint(path))
  sizes <- about_argument("path", expected, cpp_sizes(checkpoint$weights))
  genes <- checkpoint_genes(vocabulary, checkpoint$variable_genes0, sizes)
  labels <- checkpoint_labels(checkpoint$annotation, sizes)
  model <- new_model(sized_config(config, sizes), canal_vocabulary(genes$vocabulary), genes$genes,
                     checkpoint$weights, labels,
                     list(pretrained = TRUE, positions = "fixed", source = basename(path)))
  tell_import(model, checkpoint$skipped, verbose)
  model
}

check_no_dots <- function(...) {
  if (...length()) {
    canal_abort("argument", "...", "nothing", sprintf("%d more arguments", ...length()),
                "Name the arguments.", call = sys.call(-1))
  }
}

check_path <- function(path, argument = "path", call = sys.call(-1)) {
  if (!is.character(path) || length(path) != 1L || is.na(path)) {
    canal_abort("argument", argument, "one path", describe_value(path), call = call)
  }
  path.expand(path)
}

# The genes of a checkpoint: of its sequence (one fewer than its positions) and of its vocabulary.
checkpoint_genes <- function(vocabulary, chosen0, sizes) {
  count <- sizes$positions - 1
  if (is.null(vocabulary)) {
    names <- paste0("gene", seq_len(count))
    return(list(genes = names, vocabulary = names))
  }
  symbols <- as_vocabulary(vocabulary)$genes
  if (length(symbols) == count) return(list(genes = symbols, vocabulary = symbols))
  if (length(chosen0) == count && all(chosen0 < length(symbols))) {
    return(list(genes = symbols[chosen0 + 1], vocabulary = symbols))
  }
  canal_abort("sizes", "vocabulary", sprintf("%g genes, as the checkpoint has", count),
              sprintf("%d genes", length(symbols)),
              "Give the genes that the checkpoint was trained with, in its order.",
              call = sys.call(-1))
}

checkpoint_labels <- function(annotation, sizes) {
  if (sizes$types == 0) return(character())
  if (length(annotation) == 0) return(paste0("type", seq_len(sizes$types)))
  if (length(annotation) != sizes$types) {
    canal_abort("sizes", "path", sprintf("%g names in `annotation`, one per output", sizes$types),
                sprintf("%d", length(annotation)), call = sys.call(-1))
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
                                 format(parameter_count(model@weights), big.mark = ","),
                                 length(model@genes), types), verbose)
  if (length(skipped)) {
    canal_inform("skipped", sprintf("Skipped (not needed, or not known): %s.",
                                    some_of(skipped, 8)), verbose)
  }
}
