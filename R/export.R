#' Write a model for Python
#'
#' Writes a model's weights as a file that PyTorch or the safetensors library reads, under the names
#' of the published programs, so that their networks load it.
#'
#' @param model A [CanalModel-class].
#' @param path The file. One that is there is replaced when the new one is complete.
#' @param format `"pth"` or `"safetensors"`; `NULL` takes it from the ending of `path` (`.pth` or
#'   `.pt`, `.safetensors`).
#' @param verbose `TRUE` shows progress and says what is done; `FALSE` does neither. Warnings come
#'   either way. Told is what the file does not hold.
#' @param ... For later versions; must be empty.
#'
#' @details A `.pth` holds one dict:
#' * `model_state_dict`: an `OrderedDict` of contiguous float32 tensors, and the integer buffer
#'   `performer.calls_since_last_redraw` (0) that a published Performer has;
#' * of a model with types: `annotation`, their names in the order of the outputs, and
#'   `highly_variable_idx`, the places of its genes in its vocabulary, counted from 0 (int64);
#' * `genes` and `vocabulary` (lists of symbols), `epoch` (of all stages together), `positions`
#'   (`"fixed"` or `"learned"`) and `config`, the settings and whether it began from pre-trained
#'   weights, as JSON.
#'
#' In Python: `network.load_state_dict(torch.load(path)["model_state_dict"])`; `weights_only=True`
#' loads it too. At most 4 GiB.
#'
#' A `.safetensors` holds the same tensors; its `__metadata__` has `labels`, `genes`, `vocabulary`,
#' `config` as JSON, `positions`, and a `checksum` of the rest, which [canal_import()] compares: a
#' program that writes the metadata back with other weights has to leave it out.
#'
#' Neither holds the example bank, the history of stages and of pre-training, held-out cells, or the
#' vectors of vocabulary genes outside the sequence (which could join it later): [canal_save()]
#' keeps all of them. [canal_import()] reads both forms, weights bit for bit.
#'
#' @return `path`, invisibly.
#' @section Errors: `canalR_error_argument` for another format or ending; `canalR_error_file` for a
#'   path that cannot be written; a file that was there is then as it was.
#' @source Names and shapes: scBERT (Yang et al. 2022) and CANAL, their programs' checkpoints.
#'   safetensors: \url{https://github.com/huggingface/safetensors}.
#' @examples
#' model <- canal_model(canal_config("compact"), c("INS", "GCG", "SST"), seed = 1)
#' file <- tempfile(fileext = ".safetensors")
#' canal_export(model, file)
#' identical(canal_import(file)@weights, model@weights)
#' @export
canal_export <- function(model, path, format = NULL, ..., verbose = TRUE) {
  check_no_dots(...)
  check_model(model)
  path <- check_text_path(path)
  check_flag(verbose, "verbose")
  format <- export_format(path, format)
  about_argument("path", "a file that can be written",
                 cpp_write_checkpoint(path, format, export_parts(model)))
  tell_export(model, format, verbose)
  invisible(path)
}

export_format <- function(path, format) {
  if (!is.null(format)) {
    check_choice(format, c("pth", "safetensors"), "format")
    return(format)
  }
  endings <- c(pth = "pth", pt = "pth", safetensors = "safetensors")
  ending <- tolower(sub("^.*\\.", "", basename(path)))
  if (!ending %in% names(endings)) {
    canal_abort("argument", "path", "a name that ends in .pth, .pt or .safetensors",
                sprintf("\"%s\"", basename(path)), "Or say which with `format`.")
  }
  endings[[ending]]
}

# What cpp_write_checkpoint() takes; texts as UTF-8, numbers as double.
export_parts <- function(model) {
  epochs <- vapply(model@history, function(record) as.numeric(record$epochs), 0)
  preset <- attr(model@config, "preset")
  list(
    weights = model@weights, annotation = model@labels,
    variable_genes0 = match(model@genes, model@vocabulary$genes) - 1,
    genes = model@genes, vocabulary = model@vocabulary$genes,
    # A stage trains other parts of a pre-trained network than of one that began at random.
    settings = c(unlist(unclass(model@config)),
                 pretrained = as.numeric(isTRUE(model@provenance$pretrained)),
                 own_pretraining = as.numeric(!is.null(model@provenance$pretraining)),
                 scaling_genes = scaling_genes(model@vocabulary),
                 recipe_numbers(model)),
    preset = if (is.null(preset)) "" else preset,
    positions = model@provenance$positions, epoch = as.integer(sum(epochs))
  )
}

# Genes that could still join with a vector of their own.
vectors_outside <- function(model) {
  outside <- setdiff(rownames(model@vocabulary$positions), model@genes)
  if (!length(outside)) return(NULL)
  sprintf("the vectors of %s genes outside the sequence", thousands(length(outside)))
}

tell_export <- function(model, format, verbose) {
  cells <- nrow(model@bank$entries)
  stages <- length(model@history)
  lost <- c(if (cells) sprintf("the example bank (%d cells)", cells),
            if (stages) sprintf("the history and held-out cells of %d stage%s", stages,
                                if (stages == 1) "" else "s"),
            if (length(model@pending)) "the cells that wait to be ranked",
            vectors_outside(model))
  text <- sprintf("Wrote %s parameters (%s).",
                  thousands(parameter_count(model@weights)), format)
  if (length(lost)) {
    text <- paste(text, sprintf("Not in the file: %s; canal_save() keeps them.",
                                paste(lost, collapse = ", ")))
  }
  canal_inform("export", text, verbose)
}
