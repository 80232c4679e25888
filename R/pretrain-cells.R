# The unlabelled cells of a pre-training, from one or several inputs, as tokens: all of them in
# memory where they fit, else prepared from their files anew in every epoch, block by block.
#
# Returns a list:
#   count       cells in all;
#   training(seed)   a list of functions, each of which returns a raw matrix (genes x cells) of
#               cells to train on; blocks and the cells of each are in an order that `seed` draws;
#   held_out()  the same with the held-out cells, in their own order;
#   counted()   how often each token comes among the cells to train on;
#   digest()    a text that other cells would change.
pretraining_cells <- function(x, model, assay.type, min_genes, memory, settings) {
  inputs <- as_inputs(x)
  threads <- thread_count(settings$num_threads)
  sources <- lapply(inputs, pretraining_source, model = model, assay.type = assay.type,
                    min_genes = min_genes, threads = threads, verbose = settings$verbose)
  blocks <- unlist(lapply(sources, `[[`, "blocks"), recursive = FALSE)
  count <- sum(vapply(blocks, `[[`, 0, "count"))
  check_number(memory, "memory", 0, Inf)
  bytes <- count * length(model@vocabulary$genes)
  if (bytes <= memory || length(blocks) == 1) blocks <- list(joined_block(blocks))
  blocks <- with_held_out(blocks, settings)
  list(count = count, training = function(seed) shuffled_blocks(blocks, seed),
       held_out = function() held_blocks(blocks), counted = function() token_counts(blocks),
       digest = function() blocks_digest(blocks))
}

# A list of inputs stays one; a Seurat object, a data frame or a path is no list of them.
as_inputs <- function(x) {
  paths <- is.character(x) && is.null(dim(x))
  if (!paths && (!is.list(x) || is.object(x))) return(list(x))
  if (length(x)) return(unname(as.list(x)))
  canal_abort("empty", "x", "at least one input", if (paths) "no path" else "an empty list")
}

# An input looked through, its cells with enough genes in blocks: each a list of `count` and
# `tokens()`.
pretraining_source <- function(x, model, assay.type, min_genes, threads, verbose) {
  vocabulary <- model@vocabulary$genes
  source <- told(cell_source(x, assay.type), verbose)
  on.exit(source$finish())
  aligned <- survey_cells(source, model@vocabulary, threads)
  kept <- keep_cells(aligned$detected, aligned, min_genes, need_some = TRUE)
  tell_preparation(vocabulary, aligned, kept, verbose)
  blocks <- lapply(source$blocks, function(block) {
    cells <- kept$cells[kept$cells >= block[1] & kept$cells <= block[2]]
    list(count = length(cells), tokens = function() {
      unname(tokens_of(source$read(block), aligned, cells - block[1] + 1, seq_along(vocabulary),
                       model@config$target_sum, model@config$n_bins, threads))
    })
  })
  list(blocks = blocks[vapply(blocks, `[[`, 0, "count") > 0])
}

# All blocks as one that is in memory.
joined_block <- function(blocks) {
  tokens <- do.call(cbind, lapply(blocks, function(block) block$tokens()))
  list(count = ncol(tokens), tokens = function() tokens)
}

# Each block with the numbers of its held-out cells.
with_held_out <- function(blocks, settings) {
  counts <- vapply(blocks, `[[`, 0, "count")
  total <- sum(counts)
  held <- with_seed(derive_seed(settings$seed, 3),
                    sort(sample.int(total, min(total - 1, round(settings$validation * total)))))
  before <- cumsum(c(0, counts))
  for (i in seq_along(blocks)) {
    blocks[[i]]$held <- held[held > before[i] & held <= before[i + 1]] - before[i]
  }
  blocks
}

shuffled_blocks <- function(blocks, seed) {
  order <- with_seed(seed, sample.int(length(blocks)))
  lapply(order, function(i) {
    force(i)
    function() {
      block <- blocks[[i]]
      cells <- setdiff(seq_len(block$count), block$held)
      block$tokens()[, with_seed(derive_seed(seed, i), cells[sample.int(length(cells))]),
                     drop = FALSE]
    }
  })
}

held_blocks <- function(blocks) {
  lapply(blocks[lengths(lapply(blocks, `[[`, "held")) > 0], function(block) {
    force(block)
    function() block$tokens()[, block$held, drop = FALSE]
  })
}

training_tokens <- function(block) {
  block$tokens()[, setdiff(seq_len(block$count), block$held), drop = FALSE]
}

token_counts <- function(blocks) {
  Reduce(`+`, lapply(blocks, function(block) {
    tabulate(as.integer(training_tokens(block)) + 1L, nbins = 256)
  }))
}

blocks_digest <- function(blocks) {
  vapply(blocks, function(block) cpp_digest(block$tokens()), "")
}
