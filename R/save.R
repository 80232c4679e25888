#' Save and load a model
#'
#' One HDF5 file holds the whole model. It is written whole or not at all: a file that was there
#' before stays as it was until the new one is complete. Every later version of canalR reads it. The
#' file begins with a checksum of all that follows, which other programs' HDF5 passes over; a file
#' that was damaged, or changed by another program, is refused.
#'
#' @param model A [CanalModel-class] or a [CellularModel-class].
#' @param path The file. `canal_save()` replaces one that is there.
#'
#' @return `canal_save()`: the path, invisibly. `canal_load()`: the model.
#' @section Errors: `canalR_error_file` for a path that cannot be written, and for a missing,
#'   truncated or foreign file; `canalR_error_version` for a file of a newer canalR.
#' @source The format is canalR's own: HDF5, a data set for each part of the model.
#' @examples
#' model <- canal_model(canal_config("compact"), c("INS", "GCG", "SST"), seed = 1)
#' file <- tempfile(fileext = ".h5")
#' canal_save(model, file)
#' identical(canal_load(file)@weights, model@weights)
#' @export
canal_save <- function(model, path) {
  tree <- if (is(model, "CellularModel")) {
    cellular_to_tree(model)
  } else {
    check_model(model)
    model_to_tree(model)
  }
  path <- check_path(path)
  about_argument("path", "a file that can be written", cpp_write_tree(path, tree))
  invisible(path)
}

#' @rdname canal_save
#' @export
canal_load <- function(path) {
  path <- check_path(path)
  tree <- about_argument("path", "a model that canal_save() wrote",
                         cpp_read_tree(path, "/", "raw"))
  check_format(tree, path)
  check_parts(tree)
  about_argument("path", "a whole model", check_weights(tree))
  from_tree <- if (is_cellular_tree(tree)) cellular_from_tree else model_from_tree
  tryCatch(from_tree(tree), error = function(error) {
    pass_on_memory(error)
    abort_damaged(conditionMessage(error))
  })
}

# Raised by one whenever an older canalR could not read what this one writes.
model_format <- list(name = "canalR model", version = 1L)

check_format <- function(tree, path) {
  format <- tree$format
  if (!is.list(format) || !identical(format$name, model_format$name)) {
    canal_abort("file", "path", "a model that canal_save() wrote", "another HDF5 file",
                "Checkpoints of Python programs are read by canal_import().")
  }
  if (!is.numeric(format$version)) abort_parts("a version")
  if (format$version > model_format$version) {
    canal_abort("version", "path", sprintf("a model of format %d or older", model_format$version),
                sprintf("format %d, written by canalR %s", format$version,
                        c(format$written_by, "(not told)")[1]),
                "Update canalR.")
  }
}

# What every model has, whatever else its file holds.
model_parts <- c("config", "vocabulary", "genes", "labels", "weights", "history", "heldout", "bank",
                 "pending", "provenance")

check_parts <- function(tree) {
  lacking <- setdiff(if (is_cellular_tree(tree)) cellular_parts else model_parts, names(tree))
  if (length(lacking)) abort_parts(some_of(lacking))
}

# The id is a digest of the weights: other bytes, another id.
check_weights <- function(tree) {
  weights <- c(tree$weights, tree$classifier)
  if (!is_cellular_tree(tree)) cpp_sizes(weights)
  whole <- all(vapply(weights, is.raw, NA)) && identical(weights_id(weights), tree$provenance$id)
  if (!whole) {
    abort_damaged("its weights are not those that were saved")
  }
}

abort_damaged <- function(reason) {
  canal_abort("file", "path", "a whole model", paste("a damaged one:", reason))
}

abort_parts <- function(lacking) {
  canal_abort("file", "path", "a whole model", paste("one without", lacking))
}

