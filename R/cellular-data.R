# What CELLULAR is trained on: labelled cells, split, with what its losses compare them by.

# Counts (genes x cells, dgCMatrix) with types and, unless there is one batch, batches, as text.
labelled_cells <- function(x, labels, batch, assay.type, num_threads, verbose) {
  cells <- told(cells_of(x, assay.type), verbose)
  check_counts(cells$counts, thread_count(num_threads), raw_hint(cells$others))
  cells$types <- labels_of(cells, labels, "labels")
  warn_alike(unique(cells$types))
  if (!is.null(batch)) cells$batches <- labels_of(cells, batch, "batch")
  cells
}

# What the trainer is given: held-out and training cells' values (dgCMatrix, genes x cells), types
# and batches (from 1), and the distances between the types' centroids.
cellular_data <- function(cells, settings) {
  totals <- Matrix::colSums(cells$counts)
  used <- cells_with_counts(cells, totals, settings$verbose)
  types <- cells$types[used]
  check_cellular_types(types)
  batches <- cellular_batches(cells$batches[used], types, settings$verbose)
  labels <- sort(unique(types), method = "radix")
  held <- hold_out(types, settings$validation, derive_seed(settings$seed, 1))
  threads <- thread_count(settings$num_threads)
  target <- mean_library_size(cells$counts[, used[!held], drop = FALSE])
  genes <- cellular_genes(cells$counts, used[!held], settings$n_genes, target, threads,
                          settings$verbose)
  type <- match(types, labels)
  place <- if (is.null(batches)) rep(1L, length(type)) else match(batches, unique(batches))
  part <- function(chosen) {
    list(values = cellular_values(cells$counts, genes, target, used[chosen]), types = type[chosen],
         batches = place[chosen])
  }
  train <- part(which(!held))
  list(genes = genes, labels = labels, batches = unique(batches), target = target, train = train,
       held = part(shuffled(which(held), derive_seed(settings$seed, 6))),
       distances = centroid_distances(train$values, train$types, train$batches,
                                      settings$latent_dim, threads))
}

# Validation goes over mini-batches in this order: cells often come sorted by type or batch, and
# such mini-batches have no pairs.
shuffled <- function(cells, seed) with_seed(seed, cells[sample.int(length(cells))])

# Numbers of the cells that have anything to be scaled.
cells_with_counts <- function(cells, totals, verbose) {
  used <- which(totals > 0)
  if (!length(used)) canal_abort("empty", "x", "cells with counts", "none")
  if (length(used) < length(totals)) {
    canal_inform("prepare", sprintf("%s cells without counts left out: %s.",
                                    thousands(length(totals) - length(used)),
                                    some_of(colnames(cells$counts)[totals <= 0])), verbose)
  }
  used
}

# The loss compares cells of one type with those of another.
check_cellular_types <- function(types) {
  counts <- label_counts(types)
  check_no_unassigned(types)
  if (length(counts) >= 2 && any(counts >= 2)) return(invisible())
  got <- if (length(counts) < 2) paste("only", some_of(names(counts))) else "one cell of each type"
  canal_abort("labels", "labels", "at least two types, and two cells of one of them", got)
}

# NULL where there is one batch, and the batch loss has nothing to compare.
cellular_batches <- function(batches, types, verbose) {
  if (length(unique(batches)) < 2) {
    canal_inform("batch", "All cells are of one batch: the batch loss is left out.", verbose)
    return(NULL)
  }
  cells <- label_counts(types, batches)
  alone <- rownames(cells)[rowSums(cells > 0) == 1]
  if (length(alone)) {
    canal_warn("batch", "batch", "cells of every type in two batches or more",
               sprintf("one batch only for %s", some_of(alone)),
               "The batch loss cannot mix batches of such a type.")
  }
  batches
}
