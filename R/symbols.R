#' Bring gene symbols up to date
#'
#' Renames genes to their current symbols, so that they are found in a vocabulary. scBERT revises
#' the symbols of its data in this way before anything else.
#'
#' @param x Genes x cells: a SingleCellExperiment, SummarizedExperiment or Seurat object (its
#'   default assay), a matrix or Matrix; or a character vector of symbols.
#' @param table Which symbols are current: a data frame whose columns `alias` and `symbol` (or first
#'   two columns) hold names of genes, earlier symbols, synonyms or Ensembl ids, and the current
#'   symbol of each. Every symbol of the second column is current. `NULL` takes aliases, symbols and
#'   Ensembl ids of the package org.Hs.eg.db (human, NCBI), if it is installed.
#' @param orthologs A data frame whose first two columns are the names of genes of another species
#'   (symbols or Ensembl ids, mouse for instance) and the human symbols of each. All genes of `x`
#'   are then taken to be of that species: they are looked up here first, then in `table`. `NULL`:
#'   the genes are human.
#' @param unmatched What becomes of genes that neither table knows: `"keep"` (under their name) or
#'   `"drop"` (as scBERT does).
#' @param verbose `TRUE` shows progress and says what is done; `FALSE` does neither. Warnings come
#'   either way.
#' @param ... For later versions; must be empty.
#'
#' @details In this order, for every gene:
#' 1. Of an Ensembl id the version is dropped (`ENSG00000254647.7`, `ENSG00000002586.20_PAR_Y`).
#' 2. With `orthologs`, its human symbol is looked up.
#' 3. A symbol that is current stays, even if it is also an alias of another gene.
#' 4. A name with one current symbol gets it. A name with several is *ambiguous*: nothing is
#'   guessed, the gene keeps its name.
#' 5. Where two genes have come to one symbol, the one that had it from the start stays, or else the
#'   first; the others are dropped. (Values are not added up: an alias next to its symbol
#'   mostly is another transcript or a pseudogene.)
#'
#' Letter case counts. Nothing but the genes' names and their number changes. Of a Seurat object the
#' default assay is renamed everywhere it holds names: counts, data, scaled data (all layers in
#' version 5), variable features, columns of features, and loadings of its reductions; other assays
#' stay as they are. It must be of the class `Assay` or `Assay5` (an `SCTAssay` holds more names, in
#' its models): rename the counts before the object is made otherwise.
#'
#' @return `x` with other names and perhaps fewer genes. The report is kept in the metadata
#'   (`metadata(x)$canal$symbols`, `x@@misc$canal$symbols`), or as the attribute `canal_symbols` of
#'   matrices and vectors, which subsetting loses.
#' @section Errors: `canalR_error_class` (another `x`), `canalR_error_names` (genes without names),
#'   `canalR_error_table` (no table, or one that is none), `canalR_error_argument`.
#' @source scBERT (Yang et al. 2022), preprocessing. Names: NCBI Gene, by org.Hs.eg.db.
#' @examples
#' aliases <- data.frame(alias = c("IDDM1", "NIDDM", "ENSG00000115263", "SS"),
#'                       symbol = c("INS", "GCG", "GCG", "SST"))
#' symbols <- canal_update_symbols(c("INS", "ENSG00000115263.15", "SS", "LOC1"), aliases)
#' symbols
#' canal_symbol_report(symbols)
#'
#' # mouse to human, on counts
#' counts <- matrix(1:6, 3, dimnames = list(c("Ins2", "Gcg", "Xist"), NULL))
#' mouse <- data.frame(mouse = c("Ins1", "Ins2", "Gcg"), human = c("INS", "INS", "GCG"))
#' canal_update_symbols(counts, aliases, orthologs = mouse, unmatched = "drop")
#' @export
canal_update_symbols <- function(x, table = NULL, orthologs = NULL, ...,
                                 unmatched = c("keep", "drop"), verbose = TRUE) {
  check_no_dots(...)
  if (missing(unmatched)) unmatched <- unmatched[1]
  check_choice(unmatched, c("keep", "drop"), "unmatched")
  check_flag(verbose, "verbose")
  check_no_path(x)
  genes <- check_gene_names(gene_names(x))
  if (!is.null(orthologs)) orthologs <- name_table(orthologs, "orthologs")
  table <- alias_table(table, genes, orthologs)
  report <- symbol_report(genes, table, orthologs, unmatched)
  tell_symbols(report, table$source, verbose)
  with_symbols(x, report)
}