model_to_tree <- function(model) {
  tree <- list(
    format = c(model_format, written_by = as.character(utils::packageVersion("canalR"))),
    config = c(as.list(unclass(model@config)), preset = attr(model@config, "preset")),
    vocabulary = model@vocabulary$genes, scaling = model@vocabulary$scaling,
    positions = positions_to_tree(model@vocabulary),
    genes = model@genes, labels = model@labels, weights = model@weights, history = model@history,
    heldout = lapply(model@heldout, spare_to_tree), bank = spare_to_tree(model@bank),
    pending = spare_to_tree(model@pending), provenance = model@provenance
  )
  plain_tree(tree)
}

# HDF5 knows groups, numbers, text and bytes: lists without names are numbered, data frames become
# lists of columns, TRUE and FALSE become 1 and 0, empty entries are left out.
plain_tree <- function(x) {
  if (is.list(x)) {
    x <- as.list(x)
    attributes(x) <- attributes(x)["names"]
    if (is.null(names(x))) names(x) <- seq_along(x)
    return(lapply(x[!vapply(x, is.null, NA)], plain_tree))
  }
  if (is.logical(x)) return(as.integer(x))
  if (is.numeric(x) && !is.null(names(x))) return(list(names = names(x), values = unname(x)))
  x
}

# Dimensions have no names in HDF5.
spare_to_tree <- function(cells) {
  if (is.null(cells$spare)) return(cells)
  cells$spare <- list(genes = rownames(cells$spare), tokens = unname(cells$spare))
  cells
}

spare_from_tree <- function(cells) {
  spare <- cells$spare
  cells$spare <- if (length(spare$genes)) {
    `rownames<-`(spare$tokens, spare$genes)
  } else {
    no_spare(ncol(cells$tokens))
  }
  cells
}

positions_to_tree <- function(vocabulary) {
  table <- vocabulary$positions
  if (is.null(table)) return(NULL)
  list(genes = rownames(table), table = unname(table))
}

vocabulary_from_tree <- function(tree) {
  vocabulary <- canal_vocabulary(tree$vocabulary)
  vocabulary$scaling <- tree$scaling
  if (!is.null(tree$positions)) {
    vocabulary$positions <- `rownames<-`(tree$positions$table, tree$positions$genes)
  }
  vocabulary
}

model_from_tree <- function(tree) {
  # What a file of an older canalR does not say is as the published programs have it.
  config <- utils::modifyList(unclass(canal_config("scbert")), as.list(tree$config))
  provenance <- tree$provenance
  provenance$pretrained <- as.logical(provenance$pretrained)
  new("CanalModel",
      config = structure(config[names(config_entries())], preset = tree$config$preset,
                         class = "canal_config"),
      vocabulary = vocabulary_from_tree(tree), genes = tree$genes,
      labels = as.character(tree$labels), weights = tree$weights,
      history = lapply(numbered(tree$history), record_from_tree),
      heldout = lapply(numbered(tree$heldout), cells_from_tree), bank = bank_from_tree(tree$bank),
      pending = if (length(tree$pending)) cells_from_tree(tree$pending) else list(),
      provenance = provenance)
}

# A list that was numbered, in order again.
numbered <- function(x) unname(x[order(as.integer(names(x)))])

record_from_tree <- function(record) {
  record$losses <- as.data.frame(record$losses)
  # After an interrupted stage there is none.
  if (is.list(record$accuracy)) {
    record$accuracy <- setNames(record$accuracy$values, record$accuracy$names)
  }
  record$new_types <- as.character(record$new_types)
  record$new_genes <- as.character(record$new_genes)
  if (!is.null(record$settings$oversample)) {
    record$settings$oversample <- as.logical(record$settings$oversample)
  }
  record
}

cells_from_tree <- function(cells) {
  cells <- spare_from_tree(cells)
  cells[] <- lapply(cells, function(x) if (is.character(x)) as.character(x) else x)
  cells
}

bank_from_tree <- function(bank) {
  list(tokens = bank$tokens, spare = spare_from_tree(bank)$spare,
       entries = as.data.frame(bank$entries))
}
