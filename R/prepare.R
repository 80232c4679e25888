#' Turn counts into tokens
#'
#' Aligns cells to a vocabulary of genes, leaves out cells with too few detected genes, normalises
#' each cell's total over the vocabulary's genes to `target_sum`, takes log2(1 + x), chooses
#' variable genes and bins: token = min(floor(x), `n_bins`). This is the preparation of scBERT and
#' CANAL, with one difference: variable genes are chosen among the cells given here, never on later
#' data sets or on cells kept for testing.
#'
#' Besides the counts, memory holds the tokens, one byte per cell and gene taken: 100 MB for 100,000
#' cells and 1,000 variable genes, but 2 GB for all of a vocabulary of 20,000 genes (`n_genes =
#' NULL`). Sparse counts are read in place; no dense matrix of counts is made. The result is the
#' same, bit for bit, for any number of threads.
#'
#' @param x Cells with raw counts (whole numbers or not): a SingleCellExperiment or
#'   SummarizedExperiment, a Seurat object, a matrix or dgCMatrix (genes x cells), or the path of an
#'   `.h5ad` file, or of a 10x `.h5` file or folder (see [canal_read_10x()]).
#' @param vocabulary A [canal_vocabulary()], a character vector of gene symbols, or a
#'   [CanalModel][CanalModel-class]: then its vocabulary is used, the genes it was trained on (or,
#'   before its first stage, its configuration's `n_genes`) and its `n_bins`, unless they are given
#'   here.
#' @param n_genes How many variable genes to choose, by scanpy's `seurat` flavour (standardised
#'   dispersion within 20 bins of mean expression), kept in the vocabulary's order. `NULL` takes the
#'   whole vocabulary. Not used where the genes are given or come from a trained model.
#' @param genes The genes to take, in this order, all from the vocabulary. `NULL` chooses variable
#'   ones, or takes those of a trained model given as `vocabulary`.
#' @param min_genes Cells with fewer detected vocabulary genes are left out and told. `NULL` means
#'   200, or 2 % of the vocabulary genes measured where fewer than 10,000 are.
#' @param target_sum The total over vocabulary genes that each cell is normalised to.
#' @param n_bins The highest token, 1 to 254. A network reads only tokens of its own `n_bins`.
#' @param assay.type Name of the assay (Seurat: layer, which may be split; `.h5ad`: layer, or `"X"`;
#'   10x `.h5` of several genomes: one of them) with raw counts.
#' @param verbose `TRUE` shows progress and says what is done; `FALSE` does neither. Warnings come
#'   either way. Told are the overlap with the vocabulary, cells left out and genes chosen.
#' @param num_threads Threads; `NULL` for every core this process may use, or as many as the
#'   environment variable `OMP_NUM_THREADS` says.
#'
#' @return A [CanalTokens][CanalTokens-class]: cells x genes.
#'
#' @section Errors and warnings:
#' Errors: `canalR_error_empty` (no genes or cells, or no cell with enough genes),
#' `canalR_error_names` (genes or cells without names), `canalR_error_duplicates` (cells with the
#' same name), `canalR_error_counts` (negative, missing or infinite values),
#' `canalR_error_transformed` (values that are already logarithms or scaled),
#' `canalR_error_overlap` (no gene of the vocabulary is measured), `canalR_error_genes` (`genes`
#' outside the vocabulary, or no variable ones), `canalR_error_argument` (an argument out of range).
#' Warnings: `canalR_warning_duplicates` (genes with the same name: the first is used),
#' `canalR_warning_overlap` (less than 10 % of the genes overlap, or half of those that the model
#' reads).
#'
#' @references Wan et al. (2024) Continually adapting pre-trained language model to universal
#'   annotation of single-cell RNA-seq data (CANAL). *Briefings in Bioinformatics* 25:bbae047,
#'   \doi{10.1093/bib/bbae047}. Satija et al. (2015) *Nature Biotechnology* 33:495,
#'   \doi{10.1038/nbt.3192}, for the variable genes.
#'
#' @examples
#' set.seed(1)
#' symbols <- paste0("GENE", 1:50)
#' counts <- matrix(rnbinom(50 * 30, mu = 4, size = 0.5), 50,
#'                  dimnames = list(symbols, paste0("cell", 1:30)))
#' tokens <- canal_prepare(counts, canal_vocabulary(symbols), n_genes = 20)
#' tokens
#'
#' # the same genes for other cells
#' canal_prepare(counts[, 1:5], symbols, genes = colnames(tokens))
#' @export
canal_prepare <- function(x, vocabulary, n_genes = 1000, genes = NULL, min_genes = NULL,
                          target_sum = 1e4, n_bins = 5, assay.type = "counts", verbose = TRUE,
                          num_threads = NULL) {
  check_flag(verbose, "verbose")
  threads <- thread_count(num_threads)
  if (methods::is(vocabulary, "CanalModel")) {
    if (missing(n_genes)) n_genes <- stage_n_genes(vocabulary)
    if (missing(n_bins)) n_bins <- vocabulary@config$n_bins
    if (missing(target_sum)) target_sum <- vocabulary@config$target_sum
    if (is.null(genes) && has_genes(vocabulary)) genes <- vocabulary@genes
  }
  whole <- as_vocabulary(vocabulary)
  vocabulary <- whole$genes
  check_prepare_arguments(n_genes, min_genes, target_sum, n_bins)
  check_wanted_genes(genes, vocabulary)
  cells <- told(cells_of(x, assay.type), verbose)
  counts <- cells$counts
  check_counts(counts, threads, raw_hint(cells$others))
  aligned <- naming_assay(x, align_genes(rownames(counts), colnames(counts), whole))
  detected <- cpp_detected_genes(counts, aligned$place, length(vocabulary), threads)
  kept <- keep_cells(detected, aligned, min_genes, need_some = TRUE)
  chosen <- if (is.null(genes)) {
    choose_genes(counts, aligned, kept$cells, n_genes, target_sum, verbose, threads)
  } else {
    wanted_genes(genes, aligned)
  }
  tokens <- tokens_of(counts, aligned, kept$cells, chosen, target_sum, n_bins, threads)
  tell_preparation(rownames(tokens), aligned, kept, verbose)
  methods::new("CanalTokens",
    tokens = tokens, genes = rownames(tokens), n_bins = n_bins, target_sum = target_sum,
    min_genes = kept$min_genes, overlap = aligned$overlap, dropped = kept$dropped,
    all_cells = aligned$cells
  )
}