#' @rdname canal_update_symbols
#' @return `canal_symbol_report()`: a data frame with a row per gene that `x` had, in order: `gene`
#'   (its name then), `symbol` (its name now, `NA` where dropped), `action` (`"kept"`, `"renamed"`,
#'   `"dropped"` or `"ambiguous"`) and `reason`.
#' @export
canal_symbol_report <- function(x) {
  report <- attr(x, "canal_symbols")
  if (is.null(report)) report <- cell_record(x)$symbols
  if (is.null(report)) {
    canal_abort("argument", "x", "something that canal_update_symbols() returned",
                describe_value(x), "Subsetting a matrix or vector loses the report.")
  }
  report
}

check_gene_names <- function(genes) {
  if (!is.character(genes) || anyNA(genes) || !all(nzchar(genes))) {
    canal_abort("names", "x", "a name for each gene",
                if (is.null(genes)) "none" else "missing or empty ones")
  }
  genes
}

# A data frame with the columns `name` and `symbol`, without rows that lack one.
name_table <- function(table, argument) {
  columns <- if (is.data.frame(table) || methods::is(table, "DataFrame")) ncol(table) else 0
  if (columns < 2) {
    canal_abort("table", argument, "a data frame with a column of names and one of symbols",
                describe_value(table))
  }
  by_name <- match(c("alias", "symbol"), names(table))
  if (anyNA(by_name)) by_name <- 1:2
  name <- without_version(as.character(table[[by_name[1]]]))
  symbol <- as.character(table[[by_name[2]]])
  whole <- !is.na(name) & !is.na(symbol) & nzchar(name) & nzchar(symbol)
  if (!any(whole)) {
    canal_abort("table", argument, "at least one name with a symbol", "none")
  }
  unique(data.frame(name = name[whole], symbol = symbol[whole]))
}

# list(names: a data frame as above; current: all current symbols; source: for the message).
alias_table <- function(table, genes, orthologs) {
  if (!is.null(table)) {
    names <- name_table(table, "table")
    return(list(names = names, current = unique(names$symbol), source = "the table given"))
  }
  wanted <- if (is.null(orthologs)) genes else orthologs$symbol
  if (has_human_genes()) return(human_genes(without_version(wanted)))
  # Orthologs have symbols of their own.
  if (!is.null(orthologs)) {
    return(list(names = data.frame(name = character(), symbol = character()),
                current = unique(orthologs$symbol), source = "the orthologs given"))
  }
  canal_abort("table", "table", "a data frame of aliases and symbols", "NULL",
              paste("Without one the packages AnnotationDbi and org.Hs.eg.db are needed:",
                    "BiocManager::install(\"org.Hs.eg.db\")."))
}

has_human_genes <- function() {
  requireNamespace("AnnotationDbi", quietly = TRUE) &&
    requireNamespace("org.Hs.eg.db", quietly = TRUE)
}

# Of NCBI's aliases and Ensembl's ids, those that are asked for.
human_genes <- function(wanted) {
  database <- org.Hs.eg.db::org.Hs.eg.db
  current <- AnnotationDbi::keys(database, "SYMBOL")
  wanted <- setdiff(wanted, current)
  found <- lapply(c("ALIAS", "ENSEMBL"), function(kind) {
    keys <- intersect(wanted, AnnotationDbi::keys(database, kind))
    if (!length(keys)) return(NULL)
    # It says at each call that one name may have several symbols.
    rows <- suppressMessages(AnnotationDbi::select(database, keys, "SYMBOL", kind))
    data.frame(name = rows[[kind]], symbol = rows$SYMBOL)
  })
  names <- do.call(rbind, c(list(data.frame(name = character(), symbol = character())), found))
  version <- as.character(utils::packageVersion("org.Hs.eg.db"))
  list(names = unique(names[!is.na(names$symbol), ]), current = current,
       source = paste("org.Hs.eg.db", version))
}

