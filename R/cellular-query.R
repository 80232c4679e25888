# The way of a query's cells through CELLULAR's networks. See blocks.R.

# Runs the encoder and, for probabilities, the classifier. Returns `cells`, the names of all that
# came in; `kept`, numbers of those with counts of the model's genes; `reason`, one per cell, NA for
# kept ones; `out`, a list with the matrix of `output` ("embedding" or "probabilities").
run_cellular <- function(x, model, output, max_missing, assay.type, settings) {
  source <- told(cell_source(x, assay.type), settings$verbose)
  on.exit(source$finish())
  surveyed <- survey_cells(source, canal_vocabulary(model@genes), settings$threads)
  check_missing_genes(model@genes, source$genes, max_missing, settings$verbose)
  kept <- which(surveyed$detected > 0)
  pass <- structure(list(genes = model@genes, target = model@target, output = output),
                    class = "cellular_pass")
  out <- run_pass(source, kept, model, pass, settings)
  reason <- rep(NA_character_, length(source$cells))
  reason[surveyed$detected == 0] <- "no counts of the model's genes"
  tell_without_counts(source$cells[!is.na(reason)], settings$verbose)
  list(cells = source$cells, kept = kept, reason = reason, out = out)
}

# The linter does not look for the generics.
# nolint start: object_name_linter.

# Values (dgCMatrix, genes x cells).
#' @exportS3Method
pass_input.cellular_pass <- function(pass, counts, cells, threads) {
  cellular_values(counts, pass$genes, pass$target, cells)
}

#' @exportS3Method
pass_output.cellular_pass <- function(pass, input, model, threads, progress) {
  stats::setNames(list(pass_cellular(input, model, pass$output, threads, progress)), pass$output)
}
# nolint end

# The `output` of cells' values (genes x cells): a matrix with a row per cell.
pass_cellular <- function(values, model, output, threads, progress = NULL) {
  embedding <- cpp_cellular_embed(native_cellular(model, "encoder"), values, threads, progress)
  if (output == "embedding") return(embedding)
  cpp_cellular_probabilities(native_cellular(model, "classifier"), embedding, threads, NULL)
}

# part: "encoder" or "classifier".
native_cellular <- function(model, part) {
  pointer <- model@cache[[part]]
  if (is.null(pointer) || !cpp_is_live(pointer)) {
    pointer <- if (part == "encoder") cpp_cellular_encoder(model@weights)
               else cpp_cellular_classifier(model@classifier)
    assign(part, pointer, envir = model@cache)
  }
  pointer
}

# Zeros for genes that a query lacks are a guess: some are harmless, many make cells look like none
# that the network has seen.
check_missing_genes <- function(genes, measured, max_missing, verbose) {
  check_number(max_missing, "max_missing", 0, 1)
  missing <- setdiff(genes, measured)
  share <- length(missing) / length(genes)
  if (share > max_missing) {
    canal_abort("overlap", "x", sprintf("at least %.0f %% of the model's %s genes",
                                        100 * (1 - max_missing), thousands(length(genes))),
                sprintf("%.0f %% missing, such as %s", 100 * share, some_of(missing)),
                "Missing genes count as zeros; a higher `max_missing` accepts more of them.")
  }
  if (length(missing)) {
    canal_inform("genes", sprintf("%s of the model's %s genes are missing and count as zeros.",
                                  thousands(length(missing)), thousands(length(genes))), verbose)
  }
}

tell_without_counts <- function(cells, verbose) {
  if (!length(cells)) return(invisible())
  canal_inform("prepare", sprintf("%s cells without counts of the model's genes: %s.",
                                  thousands(length(cells)), some_of(cells)), verbose)
}

# Embeddings (cells x latent) of counts that are in memory.
embed_counts <- function(counts, model, max_missing, settings) {
  check_missing_genes(model@genes, rownames(counts), max_missing, settings$verbose)
  values <- cellular_values(counts, model@genes, model@target)
  pass_cellular(values, model, "embedding", thread_count(settings$num_threads))
}
