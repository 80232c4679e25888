test_that("a training lowers the loss, tells cells apart and leaves a record", {
  model <- cellular_model()
  record <- model@history$encoder
  expect_s4_class(model, "CellularModel")
  expect_identical(names(record$losses), names(empty_encoder_losses()))
  expect_lt(record$losses$validation_loss[record$best_epoch], record$losses$validation_loss[1])
  expect_identical(record$losses$learning_rate, warm_cosine_rates(25, 5e-3, 1)[record$losses$epoch])
  expect_true(all(record$losses$temperature >= 0.1 & record$losses$temperature <= 2))
  expect_false(all(record$losses$temperature == 0.25))
  expect_identical(model@labels, sort(unique(cellular_cells()$types), method = "radix"))
  expect_length(model@genes, 60)
  expect_output(print(model),
                "CELLULAR model.+genes +60.+encoder +60 > 30 > 15 > 8.+classifier 8 >")
})

test_that("one seed gives one model, another seed another; the user's random numbers stay", {
  set.seed(11)
  before <- .Random.seed
  first <- embedding_of(epochs = 2)
  expect_identical(.Random.seed, before)
  expect_identical(embedding_of(epochs = 2)@weights, first@weights)
  expect_identical(embedding_of(epochs = 2, num_threads = 1)@provenance$seed, 1L)
  expect_false(identical(embedding_of(epochs = 2, seed = 2)@weights, first@weights))
})

test_that("a training goes on from its state and ends as one that was never stopped", {
  folder <- tempfile()
  whole <- embedding_of(epochs = 5)
  # The number of epochs is part of the schedule, so the run has to be stopped from outside: by the
  # file of its second state.
  trace("write_checkpoint", where = asNamespace("canalR"), print = FALSE,
        exit = quote(if (nrow(run$losses) == 2) stop("halt")))
  on.exit(suppressMessages(untrace("write_checkpoint", where = asNamespace("canalR"))))
  expect_error(embedding_of(epochs = 5, checkpoint = folder), "halt")
  suppressMessages(untrace("write_checkpoint", where = asNamespace("canalR")))
  on.exit()
  expect_message(again <- embedding_of(epochs = 5, checkpoint = folder, verbose = TRUE),
                 "Going on after epoch 2", class = "canalR_message_resume")
  expect_identical(again@weights, whole@weights)
  expect_identical(again@history$encoder$losses, whole@history$encoder$losses)
  expect_error(embedding_of(epochs = 5, checkpoint = folder, dropout = 0.4),
               class = "canalR_error_checkpoint")
})

test_that("one batch is told, and has no batch loss", {
  expect_message(model <- embedding_of(batch = NULL, verbose = TRUE, epochs = 2),
                 "one batch", class = "canalR_message_batch")
  expect_true(all(is.na(model@history$encoder$losses$batches)))
  expect_identical(model@batches, character())
  same <- embedding_of(batch = rep("b", length(cellular_cells()$types)), epochs = 2)
  expect_identical(same@weights, model@weights)
})

test_that("a type in one batch only is warned of", {
  cells <- cellular_cells()
  batches <- ifelse(cells$types == "beta", "indrop", cells$batches)
  expect_warning(cellular_train(cells$counts, cells$types, batches, latent_dim = 4, n_genes = 30,
                                epochs = 2, seed = 1, verbose = FALSE),
                 "beta", class = "canalR_warning_batch")
})

test_that("few genes and few cells are told", {
  cells <- cellular_cells()
  train <- function(...) {
    suppressWarnings(cellular_train(cells$counts, cells$types, latent_dim = 4, epochs = 2, seed = 1,
                                    ...))
  }
  expect_message(train(n_genes = 5000), "all of them are taken", class = "canalR_message_genes")
  expect_message(train(n_genes = 30), "fewer than a mini-batch of 256",
                 class = "canalR_message_batch_size")
})

test_that("genes that are constant are never chosen", {
  cells <- cellular_cells()
  counts <- rbind(cells$counts, ZERO = 0)
  genes <- cellular_genes(counts, seq_len(ncol(counts)), nrow(counts), 1e3, 0L, FALSE)
  expect_gt(length(genes), 100)
  expect_false("ZERO" %in% genes)
})

test_that("an epoch of mini-batches without pairs is an error that names the labels", {
  cells <- cellular_cells()
  two <- c(which(cells$types == "alpha")[1:2], which(cells$types == "beta")[1:2])
  small <- function(...) {
    cellular_train(cells$counts[, two], cells$types[two], latent_dim = 2, n_genes = 20, epochs = 2,
                   batch_size = 2, validation = 0, seed = 1, verbose = FALSE, ...)
  }
  # Two cells make no triple.
  expect_error(small(), "no such mini-batch", class = "canalR_error_labels")
})

