# The example bank of an imported CANAL checkpoint: from log2-normalised values to tokens and
# entries as R/bank.R has them.

# list(bank, problem): the bank, or why there is none. Both are NULL where the file has none.
checkpoint_bank <- function(checkpoint, model) {
  if (nzchar(checkpoint$bank_problem)) return(list(problem = paste("it", checkpoint$bank_problem)))
  if (is.null(checkpoint$bank)) return(list())
  # Conditions of this class never leave here.
  tryCatch(list(bank = bank_from(checkpoint$bank, model)),
           canalR_bank_problem = function(problem) list(problem = conditionMessage(problem)))
}

bank_from <- function(cells, model) {
  values <- Matrix::sparseMatrix(i = cells$values$i, p = cells$values$p, x = cells$values$x,
                                 dims = cells$values$dims, index1 = FALSE)
  values <- values[bank_order(cells, model), , drop = FALSE]
  if (!all(is.finite(values@x)) || any(values@x < 0)) {
    unfit("its values are no log2-normalised counts: some are negative or not finite")
  }
  types <- bank_types(cells$obs, model@labels)
  # genes x cells
  tokens <- matrix(raw(), nrow(values), ncol(values))
  tokens[] <- as.raw(pmin(floor(as.vector(values)), model@config$n_bins))
  list(tokens = tokens, spare = no_spare(ncol(tokens)), entries = data.frame(
    cell = cells$cells, type = types,
    rank = bank_ranks(cells$obs, types), stage = bank_stages(cells$obs, length(types))
  ))
}

unfit <- function(text) {
  stop(structure(class = c("canalR_bank_problem", "condition"),
                 list(message = text, call = NULL)))
}

# AnnData calls genes "0", "1", ... that were given no names.
bank_genes <- function(cells) {
  genes <- cells$genes
  nameless <- identical(genes, as.character(seq_along(genes) - 1))
  if (nameless || !are_symbols(genes)) NULL else genes
}

# The bank's rows in the order of the model's genes.
bank_order <- function(cells, model) {
  count <- length(cells$genes)
  if (count != length(model@genes)) {
    unfit(sprintf("it has %d genes and the model %d", count, length(model@genes)))
  }
  names <- bank_genes(cells)
  nameless <- identical(model@genes, paste0("gene", seq_along(model@genes)))
  if (is.null(names) || nameless) return(seq_len(count))
  rows <- match(model@genes, names)
  if (anyNA(rows)) {
    unfit(sprintf("its genes are others than the model's: %s are not among them",
                  some_of(model@genes[is.na(rows)])))
  }
  rows
}

# The first column that bears one of the names, whatever the case and punctuation, or NULL.
bank_column <- function(obs, names) {
  plain <- tolower(gsub("[^A-Za-z0-9]", "", names(obs)))
  place <- match(names, plain)
  place <- place[!is.na(place)]
  if (length(place)) obs[[place[1]]]
}

bank_types <- function(obs, labels) {
  types <- bank_column(obs, c("celltype", "celltypes", "type", "label", "labels", "annotation"))
  if (!is.character(types)) {
    unfit(sprintf("no column of its cells holds their types (columns read: %s)",
                  if (length(obs)) some_of(names(obs), 8) else "none"))
  }
  unknown <- setdiff(types, labels)
  if (length(unknown)) unfit(sprintf("the model does not know its types %s", some_of(unknown)))
  as.vector(types)
}

# Ranks may count from 0, which is not the bank's way.
bank_ranks <- function(obs, types) {
  in_order <- as.integer(stats::ave(seq_along(types), types, FUN = seq_along))
  ranks <- bank_column(obs, c("rank", "ranks", "ranking"))
  if (is.null(ranks)) return(in_order)
  ranks <- bank_whole(ranks, "ranks", from = 0)
  if (length(ranks) && min(ranks) == 0L) ranks + 1L else ranks
}

bank_stages <- function(obs, count) {
  stages <- bank_column(obs, c("stage", "stages"))
  if (is.null(stages)) rep(1L, count) else bank_whole(stages, "stages", from = 1)
}

bank_whole <- function(values, what, from) {
  numbers <- suppressWarnings(as.numeric(values))
  whole <- !is.na(numbers) & numbers >= from & numbers < 2^31 & numbers == round(numbers)
  if (!all(whole)) {
    unfit(sprintf("its %s are not whole numbers from %d, such as %s", what, from,
                  some_of(unique(values[!whole]))))
  }
  as.integer(numbers)
}

tell_bank <- function(bank, verbose) {
  if (!is.null(bank$problem)) {
    canal_inform("skipped", sprintf("Skipped example_bank: %s.", bank$problem), verbose)
  } else if (!is.null(bank$bank)) {
    canal_inform("bank", sprintf("Read the example bank: %d cells of %d types.",
                                 nrow(bank$bank$entries), length(unique(bank$bank$entries$type))),
                 verbose)
  }
}
