# Seeds: every random choice of canalR comes from a seed of its own, and the user's random numbers
# go on afterwards as if nothing had happened.

# A given seed is checked; without one it is taken from the user's stream, so that set.seed()
# governs the result, but the stream does not move.
resolve_seed <- function(seed) {
  if (!is.null(seed)) {
    check_number(seed, "seed", from = 0, to = 2^31 - 1, whole = TRUE)
    return(as.integer(seed))
  }
  keep_random_stream(sample.int(.Machine$integer.max, 1L))
}

with_seed <- function(seed, code) {
  keep_random_stream({
    assign(".Random.seed", seeded_stream(seed), envir = globalenv())
    code
  })
}

# `.Random.seed` as set.seed() makes it with R's usual kinds (10403: Mersenne-Twister, Inversion,
# Rejection). set.seed() and RNGkind() would lose the second of two normals that Box-Muller, which
# may be the user's kind, has ready: it is in no variable, and nobody can put it back.
seeded_stream <- function(seed) {
  words <- numeric(675)
  for (i in seq_along(words)) words[i] <- seed <- (69069 * seed + 1) %% 2^32
  words <- utils::tail(words, 624)
  signed <- words - ifelse(words >= 2^31, 2^32, 0)
  # R's NA has these very bits.
  signed[signed == -2^31] <- NA
  c(10403L, 624L, as.integer(signed))
}

keep_random_stream <- function(code) {
  stream <- get0(".Random.seed", globalenv(), inherits = FALSE)
  kinds <- if (is.null(stream)) RNGkind()
  on.exit(if (is.null(stream)) forget_stream(kinds) else put_back_stream(stream))
  code
}

put_back_stream <- function(stream) {
  assign(".Random.seed", stream, envir = globalenv())
  # Asked for the kinds, R takes them from there.
  RNGkind()
}

# For a session that has drawn nothing, which has no normal ready either.
forget_stream <- function(kinds) {
  # R warns of the sampler "Rounding" whenever it is chosen; this user chose it long ago.
  suppressWarnings(RNGkind(kinds[1], kinds[2], kinds[3]))
  rm(".Random.seed", envir = globalenv())
}

# Independent seeds for the parts of one call.
derive_seed <- function(seed, part) {
  as.integer((as.numeric(seed) * 31 + part * 7919) %% (2^31 - 1))
}
