# What a count matrix must be before anything is computed from it. `counts` is always a dgCMatrix,
# genes x cells; the argument named to the user is `x`, which it came from.

check_counts <- function(counts) {
  check_not_empty(counts)
  check_names(rownames(counts), "gene", "rows")
  check_names(colnames(counts), "cell", "columns")
  check_duplicates(counts)
  check_finite(counts)
  check_not_negative(counts)
  check_not_logged(counts)
}

check_not_empty <- function(counts) {
  if (all(dim(counts) > 0)) return(invisible())
  canal_abort("empty", "x", "at least one gene and one cell",
              sprintf("%d genes x %d cells", nrow(counts), ncol(counts)))
}

check_names <- function(names, what, where) {
  expected <- sprintf("a %s name for each of its %s", what, where)
  hint <- sprintf("%s are matched by name: set `%s(x)`.",
                  if (what == "gene") "Genes" else "Cells",
                  if (what == "gene") "rownames" else "colnames")
  if (is.null(names)) canal_abort("names", "x", expected, "none", hint)
  missing <- which(is.na(names) | !nzchar(names))
  if (length(missing)) {
    canal_abort("names", "x", expected,
                sprintf("missing or empty names at %s %s", where, some_of(missing)), hint)
  }
}

check_duplicates <- function(counts) {
  cells <- unique(colnames(counts)[duplicated(colnames(counts))])
  if (length(cells)) {
    canal_abort("duplicates", "x", "cell names that are all different",
                paste("more than one cell called", some_of(cells)),
                "Results are returned by cell name: see make.unique().")
  }
  genes <- unique(rownames(counts)[duplicated(rownames(counts))])
  if (length(genes)) {
    canal_warn("duplicates", "x", "gene names that are all different",
               paste("more than one row for", some_of(genes)),
               "The first row of each is used; sum the rows beforehand if they belong together.")
  }
}

check_finite <- function(counts) {
  bad <- which(!is.finite(counts@x))
  if (!length(bad)) return(invisible())
  canal_abort("counts", "x", "finite counts",
              sprintf("%s, for example %s", values_in_all(length(bad), "NA or infinite"),
                      where_is(counts, bad[1])),
              "Replace missing measurements by 0 or leave out those cells.")
}

check_not_negative <- function(counts) {
  bad <- which(counts@x < 0)
  if (!length(bad)) return(invisible())
  got <- sprintf("%s (smallest %.4g), for example %s", values_in_all(length(bad), "negative"),
                 min(counts@x), where_is(counts, bad[1]))
  # Scaling each gene to mean 0 makes a large part of all values negative and fractional; a few
  # negative ones, or whole numbers, are damaged counts.
  if (length(bad) >= 0.05 * length(counts@x) && any(!is_whole(counts@x[bad]))) {
    canal_abort("transformed", "x", "raw counts", paste0(got, ": they look scaled"), raw_hint())
  }
  canal_abort("counts", "x", "counts of 0 or more", got, raw_hint())
}

values_in_all <- function(n, kind) {
  sprintf("%s %s value%s", format(n, big.mark = ","), kind, if (n == 1) "" else "s")
}

raw_hint <- function() {
  paste("canalR normalises counts itself: give the raw ones (`assay.type = \"counts\"` of a",
        "SingleCellExperiment or Seurat object; `raw` or a counts layer of an .h5ad file).")
}

# "gene MAF, cell c12", for the n-th stored value.
where_is <- function(counts, n) {
  sprintf("gene %s, cell %s", rownames(counts)[counts@i[n] + 1],
          colnames(counts)[findInterval(n - 1, counts@p)])
}

is_whole <- function(values) values == round(values)

check_not_logged <- function(counts) {
  kind <- log_signature(counts)
  if (is.null(kind)) return(invisible())
  canal_abort("transformed", "x", "raw counts",
              sprintf("values from %.3g to %.3g, few of them whole numbers: %s",
                      min(counts@x), max(counts@x), kind),
              raw_hint())
}

# Describes the logarithm that the values seem to have gone through, or NULL.
#
# No logarithm of counts exceeds about 20 (log2 of a million), so larger values settle the question.
# Below that, raw values that are not whole (UMI counts corrected for collisions, fractions of
# ambiguous reads, counts in other units) must be told from logarithms, in two ways:
# 1. Undone, log(1 + s * count) is a whole multiple of the cell's smallest value. That is proof, and
#    so is the same of the values as they are, the other way.
# 2. Where counts were fractional from the start, raw values still crowd near whole numbers or have
#    a long tail (mean far above the median); logarithms do neither.
log_signature <- function(counts, most_cells = 200) {
  if (!could_be_logarithms(counts@x)) return(NULL)
  cells <- unique(round(seq(1, ncol(counts), length.out = min(most_cells, ncol(counts)))))
  sample <- counts[, cells, drop = FALSE]
  values <- split(sample@x, rep(seq_along(cells), diff(sample@p)))
  as_they_are <- share_of_multiples(values, identity)
  undone <- c("log(1 + x)" = share_of_multiples(values, expm1),
              "log2(1 + x)" = share_of_multiples(values, function(v) 2^v - 1),
              "log10(1 + x)" = share_of_multiples(values, function(v) 10^v - 1))
  if (max(undone) >= 0.25 && max(undone) > as_they_are) {
    return(sprintf("they look like %s of normalised counts", names(which.max(undone))))
  }
  if (as_they_are < 0.5 && looks_continuous(sample@x)) {
    "they look like logarithms of normalised counts"
  }
}

# Values that never exceed 1 are proportions: a logarithm of counts would.
could_be_logarithms <- function(values) {
  length(values) > 0 && max(values) > 1 && max(values) <= 20 && !all(is_whole(values))
}

# Share of cells whose values, transformed, are whole multiples of the smallest.
share_of_multiples <- function(values, transform) {
  fits <- vapply(values, function(cell) {
    amounts <- transform(sort(unique(cell[cell > 0])))
    ratio <- amounts[-1] / amounts[1]
    ratio <- ratio[ratio < 50]
    if (length(ratio)) mean(abs(ratio - round(ratio)) < 2e-3) > 0.9 else NA
  }, NA)
  if (all(is.na(fits))) 0 else mean(fits, na.rm = TRUE)
}

looks_continuous <- function(values, fewest = 50) {
  values <- values[values > 0]
  near_whole <- abs(values - round(values)) < 0.1 & values > 0.5
  length(values) >= fewest && mean(is_whole(values)) < 0.2 && mean(near_whole) < 0.7 &&
    mean(values) < 2 * stats::median(values)
}
