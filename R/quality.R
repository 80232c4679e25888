#' Leave out cells of low quality and rare genes
#'
#' Leaves out cells that lie far from the others in their counts, detected genes, the share of a few
#' genes in all counts or the mitochondrial share, then genes that hardly any cell has. Cells with
#' few counts are mostly debris, those with many mostly two cells in one droplet, those with a high
#' mitochondrial share mostly damaged.
#'
#' @param x Genes x cells, raw counts: a SingleCellExperiment, SummarizedExperiment or Seurat object
#'   (its default assay), a matrix or Matrix such as a `dgCMatrix`; or the path of an `.h5ad`, or
#'   of a 10x `.h5` file or folder (see [canal_read_10x()]), which is read as a
#'   SingleCellExperiment.
#' @param nmads A cell farther than so many median absolute deviations (MAD) from the median is left
#'   out; a number from 0, `Inf` for no limit. As R's [stats::mad()] has it, the MAD is scaled by
#'   1.4826 to a standard deviation; 5 without that scale (scipy's, [cellular_qc()]'s) are 3.37 with
#'   it.
#' @param min_cells Genes that are detected in fewer of the cells kept are left out. 0 keeps all.
#' @param top The share of so many genes, the highest of each cell, is one of the measures.
#' @param mito A regular expression for names of mitochondrial genes, or `NULL` not to look at them.
#' @param batch Median and MAD are taken for each batch by itself: the name of a column of cells or
#'   a vector with one per cell. `NULL`: all cells are one.
#' @param ... For later versions; must be empty.
#' @param assay.type Name of the assay (Seurat: layer, which may be split; `.h5ad`: layer, or `"X"`;
#'   10x `.h5` of several genomes: one of them) with raw counts.
#' @param verbose `TRUE` shows progress and says what is done; `FALSE` does neither. Warnings come
#'   either way. Told is what was left out.
#'
#' @details A cell is judged by
#' * the logarithm of its counts and that of its detected genes (count > 0), on both sides;
#' * the share of its `top` genes in its counts, on both sides;
#' * the share of mitochondrial genes in its counts, on the high side only.
#'
#' A measure that is the same in more than half of the cells of a batch has a MAD of 0, by which
#' every other cell would be an outlier; it is not judged there. Nor is the mitochondrial share if
#' no gene has such a name. Both are told. Cells without counts are always left out and take no part
#' in median and MAD.
#'
#' Of a Seurat object the genes of the default assay (and their loadings in its reductions) are left
#' out; other assays keep theirs. Filter what is trained on and what is annotated each by itself:
#' cells of one tell nothing of the other.
#'
#' @return An object of the class of `x` (of a path, a SingleCellExperiment) without those cells and
#'   genes, with a report in its metadata (`metadata(x)$canal$quality`, `x@@misc$canal$quality`), or
#'   as the attribute `canal_quality` of matrices, which subsetting loses.
#' @section Errors: `canalR_error_class` (another `x`), `canalR_error_package` (scuttle is needed,
#'   and SingleCellExperiment for a path), `canalR_error_file` (a path that cannot be read),
#'   `canalR_error_empty` (no cell or no gene would be left), `canalR_error_labels` (`batch`),
#'   `canalR_error_argument`, `canalR_error_assay`, `canalR_error_names`, and those of values that
#'   are no raw counts as in [canal_prepare()].
#' @seealso [cellular_qc()], the filter that CELLULAR was published with.
#' @source Measures much as CELLULAR prepares its data; scuttle computes them (McCarthy et al. 2017,
#'   *Bioinformatics* 33:1179).
#' @examplesIf requireNamespace("scuttle", quietly = TRUE)
#' set.seed(1)
#' counts <- matrix(rpois(50 * 40, 5), 50, dimnames = list(
#'   c(paste0("GENE", 1:48), "MT-CO1", "MT-ND1"), paste0("cell", 1:40)
#' ))
#' counts["MT-CO1", 7] <- 400
#' counts[1:40, 9] <- 0
#' filtered <- canal_quality_filter(counts)
#' dim(filtered)
#' report <- canal_quality_report(filtered)
#' report[!report$kept, ]
#' @export
canal_quality_filter <- function(x, nmads = 5, min_cells = 20, top = 20, mito = "^(MT|mt)-",
                                 batch = NULL, ..., assay.type = "counts", verbose = TRUE) {
  check_no_dots(...)
  check_number(top, "top", from = 1, to = .Machine$integer.max, whole = TRUE)
  rule <- list(measures = judged_measures, top = top, mito = mito, mad_scale = 1)
  filter_by_quality(x, rule, nmads, min_cells, batch, assay.type, verbose)
}

