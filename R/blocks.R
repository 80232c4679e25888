# The way of a query's cells through a network, in blocks of cells: memory then holds one block and
# the results. Every cell's numbers are its own, so blocks change nothing but the memory.

# How a query is run: what users say of threads, messages and workers, checked.
run_settings <- function(num_threads, verbose, activity, BPPARAM = NULL, checkpoint = NULL) {
  check_flag(verbose, "verbose")
  check_workers(BPPARAM)
  list(threads = thread_count(num_threads), threads_given = !is.null(num_threads),
       verbose = verbose, activity = activity, workers = BPPARAM,
       checkpoint = if (!is.null(checkpoint)) checkpoint_folder(checkpoint))
}

# A pass is what a network makes of cells, in two steps that need not happen in one process:
# pass_input(), what the network reads of them, and pass_output(), a list of matrices with a row per
# cell. It holds plain values alone, so that another process can be given it.

# counts: dgCMatrix (genes x cells); cells: numbers of those wanted.
pass_input <- function(pass, counts, cells, threads) UseMethod("pass_input")

pass_output <- function(pass, input, model, threads, progress) UseMethod("pass_output")

# For each matrix that comes out a row per kept cell. kept: numbers of the cells to run, which may
# be none.
run_pass <- function(source, kept, model, pass, settings) {
  if (length(kept) && !(is.null(settings$workers) && is.null(settings$checkpoint))) {
    return(run_in_chunks(source, kept, model, pass, settings))
  }
  progress <- cell_progress(settings$activity, length(kept), settings$verbose)
  run <- function(block, cells, done, following) {
    counts <- source$read(block)
    if (length(following)) source$ahead(following)
    input <- pass_input(pass, counts, cells - block[1] + 1, settings$threads)
    pass_output(pass, input, model, settings$threads, shifted_progress(progress, done))
  }
  collected_outputs(source$blocks, kept, run)
}

# Prepares the cells of a query for a CANAL model and runs the network on them. Returns
#   cells     names of all cells that came in,
#   kept      numbers of those with enough genes; there may be none,
#   dropped   the table of the others, and `min_genes`, which they missed,
#   reason    for every cell, why it was dropped, or NA,
#   out       the `outputs`, a list of matrices with a row per kept cell.
run_query <- function(x, model, outputs, assay.type, min_genes, compute, settings) {
  check_min_genes(min_genes)
  query <- open_query(x, model, assay.type, min_genes, settings$threads, settings$verbose)
  on.exit(query$source$finish())
  pass <- structure(c(unclass(query$pass), list(outputs = outputs, compute = compute)),
                    class = class(query$pass))
  out <- run_pass(query$source, query$kept, model, pass, settings)
  reason <- rep(NA_character_, length(query$cells))
  reason[match(query$dropped$cell, query$cells)] <- query$dropped$reason
  c(query[c("cells", "kept", "dropped", "min_genes")], list(reason = reason, out = out))
}

check_min_genes <- function(min_genes) {
  if (!is.null(min_genes)) {
    check_number(min_genes, "min_genes", 0, .Machine$integer.max)
  }
}

# What is known of a query before the network runs: `cells`, `kept`, `dropped` and `min_genes` as
# run_query() returns them, the `source` of its blocks, and what makes a `pass` read tokens.
open_query <- function(x, model, assay.type, min_genes, threads, verbose) {
  if (methods::is(x, "CanalTokens")) return(open_tokens(x, model, min_genes))
  source <- told(cell_source(x, assay.type), verbose)
  aligned <- naming_assay(x, survey_cells(source, model@vocabulary, threads))
  kept <- keep_cells(aligned$detected, aligned, min_genes, need_some = FALSE)
  chosen <- wanted_genes(model@genes, aligned)
  tell_preparation(model@genes, aligned, kept, verbose)
  pass <- list(aligned = aligned[c("place", "vocabulary", "scaling")], chosen = chosen,
               target_sum = model@config$target_sum, n_bins = model@config$n_bins)
  class(pass) <- "canal_pass"
  list(cells = source$cells, kept = kept$cells, dropped = kept$dropped, min_genes = kept$min_genes,
       source = source, pass = pass)
}