# A path would pass for a gene.
check_no_path <- function(x) {
  if (is.character(x) && length(x) == 1 && !is.na(x) && file.exists(path.expand(x))) {
    canal_abort("class", "x", "cells or symbols", sprintf("the path of a file, \"%s\"", x),
                "canal_read_h5ad() or canal_read_10x() reads it.")
  }
}

# ENSG00000254647.7 and ENSMUSG00000000001.4 without what follows the point.
without_version <- function(names) sub("^(ENS[A-Z]*G[0-9]+)[.][0-9]+(_PAR_Y)?$", "\\1", names)

symbol_report <- function(genes, table, orthologs, unmatched) {
  names <- without_version(genes)
  if (is.null(orthologs)) {
    found <- current_symbols(names, table)
    found$missing <- "not found"
    found$way <- ifelse(grepl("^ENS[A-Z]*G[0-9]+$", names), "Ensembl id", "alias")
  } else {
    first <- looked_up(names, orthologs)
    found <- current_symbols(first$symbol, table)
    # A human symbol that `table` does not know is one nevertheless.
    found$several <- first$several | (!first$lost & found$several)
    found$lost <- first$lost
    found$missing <- "no ortholog"
    found$way <- rep("ortholog", length(names))
  }
  drop_duplicates(described(genes, found, unmatched))
}

# The one symbol of each name (else the name); whether it has several, or none.
looked_up <- function(names, pairs) {
  known <- unique(pairs$name)
  count <- tabulate(match(pairs$name, known), length(known))[match(names, known)]
  count[is.na(count)] <- 0
  symbol <- pairs$symbol[match(names, pairs$name)]
  list(symbol = ifelse(count == 1, symbol, names), several = count > 1, lost = count == 0)
}

current_symbols <- function(names, table) {
  found <- looked_up(names, table$names)
  current <- names %in% table$current
  found$symbol[current] <- names[current]
  found$several[current] <- FALSE
  found$lost[current] <- FALSE
  found
}

# A row per gene, before duplicates are looked for.
described <- function(genes, found, unmatched) {
  symbol <- ifelse(found$several | found$lost, genes, found$symbol)
  action <- ifelse(symbol == genes, "kept", "renamed")
  reason <- ifelse(symbol == genes, "current", found$way)
  action[found$several] <- "ambiguous"
  reason[found$several] <- "several symbols"
  reason[found$lost] <- found$missing
  if (unmatched == "drop") {
    action[found$lost] <- "dropped"
    symbol[found$lost] <- NA
  }
  data.frame(gene = genes, symbol = symbol, action = action, reason = reason)
}

# The gene that had the symbol from the start stays, else the first that came to it.
drop_duplicates <- function(report) {
  held <- which(!is.na(report$symbol))
  by_right <- held[order(report$gene[held] != report$symbol[held], held)]
  extra <- by_right[duplicated(report$symbol[by_right])]
  report$reason[extra] <- paste("another gene is", report$symbol[extra])
  report$action[extra] <- "dropped"
  report$symbol[extra] <- NA
  report
}

tell_symbols <- function(report, source, verbose) {
  count <- function(action) sum(report$action == action)
  examples <- function(rows) if (length(rows)) sprintf(" (%s)", some_of(rows)) else ""
  renamed <- report[report$action == "renamed", ]
  canal_inform("symbols", sprintf(
    "Symbols by %s: %d genes kept, %d renamed%s, %d dropped%s, %d ambiguous%s; %d not found.",
    source, count("kept"), count("renamed"),
    examples(paste(renamed$gene, "->", renamed$symbol)[seq_len(nrow(renamed))]),
    count("dropped"), examples(report$gene[report$action == "dropped"]),
    count("ambiguous"), examples(report$gene[report$action == "ambiguous"]),
    sum(report$reason %in% c("not found", "no ortholog"))
  ), verbose)
}