# What both filters do. rule: a list of `measures` (see judged_measures), `top`, `mito`, and
# `mad_scale`, how many of the MADs that `nmads` counts are one of scuttle's, which has the 1.4826.
filter_by_quality <- function(x, rule, nmads, min_cells, batch, assay.type, verbose) {
  check_filtered_class(x)
  check_number(nmads, "nmads", from = 0)
  check_number(min_cells, "min_cells", from = 0, whole = TRUE)
  check_flag(verbose, "verbose")
  need_package("scuttle", "x", "which computes measures of quality")
  cells <- told(cells_of(x, assay.type), verbose)
  if (is.character(x)) x <- object_of_cells(cells, "SingleCellExperiment", "x")
  check_judged(cells$counts, raw_hint(cells$others))
  batch <- if (!is.null(batch)) labels_of(cells, batch, "batch")
  measures <- cell_measures(cells$counts, rule$top, rule$mito)
  judged <- judge_cells(measures, rule$measures, nmads / rule$mad_scale, batch)
  genes <- judge_genes(cells$counts, judged$cells$kept, min_cells)
  report <- list(cells = judged$cells, genes = genes)
  check_left(report, min_cells)
  tell_quality(report, judged$not_judged, nmads, min_cells, verbose)
  with_chosen(x, genes$kept, judged$cells$kept, report)
}

#' @rdname canal_quality_filter
#' @param what `"cells"` or `"genes"`.
#' @return `canal_quality_report()`: a data frame with a row per cell that `x` had, in order:
#'   `cell`, `counts`, `genes` (detected ones), `top_share` and `mito_share` (0 to 1; `NA` in cells
#'   without counts, `mito_share` also where no mitochondrial gene is known), `batch` if there were
#'   any, `kept`, and `reason`, `""` for cells kept. Or one with a row per gene: `gene`, `cells` (in
#'   which it is detected, of those kept) and `kept`.
#' @export
canal_quality_report <- function(x, what = c("cells", "genes")) {
  if (missing(what)) what <- what[1]
  check_choice(what, c("cells", "genes"), "what")
  report <- attr(x, "canal_quality")
  if (is.null(report)) report <- cell_record(x)$quality
  if (is.null(report)) {
    canal_abort("argument", "x", "something that canal_quality_filter() or cellular_qc() returned",
                describe_value(x), "Subsetting a matrix loses the report.")
  }
  report[[what]]
}

check_filtered_class <- function(x) {
  classes <- c("matrix", "Matrix", "SummarizedExperiment", "Seurat", "character")
  if (!any(vapply(classes, function(class) methods::is(x, class), NA))) abort_class(x)
}

# As check_counts(), but rows of one name are all counted and cells are found by their place.
check_judged <- function(counts, hint = raw_hint()) {
  check_not_empty(dim(counts))
  check_names(rownames(counts), "gene", "rows")
  check_names(colnames(counts), "cell", "columns")
  check_values(facts_of(counts, thread_count(NULL)), function() sampled_cells(counts), hint)
}