check_prepare_arguments <- function(n_genes, min_genes, target_sum, n_bins) {
  if (!is.null(n_genes)) {
    check_number(n_genes, "n_genes", 1, .Machine$integer.max, whole = TRUE)
  }
  if (!is.null(min_genes)) {
    check_number(min_genes, "min_genes", 0, .Machine$integer.max)
  }
  check_number(target_sum, "target_sum", 1e-6, 1e15)
  check_number(n_bins, "n_bins", 1, 254, whole = TRUE)
}

check_wanted_genes <- function(genes, vocabulary) {
  if (is.null(genes)) return(invisible())
  check_symbols(genes, "genes")
  if (!length(genes)) {
    canal_abort("empty", "genes", "at least one gene, or NULL to choose variable ones", "none")
  }
  unknown <- setdiff(genes, vocabulary)
  if (length(unknown)) {
    canal_abort("genes", "genes", "genes of the vocabulary", paste("others:", some_of(unknown)),
                "A network has a position for the genes of its vocabulary only.")
  }
}

# For each input row its vocabulary gene from 1, or NA. Of rows with one name only the first counts.
gene_places <- function(symbols, vocabulary) {
  place <- match(symbols, vocabulary)
  place[duplicated(symbols)] <- NA
  place
}

align_genes <- function(symbols, cells, whole) {
  vocabulary <- whole$genes
  check_overlap(symbols, vocabulary, cells)
  place <- gene_places(symbols, vocabulary)
  list(cells = cells, place = place, vocabulary = vocabulary, scaling = scaling_genes(whole),
       overlap = list(measured = sum(!is.na(place)), vocabulary = length(vocabulary),
                      missing = setdiff(vocabulary, symbols)))
}

# Measured against the smaller of both sets: a panel of 500 genes, all of them known, overlaps fully
# with a vocabulary of 16,906.
check_overlap <- function(symbols, vocabulary, cells, least = 0.1) {
  symbols <- unique(symbols)
  shared <- sum(symbols %in% vocabulary)
  if (shared >= least * min(length(symbols), length(vocabulary)) && shared > 0) {
    return(invisible())
  }
  report <- if (shared == 0) canal_abort else canal_warn
  report("overlap", "x",
         sprintf("genes of the vocabulary (%s)", some_of(setdiff(vocabulary, symbols))),
         sprintf("%s of %s genes in it; others are %s",
                 if (shared) thousands(shared) else "none",
                 thousands(length(symbols)), some_of(setdiff(symbols, vocabulary))),
         overlap_hint(symbols, vocabulary, cells))
}

# Places of given genes in the vocabulary.
wanted_genes <- function(genes, aligned) {
  check_wanted_overlap(genes, aligned$overlap$missing)
  match(genes, aligned$vocabulary)
}

# What the network reads are these genes: cells in which none is measured all look the same to it.
check_wanted_overlap <- function(genes, missing, least = 0.5) {
  absent <- intersect(genes, missing)
  measured <- length(genes) - length(absent)
  if (measured > 0 && measured >= least * length(genes)) return(invisible())
  report <- if (measured == 0) canal_abort else canal_warn
  report("overlap", "x", sprintf("the genes that the model reads (%s)", some_of(genes)),
         sprintf("%d of %d of them", measured, length(genes)),
         paste("Without its genes a model cannot tell cells apart: give it all genes that were",
               "measured, not the variable ones only."))
}

