# The example bank: cells of past stages that later stages train on again. `tokens`: raw, genes x
# cells; `spare`: raw, named genes x cells, of genes that are not the model's and may join it later;
# `entries`: a row per cell with its name, type, rank (1 is nearest to its type's prototype) and
# stage.

empty_bank <- function(genes) {
  list(tokens = matrix(raw(), genes, 0), spare = no_spare(0),
       entries = data.frame(cell = character(), type = character(), rank = integer(),
                            stage = integer()))
}

# Ranks this stage's training cells within their type and lets them compete with the cells in the
# bank for floor(bank_size / types) places per type. cells: list(tokens, spare, types, stage,
# names, size).
update_bank <- function(model, cells, num_threads, compute) {
  embedding <- run_network(cells$tokens, model, "embedding", thread_count(num_threads),
                           compute)[[1]]
  type0 <- match(cells$types, model@labels) - 1L
  ranks <- cpp_prototype_ranks(embedding, prototypes(model), type0)
  new <- data.frame(cell = cells$names, type = cells$types, rank = ranks,
                    stage = rep(cells$stage, length(ranks)))
  trim_bank(list(tokens = cbind(model@bank$tokens, cells$tokens),
                 spare = join_spare(model@bank$spare, cells$spare),
                 entries = rbind(model@bank$entries, new)),
            model@labels, cells$size)
}

trim_bank <- function(bank, labels, size) {
  entries <- bank$entries
  kept <- cpp_trim_bank(match(entries$type, labels) - 1L, entries$rank, entries$stage, size,
                        length(labels))
  entries <- entries[kept, , drop = FALSE]
  rownames(entries) <- NULL
  list(tokens = bank$tokens[, kept, drop = FALSE], spare = bank$spare[, kept, drop = FALSE],
       entries = entries)
}

# Each type's row of the last layer: types x fc2.
prototypes <- function(model) cpp_weight_array(model@weights[["to_out.fc3.weight"]])

# The cells of an interrupted stage were left unranked, so that Ctrl-C gives the prompt back at
# once.
settle_bank <- function(model, num_threads, compute) {
  if (length(model@pending)) {
    model@bank <- update_bank(model, model@pending, num_threads, compute)
    model@pending <- list()
  }
  model
}
