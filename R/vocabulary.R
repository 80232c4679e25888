#' The genes a network knows, in order
#'
#' A vocabulary is an ordered list of gene symbols, one per position of the network, and optionally
#' a table with one vector per gene (gene2vec), which becomes the network's position embedding.
#' scBERT and CANAL use 16,906 human genes of PanglaoDB; any other list serves, as long as one
#' network keeps to it.
#'
#' @param genes Character vector of gene symbols, in order, all different, none missing or empty.
#' @param positions `NULL`, or the genes' vectors, as one of
#'   * a numeric matrix with a row per gene. With row names, rows are found by name, and genes
#'     without one get zeros (told by a message); without row names, rows are in the order of
#'     `genes`, optionally followed by one row of zeros for the closing token, as the published
#'     table has it;
#'   * the path of an `.npy` file holding such a matrix, in the order of `genes`;
#'   * the path of a text file in word2vec's format, whose rows are found by name.
#'
#' @return An object of class `canal_vocabulary`: a list of `genes` and `positions`, a numeric
#'   matrix (genes x D, row names the genes) or `NULL`. `length()` gives the number of genes.
#'
#' @section Errors:
#' `canalR_error_names` for missing or empty symbols, `canalR_error_duplicates` for repeated ones,
#' `canalR_error_positions` for a table that does not fit the genes, `canalR_error_file` for a path
#' that does not exist, `canalR_error_argument` for arguments of another type.
#'
#' @references Du et al. (2019) Gene2vec: distributed representation of genes based on
#'   co-expression. *BMC Genomics* 20:82, \doi{10.1186/s12864-018-5370-x}. Yang et al. (2022)
#'   scBERT. *Nature Machine Intelligence* 4:852, \doi{10.1038/s42256-022-00534-z}.
#'
#' @examples
#' canal_vocabulary(c("INS", "GCG", "SST"))
#'
#' # with a vector of width 2 for each gene
#' table <- rbind(SST = c(0.1, 0.2), INS = c(0.3, 0.4), GCG = c(0.5, 0.6))
#' vocabulary <- canal_vocabulary(c("INS", "GCG", "SST"), positions = table)
#' vocabulary$positions
#' @export
canal_vocabulary <- function(genes, positions = NULL) {
  check_symbols(genes, "genes")
  if (!length(genes)) {
    canal_abort("empty", "genes", "at least one gene symbol", "none")
  }
  structure(
    list(genes = as.vector(genes), positions = position_table(positions, as.vector(genes))),
    class = "canal_vocabulary"
  )
}

check_symbols <- function(genes, argument) {
  if (!is.character(genes)) {
    canal_abort("argument", argument, "a character vector of gene symbols",
                paste("an object of class", class(genes)[1]))
  }
  bad <- which(is.na(genes) | !nzchar(genes))
  if (length(bad)) {
    canal_abort("names", argument, "a symbol in every place",
                paste("missing or empty ones at", some_of(bad)))
  }
  repeated <- unique(genes[duplicated(genes)])
  if (length(repeated)) {
    canal_abort("duplicates", argument, "symbols that are all different",
                paste(some_of(repeated), "more than once"), "unique() keeps the first of each.")
  }
}

position_table <- function(positions, genes) {
  if (is.null(positions)) return(NULL)
  if (is.character(positions)) positions <- read_positions(positions)
  check_position_values(positions)
  table <- if (is.null(rownames(positions))) {
    positions_by_order(positions, genes)
  } else {
    positions_by_name(positions, genes)
  }
  dimnames(table) <- list(genes, NULL)
  storage.mode(table) <- "double"
  table
}

