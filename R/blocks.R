# The way of a query's cells through the network, in blocks of cells where they come from a file:
# memory then holds one block and the results. Every cell's numbers are its own, so blocks change
# nothing but the memory.

# Prepares the cells of a query for a model and runs the network on them. Returns
#   cells     names of all cells that came in,
#   kept      numbers of those with enough genes; there may be none,
#   dropped   the table of the others, and `min_genes`, which they missed,
#   out       the `outputs`, a list of matrices with a row per kept cell.
run_query <- function(x, model, outputs, assay.type, min_genes, num_threads, compute, verbose,
                      activity) {
  check_query(verbose, min_genes)
  query <- open_query(x, model, assay.type, min_genes, num_threads, verbose)
  progress <- cell_progress(activity, length(query$kept), verbose)
  on.exit(query$source$finish())
  run <- function(block, cells, done, following) {
    counts <- query$source$read(block)
    if (length(following)) query$source$ahead(following)
    tokens <- query$tokens(counts, cells - block[1] + 1)
    run_network(tokens, model, outputs, num_threads, compute, shifted_progress(progress, done))
  }
  out <- collected_outputs(query$source$blocks, query$kept, run)
  c(query[c("cells", "kept", "dropped", "min_genes")], list(out = out))
}

check_query <- function(verbose, min_genes, call = sys.call(-2)) {
  check_flag(verbose, "verbose", call = call)
  if (!is.null(min_genes)) {
    check_number(min_genes, "min_genes", 0, .Machine$integer.max, call = call)
  }
}

# What is known of a query before the network runs: `cells`, `kept`, `dropped` and `min_genes` as
# run_query() returns them, the `source` of its blocks, and tokens(counts, cells), the model's
# tokens (raw, genes x cells) of some cells of a block by their number in it.
open_query <- function(x, model, assay.type, min_genes, num_threads, verbose) {
  threads <- thread_count(num_threads)
  source <- told(cell_source(x, assay.type), verbose)
  aligned <- survey_cells(source, model@vocabulary, threads)
  kept <- keep_cells(aligned$detected, aligned, min_genes, need_some = FALSE)
  chosen <- wanted_genes(model@genes, aligned)
  tell_preparation(c(length(chosen), length(kept$cells)), aligned, kept, verbose)
  list(cells = source$cells, kept = kept$cells, dropped = kept$dropped, min_genes = kept$min_genes,
       source = source, tokens = function(counts, cells) {
         tokens_of(counts, aligned, cells, chosen, model@config$target_sum, model@config$n_bins,
                   threads)
       })
}

# For each cell that came in its row of the outputs, NA for a dropped one.
query_rows <- function(query) {
  rows <- rep(NA_integer_, length(query$cells))
  rows[query$kept] <- seq_along(query$kept)
  rows
}

# Where cells come from: their names (`genes`, `cells`), `blocks` (a list of first and last cell),
# read(block), the counts of one; ahead(block) starts to read one that will be asked for next, so
# that the network need not wait for it, and finish() waits for what was started.
cell_source <- function(x, assay.type) {
  if (is.character(x) && !is_folder(x)) {
    layer <- h5ad_layer(x, assay.type)
    header <- about_h5ad(cpp_h5ad_header(path.expand(x), layer))
    if (header$by_cells) return(file_source(path.expand(x), layer, header))
  }
  counts <- cells_of(x, assay.type)$counts
  list(genes = rownames(counts), cells = colnames(counts), blocks = list(c(1, ncol(counts))),
       read = function(block) counts, ahead = function(block) NULL, finish = function() NULL)
}

file_source <- function(path, layer, header) {
  coming <- NULL  # the block that is being read ahead, and the engine's handle of it
  read <- function(block) {
    slots <- about_h5ad(if (identical(coming$block, block)) {
      cpp_take_cells(coming$cells)
    } else {
      cpp_read_h5ad_cells(path, layer, block[1], block[2])
    })
    coming <<- NULL
    h5ad_counts(slots, header$genes, header$cells[block[1]:block[2]])
  }
  ahead <- function(block) {
    coming <<- list(block = block, cells = cpp_read_ahead(path, layer, block[1], block[2]))
  }
  finish <- function() {
    if (!is.null(coming)) cpp_forget_cells(coming$cells)
    coming <<- NULL
  }
  blocks <- cell_blocks(length(header$cells), cells_in_block(header))
  if (length(blocks) == 1) {
    counts <- read(blocks[[1]])
    read <- function(block) counts
  }
  list(genes = header$genes, cells = header$cells, blocks = blocks, read = read, ahead = ahead,
       finish = finish)
}

# How many cells' counts take about so many bytes, of 12 bytes a value.
cells_in_block <- function(header, bytes = 2^25) {
  values <- header$values / max(1, length(header$cells))
  max(1, floor(bytes / 12 / max(1, values)))
}

cell_blocks <- function(n_cells, size) {
  first <- seq(1, max(1, n_cells), by = size)
  Map(c, first, pmin(first + size - 1, n_cells))
}

# Looks at all counts before anything is computed from them: what canal_prepare() checks, with the
# genes aligned (see align_genes()) and `detected`, the vocabulary genes that each cell has.
survey_cells <- function(source, whole, threads) {
  vocabulary <- whole$genes
  check_table(c(length(source$genes), length(source$cells)), source$genes, source$cells)
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
  check_values(facts, function() do.call(cbind, sample))
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
