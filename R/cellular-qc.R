#' The quality filter of CELLULAR
#'
#' Leaves out cells that lie far from the others, then genes that hardly any cell has, as CELLULAR
#' was published to prepare its data. [canal_quality_filter()] is the same machine with other
#' settings, more of them, and batches.
#'
#' @inheritParams canal_quality_filter
#' @param nmads A cell farther than so many median absolute deviations (MAD) from the median is left
#'   out; a number from 0, `Inf` for no limit. The MAD is the plain one, without the factor 1.4826
#'   that R's [stats::mad()] has, so that 5 of them are 3.37 of those.
#' @param verbose `TRUE` shows progress and says what is done; `FALSE` does neither. Warnings come
#'   either way. Told is what was left out.
#'
#' @details A cell is left out where it lies farther than that, on either side, in
#' * ln(1 + counts), or ln(1 + detected genes);
#' * the share of its 20 highest genes in its counts;
#' * the share of mitochondrial genes, those whose names start with `MT-`; a low one is a reason,
#'   too.
#'
#' It departs from the published filter in two places, both of which are told. A measure that is the
#' same in more than half of the cells has a MAD of 0, and the published rule then leaves out every
#' cell that differs, all that have any mitochondrial count say; here it is not judged. Cells
#' without counts are always left out and take no part in median and MAD: their shares are 0 / 0.
#'
#' @return As [canal_quality_filter()]; [canal_quality_report()] tells why.
#' @section Errors: As [canal_quality_filter()].
#' @source CELLULAR (Andrekson and Mercado 2024), Methods; scuttle computes the measures (McCarthy
#'   et al. 2017, *Bioinformatics* 33:1179).
#' @examplesIf requireNamespace("scuttle", quietly = TRUE)
#' set.seed(1)
#' counts <- matrix(rpois(50 * 40, 5), 50, dimnames = list(
#'   c(paste0("GENE", 1:48), "MT-CO1", "MT-ND1"), paste0("cell", 1:40)
#' ))
#' counts["MT-CO1", 7] <- 400
#' filtered <- cellular_qc(counts)
#' report <- canal_quality_report(filtered)
#' report[!report$kept, ]
#' @export
cellular_qc <- function(x, nmads = 5, min_cells = 20, assay.type = "counts", verbose = TRUE) {
  filter_by_quality(x, cellular_rule(), nmads, min_cells, batch = NULL, assay.type, verbose)
}

cellular_rule <- function() {
  measures <- lapply(judged_measures, utils::modifyList, list(side = "both"))
  for (name in c("counts", "genes")) measures[[name]]$transform <- log1p
  list(measures = measures, top = 20, mito = "^MT-", mad_scale = formals(stats::mad)$constant)
}
