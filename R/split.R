# A stratified choice of the cells that are held out: `share` of each type, at least one of a type
# with two cells or more, none of a type with a single one. Returns TRUE for held-out cells.
hold_out <- function(types, share, seed) {
  held <- logical(length(types))
  if (share == 0) return(held)
  with_seed(seed, {
    # Sorted by bytes: the draws must not depend on the user's language.
    levels <- sort(unique(types), method = "radix")
    for (cells in split(seq_along(types), factor(types, levels))) {
      if (length(cells) < 2L) next
      count <- min(length(cells) - 1L, max(1L, round(share * length(cells))))
      held[cells[sample.int(length(cells), count)]] <- TRUE
    }
  })
  held
}