# A row per cell; NA where a cell has nothing to be measured.
cell_measures <- function(counts, top, mito) {
  mitochondrial <- mito_genes(rownames(counts), mito)
  found <- scuttle::perCellQCMetrics(counts, subsets = list(mito = mitochondrial),
                                     percent.top = top)
  share <- function(column) ifelse(found$sum > 0, found[[column]] / 100, NA_real_)
  measures <- data.frame(
    cell = colnames(counts), counts = found$sum, genes = as.integer(found$detected),
    top_share = share(paste0("percent.top_", format(top, scientific = FALSE))),
    mito_share = if (any(mitochondrial)) share("subsets_mito_percent") else NA_real_,
    stringsAsFactors = FALSE
  )
  structure(measures, no_mito = !any(mitochondrial) && !is.null(mito))
}

# Which genes are mitochondrial.
mito_genes <- function(genes, pattern) {
  if (is.null(pattern)) return(logical(length(genes)))
  abort <- function(got) {
    canal_abort("argument", "mito", "one regular expression, or NULL", got)
  }
  if (!is.character(pattern) || length(pattern) != 1 || is.na(pattern)) {
    abort(describe_value(pattern))
  }
  tryCatch(suppressWarnings(grepl(pattern, genes)),
           error = function(error) abort(conditionMessage(error)))
}

# What is judged, by columns of cell_measures(): after which transformation, on which side ("both"
# or "higher"), and the words for it.
judged_measures <- list(
  counts = list(transform = log2, side = "both", what = "counts", low = "few counts",
                high = "many counts"),
  genes = list(transform = log2, side = "both", what = "detected genes", low = "few genes",
               high = "many genes"),
  top_share = list(transform = identity, side = "both", what = "share of the top genes",
                   low = "low share of the top genes", high = "high share of the top genes"),
  mito_share = list(transform = identity, side = "higher", what = "mitochondrial share",
                    low = "low mitochondrial share", high = "high mitochondrial share")
)

# list(cells: the measures with `kept` and `reason`; not_judged: what was left out, in words).
# judged: as judged_measures. nmads: of scuttle's MADs.
judge_cells <- function(measures, judged, nmads, batch) {
  full <- measures$counts > 0
  batches <- if (is.null(batch)) list(which(full)) else split(which(full), batch[full])
  batches <- batches[lengths(batches) > 0]
  reason <- ifelse(full, "", "no counts")
  not_judged <- if (isTRUE(attr(measures, "no_mito"))) {
    "mitochondrial share (no gene has such a name)"
  }
  attr(measures, "no_mito") <- NULL
  for (name in names(judged)) {
    if (anyNA(measures[[name]][full])) next
    one <- judged[[name]]
    values <- one$transform(measures[[name]])
    even <- !vapply(batches, function(rows) has_spread(values[rows]), NA)
    for (rows in batches[!even]) {
      found <- outlier_words(values[rows], one, nmads)
      reason[rows] <- paste0(reason[rows], ifelse(nzchar(reason[rows]) & nzchar(found), ", ", ""),
                             found)
    }
    if (any(even)) not_judged <- c(not_judged, even_words(one$what, names(batches)[even]))
  }
  if (!is.null(batch)) measures$batch <- batch
  list(cells = cbind(measures, kept = !nzchar(reason), reason = reason,
                     stringsAsFactors = FALSE), not_judged = not_judged)
}

# Is there any median absolute deviation, but for rounding?
has_spread <- function(values) {
  stats::mad(values) > 1e-9 * max(1, abs(stats::median(values)))
}

# values: transformed.
outlier_words <- function(values, measure, nmads) {
  out <- as.vector(scuttle::isOutlier(values, nmads = nmads, type = measure$side))
  words <- character(length(values))
  high <- values > stats::median(values)
  words[out & high] <- measure$high
  words[out & !high] <- measure$low
  words
}

even_words <- function(what, batches) {
  where <- if (length(batches)) sprintf(" of batch %s", some_of(batches)) else ""
  sprintf("%s (the same in most cells%s)", what, where)
}

