# Cosine with warm restarts, stepped per epoch. The first cycle has `first_cycle`
# epochs, `warm_up` of which rise linearly from `learning_rate_min`; a later cycle is
# (cycle - warm_up) * cycle_mult + warm_up long, its top `cycle_decay` times the one before.
# Returns the learning rate of the epochs 1, 2, ..., epochs.
learning_rates <- function(epochs, learning_rate, config) {
  low <- min(config$learning_rate_min, learning_rate)
  top <- learning_rate
  cycle <- config$first_cycle
  rates <- numeric()
  while (length(rates) < epochs) {
    rates <- c(rates, cycle_rates(cycle, min(config$warm_up, cycle), low, top))
    cycle <- (cycle - config$warm_up) * config$cycle_mult + config$warm_up
    top <- top * config$cycle_decay
  }
  utils::head(rates, epochs)
}

cycle_rates <- function(cycle, warm_up, low, top) {
  step <- seq_len(cycle) - 1
  falling <- (1 + cos(pi * (step - warm_up) / (cycle - warm_up))) / 2
  low + (top - low) * ifelse(step < warm_up, step / warm_up, falling)
}
