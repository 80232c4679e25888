test_that("the preset scbert is the published network and training", {
  config <- canal_config()
  expect_s3_class(config, "canal_config")
  expect_identical(attr(config, "preset"), "scbert")
  published <- list(dim = 200, depth = 6, heads = 10, head_width = 64, features = 266, ff_mult = 4,
                    fc1 = 128, fc2 = 64, n_bins = 5, n_genes = 1000, epochs = 100, batch_size = 14,
                    learning_rate = 2e-4, learning_rate_min = 1e-6, first_cycle = 15, warm_up = 5,
                    cycle_mult = 2, cycle_decay = 0.9, label_smoothing = 0.1, lambda = 0.1,
                    bank_size = 1000, patience = 10, validation = 0.2, redraw_interval = 1000,
                    temperature = 0.8, unsure_below = 0.5)
  expect_equal(unclass(config)[names(published)], published)
})

test_that("entries are changed by name, in either preset", {
  config <- canal_config("compact", n_genes = 500, lambda = 0)
  expect_identical(attr(config, "preset"), "compact")
  expect_identical(config$n_genes, 500)
  expect_identical(config$lambda, 0)
  expect_identical(names(config), names(canal_config()))
  expect_lt(config$dim, canal_config()$dim)
})

test_that("the settings of a model are the defaults of its training", {
  arguments <- formals(canal_train)
  # What else decides these is in training_settings().
  settings <- setdiff(intersect(names(arguments), names(config_entries())),
                      c("redraw_interval", "new_genes"))
  expect_gte(length(settings), 8)
  for (name in settings) {
    expect_identical(arguments[[name]], str2lang(paste0("model@config$", name)), info = name)
  }
})

test_that("an unknown preset, unknown entries and values without a name are refused", {
  expect_refused(canal_config("large"), "argument", "preset")
  expect_refused(canal_config(c("scbert", "compact")), "argument", "preset")
  expect_error(canal_config("compact", n_gene = 5), "n_gene\\b", class = "canalR_error_argument")
  expect_refused(canal_config("compact", 5), "argument", "...")
  expect_refused(canal_config("compact", dim = 8, 5), "argument", "...")
})

test_that("every entry has a range, and what lies outside is refused by name", {
  for (name in names(config_entries())) {
    entry <- config_entries()[[name]]
    outside <- list(entry[[3]] - 1, NA_real_, c(1, 2), "1", NULL, NaN)
    if (is.finite(entry[[4]])) outside <- c(outside, entry[[4]] * 2, Inf)
    if (entry[[5]]) outside <- c(outside, entry[[3]] + 0.5)
    for (value in outside) {
      change <- stats::setNames(list(value), name)
      expect_refused(do.call(canal_config, c("compact", change)), "argument", name)
    }
    for (preset in 1:2) expect_true(entry[[preset]] >= entry[[3]] && entry[[preset]] <= entry[[4]])
  }
})

test_that("a cycle must be longer than its warm-up", {
  expect_refused(canal_config(first_cycle = 5), "argument", "warm_up")
  expect_refused(canal_config(warm_up = 20), "argument", "warm_up")
  expect_identical(canal_config(first_cycle = 1, warm_up = 0)$first_cycle, 1)
})

test_that("print tells every entry", {
  printed <- utils::capture.output(print(canal_config("compact")))
  expect_match(printed[1], "compact")
  expect_length(printed, 1 + length(config_entries()))
  expect_match(printed, "^  batch_size +14$", all = FALSE)
})

test_that("a configuration that was changed by hand is checked where it is used", {
  config <- canal_config("compact")
  config$dim <- "a"
  expect_error(canal_model(config, letters), "`dim`", class = "canalR_error_argument")
  config <- canal_config("compact")
  config$warm_up <- 20
  expect_error(canal_model(config, letters), "`warm_up`", class = "canalR_error_argument")
})