# The likeliest reason why names do not meet.
overlap_hint <- function(symbols, vocabulary, cells) {
  met <- function(names) sum(names %in% vocabulary)
  if (met(cells) > met(symbols)) {
    return("Its columns are genes of the vocabulary: transpose it, genes are rows.")
  }
  if (are_ensembl(symbols) != are_ensembl(vocabulary)) {
    return(if (are_ensembl(symbols)) {
      "The genes of `x` are Ensembl ids: canal_update_symbols() renames them, by a table of both."
    } else {
      "The vocabulary has Ensembl ids: rename the genes of `x` to them first."
    })
  }
  if (met(toupper(symbols)) > met(symbols)) return(case_hint(symbols))
  "Check that both name genes in the same way and that `x` has genes in rows."
}

are_ensembl <- function(names) mean(grepl("^ENS[A-Z]*G[0-9]{6,}", names)) > 0.5

case_hint <- function(symbols) {
  if (mean(grepl("^[A-Z][a-z0-9-]*[a-z]", symbols)) > 0.3) {
    return(paste("These look like mouse symbols (Actb), and the vocabulary's are upper case",
                 "(ACTB): canal_update_symbols() renames them, by a table of human orthologues."))
  }
  "Symbols differ in upper and lower case: see toupper()."
}

# Which cells have enough genes, by number, and the table of those that have not. detected: how many
# vocabulary genes each cell has.
keep_cells <- function(detected, aligned, min_genes, need_some) {
  if (is.null(min_genes)) min_genes <- default_min_genes(aligned$overlap$measured)
  cells <- aligned$cells
  few <- detected < min_genes
  if (all(few) && need_some) {
    canal_abort("empty", "x", sprintf("cells with at least %g detected genes", min_genes),
                sprintf("at most %g in the %d cells", max(detected), length(cells)),
                "A smaller `min_genes` keeps shallower cells.")
  }
  list(
    cells = which(!few), min_genes = min_genes,
    dropped = data.frame(
      cell = cells[few], detected = detected[few],
      reason = sprintf("%g detected genes, fewer than %g", detected[few], min_genes),
      stringsAsFactors = FALSE
    )
  )
}

default_min_genes <- function(measured) if (measured < 1e4) ceiling(measured / 50) else 200

choose_genes <- function(counts, aligned, cells, n_genes, target_sum, verbose, threads) {
  vocabulary <- aligned$vocabulary
  if (is.null(n_genes)) return(seq_along(vocabulary))
  statistics <- cpp_gene_statistics(counts, aligned$place, length(vocabulary), aligned$scaling,
                                    cells, target_sum, threads)
  chosen <- cpp_variable_genes(statistics, n_genes)
  if (!length(chosen)) {
    canal_abort("genes", "x", "cells that differ, to choose variable genes on",
                sprintf("no variable gene among %d cells", length(cells)),
                "Name the `genes`, or take the whole vocabulary with `n_genes = NULL`.")
  }
  if (length(chosen) < n_genes) {
    canal_inform("genes", sprintf("`n_genes` is %g, but only %d genes vary: all of them are taken.",
                                  n_genes, length(chosen)), verbose)
  }
  chosen
}

# Raw chosen genes x kept cells. cells, chosen: numbers.
tokens_of <- function(counts, aligned, cells, chosen, target_sum, n_bins, threads) {
  tokens <- cpp_tokens(counts, aligned$place, length(aligned$vocabulary), aligned$scaling, cells,
                       chosen, target_sum, n_bins, threads)
  dimnames(tokens) <- list(aligned$vocabulary[chosen], colnames(counts)[cells])
  tokens
}

# genes: of the tokens.
tell_preparation <- function(genes, aligned, kept, verbose) {
  number <- thousands
  overlap <- aligned$overlap
  dropped <- kept$dropped
  measured <- length(setdiff(genes, overlap$missing))
  some_measured <- sprintf(", %s of them measured", number(measured))
  canal_inform("prepare", sprintf(
    "%s of %s vocabulary genes are measured; %s cells x %s genes prepared%s.",
    number(overlap$measured), number(overlap$vocabulary), number(length(kept$cells)),
    number(length(genes)), if (measured < length(genes)) some_measured else ", all measured"
  ), verbose)
  if (nrow(dropped)) {
    canal_inform("dropped", sprintf(
      "%s of %s cells left out, with fewer than %g detected genes: %s.", number(nrow(dropped)),
      number(length(aligned$cells)), kept$min_genes, some_of(dropped$cell)
    ), verbose)
  }
}
