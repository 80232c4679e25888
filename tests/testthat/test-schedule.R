test_that("the learning rates are the published ones", {
  recorded <- golden_array("schedule")
  settings <- attr(recorded, "h5_attributes")
  config <- canal_config(
    learning_rate_min = settings$min_lr, first_cycle = settings$first_cycle_steps,
    warm_up = settings$warmup_steps, cycle_mult = settings$cycle_mult, cycle_decay = settings$gamma
  )
  rates <- learning_rates(length(recorded$lr_by_epoch), settings$max_lr, config)
  expect_equal(rates, as.vector(recorded$lr_by_epoch), tolerance = 1e-12)
})

# One epoch after another, as the scheduler of the published program counts them.
naive_rates <- function(epochs, top, config) {
  at <- 0
  cycle <- config$first_cycle
  vapply(seq_len(epochs), function(epoch) {
    if (at >= cycle) {
      at <<- 0
      cycle <<- (cycle - config$warm_up) * config$cycle_mult + config$warm_up
      top <<- top * config$cycle_decay
    }
    low <- config$learning_rate_min
    share <- if (at < config$warm_up) {
      at / config$warm_up
    } else {
      (1 + cos(pi * (at - config$warm_up) / (cycle - config$warm_up))) / 2
    }
    at <<- at + 1
    low + (top - low) * share
  }, 0)
}

test_that("other cycles follow the same rule", {
  for (config in list(canal_config(first_cycle = 4, warm_up = 0), canal_config(first_cycle = 6),
                      canal_config(first_cycle = 1, warm_up = 0, cycle_mult = 1),
                      canal_config(cycle_mult = 3, cycle_decay = 0.5, learning_rate_min = 0))) {
    expect_equal(learning_rates(97, 0.01, config), naive_rates(97, 0.01, config))
  }
})

test_that("a schedule ends with the epochs", {
  expect_length(learning_rates(1, 1e-3, canal_config()), 1)
  expect_length(learning_rates(16, 1e-3, canal_config()), 16)
  expect_identical(learning_rates(7, 1e-3, canal_config()),
                   learning_rates(70, 1e-3, canal_config())[1:7])
})

test_that("a learning rate below the lowest is still the highest", {
  config <- canal_config()
  expect_lte(max(learning_rates(20, 1e-7, config)), 1e-7)
  expect_identical(learning_rates(3, 0, config), c(0, 0, 0))
})