# A row per gene: in how many of the kept cells it is detected.
judge_genes <- function(counts, kept, min_cells) {
  cells <- to_its_end(Matrix::rowSums(counts[, kept, drop = FALSE] > 0))
  data.frame(gene = rownames(counts), cells = as.integer(cells),
             kept = as.vector(cells >= min_cells), stringsAsFactors = FALSE)
}

check_left <- function(report, min_cells) {
  if (!any(report$cells$kept)) {
    canal_abort("empty", "x", "cells of which some have the quality asked for",
                sprintf("%s cells, none of them (%s)", thousands(nrow(report$cells)),
                        reason_counts(report$cells$reason)),
                "A larger `nmads` keeps more cells.")
  }
  if (!any(report$genes$kept)) {
    canal_abort("empty", "min_cells", "genes that are detected in that many cells",
                sprintf("%g, but no gene is in more than %d of the %d cells kept", min_cells,
                        max(report$genes$cells), sum(report$cells$kept)),
                "A smaller `min_cells` keeps more genes.")
  }
}

# "12 few counts, 3 many genes": a cell may have several.
reason_counts <- function(reasons) {
  counts <- label_counts(unlist(strsplit(reasons, ", ", fixed = TRUE)))
  paste(thousands(as.integer(counts)), names(counts), collapse = ", ")
}

tell_quality <- function(report, not_judged, nmads, min_cells, verbose) {
  out <- report$cells$reason[!report$cells$kept]
  why <- if (length(out)) sprintf(" (the others: %s)", reason_counts(out)) else ""
  others <- if (length(not_judged)) sprintf("\nNot judged: %s.", paste(not_judged, collapse = "; "))
  canal_inform("quality", sprintf(
    "Quality within %g MADs: %s of %s cells kept%s; %s of %s genes, those in at least %g cells.%s",
    nmads, thousands(sum(report$cells$kept)), thousands(nrow(report$cells)), why,
    thousands(sum(report$genes$kept)), thousands(nrow(report$genes)), min_cells, c(others, "")[1]
  ), verbose)
}

# The linter does not look for the generic.
# nolint start: object_name_linter.

# The chosen rows and columns (logical) of a user's object, with the report.
with_chosen <- function(x, genes, cells, report) UseMethod("with_chosen")

#' @exportS3Method
with_chosen.matrix <- function(x, genes, cells, report) chosen_part(x, genes, cells, report)

#' @exportS3Method
with_chosen.Matrix <- function(x, genes, cells, report) chosen_part(x, genes, cells, report)

chosen_part <- function(x, genes, cells, report) {
  chosen <- to_its_end(x[genes, cells, drop = FALSE])
  attr(chosen, "canal_symbols") <- attr(x, "canal_symbols")
  attr(chosen, "canal_quality") <- report
  chosen
}

#' @exportS3Method
with_chosen.SummarizedExperiment <- function(x, genes, cells, report) {
  x <- to_its_end(x[genes, cells])
  with_cell_record(x, list(quality = report))
}

#' @exportS3Method
with_chosen.Seurat <- function(x, genes, cells, report) {
  name <- SeuratObject::DefaultAssay(x)
  kept <- rownames(x[[name]])[genes]
  x <- subset(x, cells = colnames(x)[cells])
  # Of the object as a whole, subset() would drop assays that have none of the genes.
  if (!all(genes)) {
    x@assays[[name]] <- assay_of_genes(x@assays[[name]], kept)
    for (reduction in names(x@reductions)) {
      if (identical(SeuratObject::DefaultAssay(x@reductions[[reduction]]), name)) {
        x@reductions[[reduction]] <- loadings_of_genes(x@reductions[[reduction]], kept)
      }
    }
  }
  with_cell_record(x, list(quality = report))
}

# Not subset(), which fails where a reduction was made of none of these genes.
loadings_of_genes <- function(reduction, genes) {
  for (slot in c("feature.loadings", "feature.loadings.projected")) {
    loadings <- methods::slot(reduction, slot)
    methods::slot(reduction, slot) <- loadings[rownames(loadings) %in% genes, , drop = FALSE]
  }
  reduction
}
# nolint end
