# What CELLULAR's network reads: log-normalised values of its genes.

# The values (dgCMatrix, genes x cells) of some genes, in the order of `genes`: every cell scaled so
# that all genes of `counts` add up to `target`, then log(1 + x). Genes that `counts` lacks are
# zeros; of rows with one name the first is used.
cellular_values <- function(counts, genes, target, cells = seq_len(ncol(counts))) {
  counts <- to_its_end(counts[, cells, drop = FALSE])
  totals <- Matrix::colSums(counts)
  there <- match(genes, rownames(counts))
  chosen <- to_its_end(counts[there[!is.na(there)], , drop = FALSE])
  values <- log_normalise(chosen, target, totals)
  if (!anyNA(there)) return(values)
  # Rows of zeros where a gene is missing.
  place <- which(!is.na(there))
  values@i <- place[values@i + 1L] - 1L
  values@Dim <- c(length(genes), ncol(values))
  values@Dimnames <- list(genes, colnames(counts))
  values
}

# Variable genes for CELLULAR, in the order of the rows: scanpy's `cell_ranger` flavour on cells
# scaled to `target`. Genes that do not vary are never among them.
cellular_genes <- function(counts, cells, n_genes, target, threads, verbose) {
  genes <- rownames(counts)
  places <- gene_places(genes, unique(genes))
  statistics <- cpp_gene_statistics(counts, places, length(unique(genes)), -1L, cells, target,
                                    threads, "cell_ranger")
  chosen <- unique(genes)[cpp_variable_genes(statistics, n_genes)]
  if (length(chosen) < 2) {
    canal_abort("genes", "x", "cells that differ, to choose variable genes on",
                sprintf("%d variable genes among %d cells", length(chosen), length(cells)))
  }
  if (length(chosen) < n_genes) {
    canal_inform("genes", sprintf(
      "`n_genes` is %s, but only %s of %s genes vary: all of them are taken.", thousands(n_genes),
      thousands(length(chosen)), thousands(length(unique(genes)))
    ), verbose)
  }
  chosen
}

# Distances between the types' centroids among the first principal components of the cells: the mean
# over the batches that hold both types, 0 where none does, divided by the largest. types x types.
#
# values: dgCMatrix, genes x cells. types, batches: from 1.
centroid_distances <- function(values, types, batches, components, threads) {
  n_types <- max(types)
  # Genes x components.
  rotation <- cpp_principal_axes(values, min(components, ncol(values) - 1, nrow(values)), threads)
  sums <- counts <- matrix(0, n_types, n_types)
  for (batch in unique(batches)) {
    inside <- batches == batch
    present <- sort(unique(types[inside]))
    means <- vapply(present, function(type) {
      Matrix::rowMeans(values[, inside & types == type, drop = FALSE])
    }, numeric(nrow(values)))
    # Centring moves all centroids alike, so the distances need none.
    apart <- as.matrix(stats::dist(crossprod(means, rotation)))
    sums[present, present] <- sums[present, present] + apart
    counts[present, present] <- counts[present, present] + 1
  }
  mean <- ifelse(counts > 0, sums / pmax(counts, 1), 0)
  if (max(mean) > 0) mean / max(mean) else mean
}
