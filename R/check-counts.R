# What a count matrix must be before anything is computed from it. `counts` is always a dgCMatrix,
# genes x cells; the argument named to the user is `x`, which it came from. A matrix may also come
# in blocks of cells (blocks.R): what is asked of all its values is then put together from them.

# hint: where raw counts may lie.
check_counts <- function(counts, threads, hint = raw_hint()) {
  check_table(dim(counts), rownames(counts), colnames(counts))
  check_values(facts_of(counts, threads), function() sampled_cells(counts), hint)
}

# dim: genes, cells.
check_table <- function(dim, genes, cells) {
  check_not_empty(dim)
  check_names(genes, "gene", "rows")
  check_names(cells, "cell", "columns")
  check_duplicates(genes, cells)
}

# facts: of facts_of(). sample: a function that gives some of the cells, as a dgCMatrix.
check_values <- function(facts, sample, hint = raw_hint()) {
  check_finite(facts)
  looks <- transformed_text(facts, sample)
  if (!is.null(looks)) canal_abort("transformed", "x", "raw counts", looks, hint)
  if (facts$negative > 0) {
    canal_abort("counts", "x", "counts of 0 or more", negative_text(facts), hint)
  }
}

# What is asked of the stored values, taken in one pass that makes no vector of their length: how
# many there are (`stored`), how many are not finite or negative and where the first of each is,
# whether all (`whole`) and all negative ones (`negative_whole`) are whole numbers, and the range.
facts_of <- function(counts, threads) {
  facts <- cpp_value_facts(counts@x, threads)
  facts$first_not_finite <- where_is(counts, facts$first_not_finite)
  facts$first_negative <- where_is(counts, facts$first_negative)
  facts
}

# The facts of cells that follow those of `facts`.
joined_facts <- function(facts, following) {
  if (is.null(facts)) return(following)
  first <- function(name) if (is.na(facts[[name]])) following[[name]] else facts[[name]]
  sum <- function(name) facts[[name]] + following[[name]]
  list(stored = sum("stored"), not_finite = sum("not_finite"),
       first_not_finite = first("first_not_finite"), negative = sum("negative"),
       first_negative = first("first_negative"),
       negative_whole = facts$negative_whole && following$negative_whole,
       whole = facts$whole && following$whole, smallest = min(facts$smallest, following$smallest),
       largest = max(facts$largest, following$largest))
}

check_not_empty <- function(dim) {
  if (all(dim > 0)) return(invisible())
  canal_abort("empty", "x", "at least one gene and one cell",
              sprintf("%d genes x %d cells", dim[1], dim[2]))
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

check_duplicates <- function(genes, cells) {
  if (anyDuplicated(cells)) {
    canal_abort("duplicates", "x", "cell names that are all different",
                paste("more than one cell called", some_of(unique(cells[duplicated(cells)]))),
                "Results are returned by cell name: see make.unique().")
  }
  if (anyDuplicated(genes)) {
    canal_warn("duplicates", "x", "gene names that are all different",
               paste("more than one row for", some_of(unique(genes[duplicated(genes)]))),
               "The first row of each is used; sum the rows beforehand if they belong together.")
  }
}

check_finite <- function(facts) {
  if (facts$not_finite == 0) return(invisible())
  canal_abort("counts", "x", "finite counts",
              sprintf("%s, for example %s", values_in_all(facts$not_finite, "NA or infinite"),
                      facts$first_not_finite),
              "Replace missing measurements by 0 or leave out those cells.")
}

# What values look like that were counts once, for a message; NULL where they may be counts. facts:
# of finite values.
transformed_text <- function(facts, sample) {
  if (facts$negative > 0) {
    return(if (looks_scaled(facts)) paste0(negative_text(facts), ": they look scaled"))
  }
  kind <- log_signature(facts, sample)
  if (!is.null(kind)) {
    sprintf("values from %.3g to %.3g, few of them whole numbers: %s", facts$smallest,
            facts$largest, kind)
  }
}

# Scaling each gene to mean 0 makes a large part of all values negative and fractional; a few
# negative ones, or whole numbers, are damaged counts.
looks_scaled <- function(facts) {
  facts$negative >= 0.05 * facts$stored && !facts$negative_whole
}

negative_text <- function(facts) {
  sprintf("%s (smallest %.4g), for example %s", values_in_all(facts$negative, "negative"),
          facts$smallest, facts$first_negative)
}

values_in_all <- function(n, kind) {
  sprintf("%s %s value%s", thousands(n), kind, if (n == 1) "" else "s")
}

# others: names of the other matrices of the .h5ad file that the values come from; NULL for what is
# none.
raw_hint <- function(others = NULL) {
  start <- "canalR normalises counts itself: give the raw ones"
  if (is.null(others)) {
    return(paste(start, "(`assay.type = \"counts\"` of a SingleCellExperiment or Seurat object;",
                 "\"raw/X\" or the name of a layer of an .h5ad file)."))
  }
  paste0(start, ". ", other_matrices(others))
}

# What an .h5ad file holds besides the matrix that was read.
other_matrices <- function(others) {
  if (!length(others)) return("The file has no other matrix.")
  likely <- c(grep("raw|count|umi", others, ignore.case = TRUE, value = TRUE), others)[1]
  sprintf("The file also has %s: `assay.type = \"%s\"`, say.", some_of(others, 6), likely)
}

# "gene MAF, cell c12", for the n-th stored value; NA for none.
where_is <- function(counts, n) {
  if (is.na(n)) return(NA_character_)
  sprintf("gene %s, cell %s", rownames(counts)[counts@i[n] + 1],
          colnames(counts)[findInterval(n - 1, counts@p)])
}

is_whole <- function(values) values == round(values)

# Numbers of the cells that stand for all `n` where logarithms are looked for.
sampled_numbers <- function(n, most_cells = 200) {
  unique(round(seq(1, n, length.out = min(most_cells, n))))
}

sampled_cells <- function(counts) {
  to_its_end(counts[, sampled_numbers(ncol(counts)), drop = FALSE])
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
log_signature <- function(facts, sample) {
  if (!could_be_logarithms(facts)) return(NULL)
  sample <- sample()
  values <- split(sample@x, rep(seq_len(ncol(sample)), diff(sample@p)))
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
could_be_logarithms <- function(facts) {
  facts$stored > 0 && facts$largest > 1 && facts$largest <= 20 && !facts$whole
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
