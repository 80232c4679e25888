# The genes of a stage's sequence. The first stage chooses the most variable ones; at later stages
# some that vary in the stage's cells and that the model lacks may join.

# counts: genes x cells of this stage. hint: see check_counts(). Returns
#   sequence   the genes of the sequence: the model's, then those that join;
#   joined     the latter (at the first stage those that the vocabulary lacks);
#   outside    those among them that the vocabulary lacks;
#   spare      more variable genes, whose tokens are kept with the cells of the bank in case they
#              join later.
stage_genes <- function(counts, model, new_genes, min_genes, threads, hint = raw_hint()) {
  check_counts(counts, threads, hint)
  vocabulary <- model@vocabulary$genes
  ranked <- ranked_genes(counts, model@vocabulary, min_genes, model@config$target_sum, threads)
  genes <- if (has_genes(model)) {
    later_genes(ranked, model, new_genes)
  } else {
    check_some_vary(ranked, ncol(counts))
    first_genes(ranked, vocabulary, model@config$n_genes,
                new_genes %||% outside_genes(ranked, model))
  }
  genes$outside <- setdiff(genes$joined, vocabulary)
  genes$spare <- utils::head(setdiff(ranked, genes$sequence), model@config$kept_genes)
  genes
}

# The genes that vary, those of the input and of the vocabulary, the most variable first. counts:
# checked.
ranked_genes <- function(counts, whole, min_genes, target_sum, threads) {
  whole <- as_vocabulary(whole)
  vocabulary <- whole$genes
  own <- unique(rownames(counts))
  aligned <- align_genes(rownames(counts), colnames(counts), whole)
  detected <- cpp_detected_genes(counts, aligned$place, length(vocabulary), threads)
  kept <- keep_cells(detected, aligned, min_genes, need_some = TRUE)
  all <- c(vocabulary, setdiff(own, vocabulary))
  statistics <- cpp_gene_statistics(counts, gene_places(rownames(counts), all), length(all),
                                    scaling_genes(whole), kept$cells, target_sum, threads)
  dispersion <- statistics$dispersion_norm
  all[order(dispersion, decreasing = TRUE, na.last = NA, method = "radix")]
}

# A model that has genes needs none of a stage, which may be of a single cell.
check_some_vary <- function(ranked, cells) {
  if (length(ranked)) return(invisible())
  canal_abort("genes", "x", "cells that differ, to choose variable genes on",
              sprintf("no variable gene among %d cells", cells),
              "Give cells of several types.", call = NULL)
}

# A vocabulary that is no longer than `n_genes` is taken whole, with the `new_genes` most variable
# genes that it lacks. Of a longer one the most variable genes are chosen, at most `new_genes` of
# them from outside. Those of the vocabulary keep its order, the others follow.
first_genes <- function(ranked, vocabulary, n_genes, new_genes) {
  outside <- setdiff(ranked, vocabulary)
  if (length(vocabulary) <= n_genes) {
    joined <- utils::head(outside, new_genes)
    return(list(sequence = c(vocabulary, joined), joined = joined))
  }
  allowed <- setdiff(ranked, utils::tail(outside, max(0, length(outside) - new_genes)))
  chosen <- utils::head(allowed, n_genes)
  joined <- setdiff(chosen, vocabulary)
  list(sequence = c(vocabulary[vocabulary %in% chosen], joined), joined = joined)
}

# How many genes from outside may join a pre-trained vocabulary: those that fill the sequence where
# the vocabulary has too few genes that vary in these cells, and `outside_genes` in any case. None
# an untrained one, which was chosen for the cells.
outside_genes <- function(ranked, model) {
  if (is.null(model@provenance$pretraining)) return(0)
  inside <- sum(ranked %in% model@vocabulary$genes)
  max(model@config$outside_genes, model@config$n_genes - inside)
}

# Of the stage's own most variable genes, as many as the model has, those that it lacks.
later_genes <- function(ranked, model, new_genes) {
  lacking <- setdiff(utils::head(ranked, length(model@genes)), model@genes)
  joined <- utils::head(lacking, new_genes)
  # Those without a vector come last: the engine learns the last rows.
  own <- joined %in% rownames(model@vocabulary$positions)
  joined <- c(joined[own], joined[!own])
  list(sequence = c(model@genes, joined), joined = joined)
}

# Position vectors (genes x D) of genes that join: the vocabulary's; else the mean of those of the
# genes that are most alike in the stage's cells, as a gene's vector stands for what it is expressed
# with. tokens: raw, genes of the sequence x cells. known: genes with vectors, `table` theirs.
joined_positions <- function(joined, tokens, known, table, model, seed) {
  own <- model@vocabulary$positions
  rows <- matrix(0, length(joined), ncol(table), dimnames = list(joined, NULL))
  given <- joined %in% rownames(own)
  rows[given, ] <- own[joined[given], ]
  if (!all(given)) {
    rows[!given, ] <- neighbour_positions(joined[!given], tokens, known, table, seed)
  }
  rows
}