read_positions <- function(path) {
  if (length(path) != 1 || is.na(path)) {
    canal_abort("argument", "positions", "a matrix or one path", paste(length(path), "strings"))
  }
  path <- path.expand(path)
  if (!file.exists(path)) {
    canal_abort("file", "positions", "the path of an .npy or word2vec text file",
                paste0("\"", path, "\", which does not exist"))
  }
  if (grepl("\\.npy$", path, ignore.case = TRUE)) {
    return(unname(about_argument("positions", "a NumPy file of vectors", cpp_read_npy(path))))
  }
  vectors <- about_argument("positions", "a word2vec text file of vectors", cpp_read_word2vec(path))
  matrix(vectors$table, nrow(vectors$table), dimnames = list(vectors$words, NULL))
}

check_position_values <- function(positions) {
  if (!is.matrix(positions) || !is.numeric(positions)) {
    canal_abort("argument", "positions", "a numeric matrix or a path",
                paste("an object of class", class(positions)[1]))
  }
  if (!ncol(positions) || !all(is.finite(positions))) {
    canal_abort("positions", "positions", "finite vectors, at least one wide",
                if (ncol(positions)) "NA or infinite values" else "no columns")
  }
}

positions_by_order <- function(positions, genes) {
  extra <- nrow(positions) - length(genes)
  closing_row <- extra == 1 && all(positions[nrow(positions), ] == 0)
  if (extra == 0 || closing_row) return(positions[seq_along(genes), , drop = FALSE])
  canal_abort("positions", "positions",
              sprintf("%d rows, one per gene in order, or %d with a last row of zeros",
                      length(genes), length(genes) + 1),
              sprintf("%d rows without names", nrow(positions)),
              "Give the rows gene symbols as names, and they are found by name.")
}

positions_by_name <- function(positions, genes) {
  row <- match(genes, rownames(positions))
  lacking <- genes[is.na(row)]
  if (length(lacking) == length(genes)) {
    canal_abort("positions", "positions", paste("rows named by gene, such as", some_of(genes)),
                paste("rows named", some_of(rownames(positions))),
                "Remove the row names where the rows are in the order of `genes`.")
  }
  if (length(lacking)) {
    canal_inform("positions", sprintf(
      "%d of %d genes have no vector in `positions` and get zeros: %s.",
      length(lacking), length(genes), some_of(lacking)
    ))
  }
  table <- positions[row, , drop = FALSE]
  table[is.na(row), ] <- 0
  table
}

# How many of a vocabulary's first genes make the total that cells are scaled to: those it had
# before any joined, so that cells of all stages have one scale.
scaling_genes <- function(vocabulary) {
  own <- unclass(vocabulary)$scaling
  if (is.null(own)) length(unclass(vocabulary)$genes) else own
}

# With genes that joined; their counts do not change the scale of the others.
longer_vocabulary <- function(vocabulary, genes) {
  if (!length(genes)) return(vocabulary)
  vocabulary$scaling <- scaling_genes(vocabulary)
  vocabulary$genes <- c(vocabulary$genes, genes)
  vocabulary
}

# A canal_vocabulary from whatever canal_prepare() and canal_model() take for one.
as_vocabulary <- function(vocabulary) {
  if (inherits(vocabulary, "canal_vocabulary")) return(vocabulary)
  if (is.character(vocabulary)) return(canal_vocabulary(vocabulary))
  if (methods::is(vocabulary, "CanalModel")) return(vocabulary@vocabulary)
  canal_abort("argument", "vocabulary", "a canal_vocabulary, gene symbols or a CanalModel",
              paste("an object of class", class(vocabulary)[1]), "See ?canal_vocabulary.")
}

#' @method length canal_vocabulary
#' @export
length.canal_vocabulary <- function(x) length(unclass(x)$genes)

#' @method print canal_vocabulary
#' @export
print.canal_vocabulary <- function(x, ...) {
  cat(sprintf("<canal_vocabulary> %s genes: %s\n", thousands(length(x)),
              paste(c(utils::head(x$genes, 5), if (length(x) > 5) "..."), collapse = ", ")))
  cat(if (is.null(x$positions)) {
    "  no position table\n"
  } else {
    sprintf("  position table: %d wide\n", ncol(x$positions))
  })
  invisible(x)
}