# The same of cells that canal_prepare() has prepared: blocks hold tokens instead of counts.
open_tokens <- function(x, model, min_genes) {
  check_prepared(min_genes, list())
  check_token_genes(x, model)
  list(cells = x@all_cells, kept = match(rownames(x), x@all_cells), dropped = x@dropped,
       min_genes = x@min_genes, source = token_source(x),
       pass = structure(list(), class = c("canal_token_pass", "canal_pass")))
}

# Raw genes x cells.
#' @exportS3Method
pass_input.canal_token_pass <- function(pass, counts, cells, threads) {
  to_its_end(counts[, cells, drop = FALSE])
}

#' @exportS3Method
pass_input.canal_pass <- function(pass, counts, cells, threads) {
  tokens_of(counts, pass$aligned, cells, pass$chosen, pass$target_sum, pass$n_bins, threads)
}

#' @exportS3Method
pass_output.canal_pass <- function(pass, input, model, threads, progress) {
  run_network(input, model, pass$outputs, threads, pass$compute, progress)
}

# For each cell that came in its row of the outputs, NA for a dropped one.
query_rows <- function(query) {
  rows <- rep(NA_integer_, length(query$cells))
  rows[query$kept] <- seq_along(query$kept)
  rows
}

# Looks at all counts before anything is computed from them: what canal_prepare() checks, with the
# genes aligned (see align_genes()) and `detected`, the vocabulary genes that each cell has.
survey_cells <- function(source, whole, threads) {
  vocabulary <- whole$genes
  check_table(source$dim, source$genes, source$cells)
  places <- gene_places(source$genes, vocabulary)
  facts <- NULL
  detected <- numeric(length(source$cells))
  wanted <- sampled_numbers(length(source$cells))
  sample <- list()
  for (block in source$blocks) {
    counts <- source$read(block)
    facts <- joined_facts(facts, facts_of(counts, threads))
    # The engine refuses to count genes by values that are none; they are told below.
    if (facts$not_finite + facts$negative == 0) {
      detected[block[1]:block[2]] <- cpp_detected_genes(counts, places, length(vocabulary), threads)
    }
    inside <- wanted[wanted >= block[1] & wanted <= block[2]]
    sample <- c(sample, counts[, inside - block[1] + 1, drop = FALSE])
  }
  check_values(facts, function() do.call(cbind, sample), raw_hint(source$others))
  c(align_genes(source$genes, source$cells, whole), list(detected = detected))
}

# Calls run(block, cells, done, following) with the numbers of the kept cells of each block that
# has some, `done` of them being behind it and the block `following` next (NULL: none), and puts
# the matrices it returns below one another. One block is run in any case, as it tells what comes
# out. Rows are written into their place, as binding them at the end would need them twice.
collected_outputs <- function(blocks, kept, run) {
  cells <- lapply(blocks, function(block) kept[kept >= block[1] & kept <= block[2]])
  used <- if (length(kept)) which(lengths(cells) > 0) else 1
  following <- c(blocks[used[-1]], list(NULL))
  out <- run(blocks[[used[1]]], cells[[used[1]]], 0, following[[1]])
  if (length(used) == 1) return(out)
  all <- lapply(out, function(part) matrix(0, length(kept), ncol(part)))
  done <- 0
  for (i in seq_along(used)) {
    at <- used[i]
    if (i > 1) out <- run(blocks[[at]], cells[[at]], done, following[[i]])
    for (name in names(out)) all[[name]][done + seq_along(cells[[at]]), ] <- out[[name]]
    done <- done + length(cells[[at]])
  }
  all
}

# Progress of a block as progress of all cells.
shifted_progress <- function(progress, before) {
  if (is.null(progress)) return(NULL)
  function(done, total) progress(before + done, total)
}