# The mean of the vectors of the `neighbours` best correlated genes, as long as vectors are on
# average; a gene that does not vary gets the mean of all.
neighbour_positions <- function(genes, tokens, known, table, seed, neighbours = 10, cells = 2000) {
  if (ncol(tokens) > cells) {
    tokens <- tokens[, with_seed(seed, sort(sample.int(ncol(tokens), cells))), drop = FALSE]
  }
  values <- function(names) {
    chosen <- tokens[names, , drop = FALSE]
    matrix(as.numeric(chosen), nrow(chosen))
  }
  likeness <- suppressWarnings(stats::cor(t(values(genes)), t(values(known))))
  likeness[is.na(likeness)] <- 0
  usual <- mean(sqrt(rowSums(table^2)))
  t(vapply(seq_along(genes), function(i) {
    near <- utils::head(order(likeness[i, ], decreasing = TRUE), neighbours)
    if (likeness[i, near[1]] <= 0) near <- seq_along(known)
    row <- colMeans(table[near, , drop = FALSE])
    row * usual / max(sqrt(sum(row^2)), 1e-12)
  }, numeric(ncol(table))))
}

# Weights for a longer sequence.
with_joined_genes <- function(weights, joined, tokens, known, model, seed) {
  if (!length(joined)) return(weights)
  table <- cpp_weight_array(weights[["pos_emb.emb.weight"]])
  table <- table[seq_along(known), , drop = FALSE]
  cpp_grow_positions(weights, joined_positions(joined, tokens, known, table, model, seed))
}

# How many of the last genes' position rows must learn although the table does not.
learning_positions <- function(joined, model) {
  sum(!joined %in% rownames(model@vocabulary$positions))
}

# Kept cells (the bank's, held-out ones) for a longer sequence: tokens of genes that join come from
# those that were kept beside, else they are zeros. cells: a list with `tokens` (genes x cells) and
# `spare` (others x cells, with their names).
grow_kept_cells <- function(cells, joined) {
  if (!length(joined)) return(cells)
  added <- matrix(raw(1), length(joined), ncol(cells$tokens))
  place <- match(joined, rownames(cells$spare))
  added[!is.na(place), ] <- cells$spare[place[!is.na(place)], , drop = FALSE]
  cells$tokens <- rbind(cells$tokens, added)
  cells$spare <- cells$spare[setdiff(rownames(cells$spare), joined), , drop = FALSE]
  cells
}

# Tokens of spare genes side by side: a gene that one of them lacks is zeros there.
join_spare <- function(a, b) {
  genes <- union(rownames(a), rownames(b))
  spread <- function(x) {
    full <- matrix(raw(1), length(genes), ncol(x), dimnames = list(genes, NULL))
    if (nrow(x)) full[rownames(x), ] <- x
    full
  }
  cbind(spread(a), spread(b))
}

no_spare <- function(cells) matrix(raw(), 0, cells, dimnames = list(character(), NULL))

# Vectors made up from neighbours are no knowledge: a pre-trained start is then worth less than one
# of the cells' own genes.
warn_foreign_vocabulary <- function(genes, model) {
  joined <- length(genes$joined)
  if (has_genes(model) || 2 * joined <= length(genes$sequence)) return(invisible())
  canal_warn("overlap", "model", "a vocabulary that has most of the cells' variable genes",
             sprintf("%s of %s from outside it", thousands(joined),
                     thousands(length(genes$sequence))),
             "canal_model(config, rownames(x)) starts untrained, from the cells' own genes.",
             call = NULL)
}

tell_joined <- function(genes, model, verbose) {
  if (!length(genes$joined)) return(invisible())
  warn_foreign_vocabulary(genes, model)
  without <- learning_positions(genes$joined, model)
  canal_inform("joined", sprintf("%d genes join the sequence: %s.%s", length(genes$joined),
                                 some_of(genes$joined, 6),
                                 if (without) sprintf(" %d have no vector yet and learn one.",
                                                      without) else ""), verbose)
}

# The first stage cuts the network to its genes; what pre-training has learned of the others is kept
# beside it, for genes that join later.
keep_positions <- function(model) {
  if (has_genes(model) || !isTRUE(model@provenance$pretrained) ||
        !is.null(model@vocabulary$positions)) {
    return(model)
  }
  table <- cpp_weight_array(model@weights[["pos_emb.emb.weight"]])
  genes <- model@vocabulary$genes
  model@vocabulary$positions <- `rownames<-`(table[seq_along(genes), , drop = FALSE], genes)
  model
}
