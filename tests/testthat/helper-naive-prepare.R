# The preparation written the slow and obvious way, on dense matrices, as an oracle that shares no
# code with the package.

naive_aligned <- function(counts, vocabulary) {
  aligned <- matrix(0, length(vocabulary), ncol(counts),
                    dimnames = list(vocabulary, colnames(counts)))
  for (gene in intersect(vocabulary, rownames(counts))) {
    aligned[gene, ] <- counts[which(rownames(counts) == gene)[1], ]
  }
  aligned
}

naive_scaled <- function(aligned, target_sum) {
  for (cell in seq_len(ncol(aligned))) {
    total <- sum(aligned[, cell])
    if (total > 0) aligned[, cell] <- aligned[, cell] * target_sum / total
  }
  aligned
}

naive_dispersion_norm <- function(scaled) {
  mean <- apply(scaled, 1, mean)
  mean[mean == 0] <- 1e-12
  dispersion <- apply(scaled, 1, stats::var) / mean
  dispersion[dispersion == 0] <- NA
  dispersion <- log(dispersion)
  mean <- log(1 + mean)
  edges <- seq(min(mean), max(mean), length.out = 21)
  edges[1] <- edges[1] - 0.001 * (max(mean) - min(mean))
  edges[21] <- max(mean)
  bin <- cut(mean, edges)
  result <- rep(NA_real_, length(mean))
  for (level in levels(bin)) {
    inside <- which(bin == level & !is.na(dispersion))
    if (length(inside) == 1) {
      result[inside] <- 1
    } else if (length(inside) > 1) {
      d <- dispersion[inside]
      result[inside] <- (d - mean(d)) / stats::sd(d)
    }
  }
  list(mean = mean, dispersion = dispersion, dispersion_norm = result)
}

naive_variable_genes <- function(scaled, n_genes) {
  score <- naive_dispersion_norm(scaled)$dispersion_norm
  ranked <- order(-score, na.last = NA)
  sort(utils::head(ranked, n_genes))
}

naive_tokens <- function(scaled, genes, n_bins) {
  tokens <- pmin(floor(log2(1 + scaled[genes, , drop = FALSE])), n_bins)
  storage.mode(tokens) <- "integer"
  t(tokens)
}