test_that("labels and settings that cannot be trained on are refused by name", {
  cells <- cellular_cells()
  train <- function(labels = cells$types, batch = cells$batches, ...) {
    given <- utils::modifyList(list(epochs = 2), list(...))
    do.call(cellular_train, c(list(cells$counts, labels, batch, verbose = FALSE), given))
  }
  expect_error(train(rep("a", ncol(cells$counts))), "labels", class = "canalR_error_labels")
  expect_error(train(paste0("t", seq_along(cells$types))), "labels",
               class = "canalR_error_labels")
  expect_error(train(cells$types[-1]), "labels", class = "canalR_error_labels")
  expect_error(train(batch = cells$batches[-1]), "batch", class = "canalR_error_labels")
  expect_error(train(replace(cells$types, 1, "Unassigned")), class = "canalR_error_labels")
  for (bad in list(list(latent_dim = 0), list(n_genes = 1.5), list(dropout = 1),
                   list(temperature = 3), list(temperature_range = c(1, 0.1)),
                   list(validation = 0.95), list(search = TRUE), list(hidden = 3),
                   list(classifier = NA), list(batch_size = 1), list(epochs = 1, warm_up = 4),
                   list(hidden = -3, classifier = TRUE), list(trials = 3, classifier = TRUE),
                   list(loss = "no", classifier = TRUE))) {
    expect_error(do.call(train, bad), names(bad)[1], class = "canalR_error_argument")
  }
})

test_that("a model is the same after saving and loading, and in another session's object", {
  model <- cellular_model()
  file <- tempfile(fileext = ".h5")
  canal_save(model, file)
  again <- canal_load(file)
  for (slot in setdiff(slotNames(model), "cache")) {
    expect_identical(slot(again, slot), slot(model, slot), info = slot)
  }
  rds <- tempfile()
  saveRDS(model, rds)
  cells <- cellular_cells()$counts
  expect_identical(cellular_predict(cells, readRDS(rds), verbose = FALSE)$cellular_confidence,
                   cellular_predict(cells, model, verbose = FALSE)$cellular_confidence)
  expect_error(canal_predict(cells, model), class = "canalR_error_argument")
})

test_that("a damaged model file is refused", {
  file <- tempfile(fileext = ".h5")
  canal_save(cellular_model(), file)
  tree <- cpp_read_tree(file, "/", "raw")
  damages <- list(
    function(tree) {
      tree$classifier[[1]][1] <- as.raw(255 - as.integer(tree$classifier[[1]][1]))
      tree
    },
    function(tree) utils::modifyList(tree, list(target = tree$target * 2)),
    function(tree) utils::modifyList(tree, list(genes = rev(tree$genes))),
    function(tree) utils::modifyList(tree, list(labels = rev(tree$labels)))
  )
  for (damage in damages) {
    cpp_write_tree(file, damage(tree))
    expect_error(canal_load(file), "damaged", class = "canalR_error_file")
  }
})

test_that("sorted cells are validated as shuffled ones are", {
  cells <- cellular_cells()
  sorted <- order(cells$batches, cells$types)
  model <- suppressWarnings(cellular_train(
    cells$counts[, sorted], cells$types[sorted], cells$batches[sorted], latent_dim = 4,
    n_genes = 40, epochs = 3, batch_size = 12, warm_up = 1, validation = 0.4, seed = 1,
    verbose = FALSE
  ))
  expect_false(anyNA(model@history$encoder$losses$validation_loss))
})

test_that("an unknown argument of the classifier is refused before anything is trained", {
  cells <- cellular_cells()
  expect_error(cellular_train(cells$counts, cells$types, classifier = TRUE, hiden = 4), "hiden",
               class = "canalR_error_argument")
})

test_that("the encoder survives a classifier that fails or is interrupted", {
  model <- embedding_of(epochs = 2)
  cells <- labelled_cells(cellular_cells()$counts, cellular_cells()$types, NULL, "counts", NULL,
                          FALSE)
  settings <- list(seed = 1, verbose = FALSE)
  cells$types <- rep("one", length(cells$types))
  expect_warning(same <- add_classifier(cells, model, FALSE, settings), "two types",
                 class = "canalR_warning_stopped")
  expect_identical(same@weights, model@weights)
  model@history$encoder$stopped <- "interrupt"
  expect_warning(add_classifier(cells, model, FALSE, settings), "interrupted",
                 class = "canalR_warning_stopped")
})

test_that("Ctrl-C in the epochs gives the best embedding so far", {
  skip_on_os("windows")
  code <- '
  result <- withCallingHandlers(
    cellular_train(value$counts, value$types, epochs = 1e5, n_genes = 100, seed = 1),
    canalR_message_epoch = function(message) tell("began")
  )
  result <- list(model = result, ended = as.numeric(Sys.time()))
  '
  sent <- NULL
  result <- in_new_session(code, cellular_cells(), function(file) {
    if (!wait_for(file("began"))) return()
    tools::pskill(as.integer(readLines(file("pid"))), tools::SIGINT)
    sent <<- as.numeric(Sys.time())
  })
  expect_prompt(result$ended - sent)
  expect_identical(result$model@history$encoder$stopped, "interrupt")
  expect_gt(nrow(result$model@history$encoder$losses), 0)
})
