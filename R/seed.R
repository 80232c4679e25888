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
    set.seed(seed, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
    code
  })
}

keep_random_stream <- function(code) {
  had_stream <- exists(".Random.seed", globalenv(), inherits = FALSE)
  if (had_stream) stream <- get(".Random.seed", globalenv(), inherits = FALSE)
  kinds <- RNGkind()
  on.exit({
    # R warns of the sampler "Rounding" whenever it is chosen; this user chose it long ago.
    suppressWarnings(RNGkind(kinds[1], kinds[2], kinds[3]))
    if (had_stream) {
      assign(".Random.seed", stream, envir = globalenv())
    } else if (exists(".Random.seed", globalenv(), inherits = FALSE)) {
      rm(".Random.seed", envir = globalenv())
    }
  })
  code
}

# Independent seeds for the parts of one call.
derive_seed <- function(seed, part) {
  as.integer((as.numeric(seed) * 31 + part * 7919) %% (2^31 - 1))
}
