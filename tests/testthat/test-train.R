# Weights of the last layer as rows by type.
last_layer <- function(model) {
  list(weight = weight(model, "to_out.fc3.weight"), bias = weight(model, "to_out.fc3.bias"))
}

# Training that changes nothing, so that a stage's starting point can be seen.
still <- function() small_config(learning_rate = 0, learning_rate_min = 0)

part <- function(cells, chosen) {
  list(counts = cells$counts[, chosen, drop = FALSE], types = cells$types[chosen])
}

test_that("a first stage chooses its genes, learns its types and leaves the model it came from", {
  before <- plain_model(untrained())
  model <- train_quietly(stage_one_cells(), untrained())
  expect_s4_class(model, "CanalModel")
  expect_identical(plain_model(untrained()), before)
  expect_length(model@genes, 40)
  expect_identical(model@genes, intersect(model@vocabulary$genes, model@genes))
  expect_identical(model@labels, c("acinar", "alpha", "beta", "endothelial"))
  expect_identical(model@vocabulary$genes, untrained()@vocabulary$genes)
})

test_that("training learns", {
  cells <- stage_one_cells()
  model <- train_quietly(cells, untrained(), epochs = 15, learning_rate = 5e-3)
  losses <- last_record(model)$losses$classification
  expect_lt(utils::tail(losses, 1), 0.8 * losses[1])
  predicted <- predict_quietly(cells$counts, model)$canal_label
  expect_gt(mean(predicted == cells$types), 0.7)
})

test_that("a later stage keeps the order of the labels and appends the new ones", {
  before <- plain_model(stage_one())
  expect_identical(stage_two()@labels,
                   c("acinar", "alpha", "beta", "endothelial", "delta", "ductal"))
  expect_identical(stage_two()@genes, stage_one()@genes)
  expect_identical(plain_model(stage_one()), before)
})

test_that("a grown network starts from the old rows and all other weights", {
  old <- train_quietly(stage_one_cells(), canal_model(still(), rownames(panc()$counts), seed = 1),
                       epochs = 1)
  new <- train_quietly(stage_two_cells(), old, epochs = 1)
  expect_setequal(changed_weights(old, new), c("to_out.fc3.weight", "to_out.fc3.bias"))
  expect_identical(last_layer(new)$weight[1:4, ], last_layer(old)$weight)
  expect_identical(last_layer(new)$bias[1:4], last_layer(old)$bias)
  expect_identical(nrow(last_layer(new)$weight), 6L)
  expect_gt(stats::sd(last_layer(new)$weight[5:6, ]), 0)
})

test_that("the history tells of every stage", {
  expect_length(stage_two()@history, 2)
  expect_identical(stage_two()@history[1], stage_one()@history)
  record <- last_record(stage_two())
  expect_identical(record$stage, 2L)
  expect_identical(record$cells, ncol(stage_two_cells()$counts))
  expect_identical(record$dropped, 0L)
  expect_identical(record$new_types, c("delta", "ductal"))
  expect_identical(record$types, stage_two()@labels)
  expect_identical(record$epochs, 2L)
  expect_identical(record$stopped, "epochs")
  expect_identical(record$seed, 1L)
  expect_identical(record$settings$epochs, 2)
  expect_identical(record$settings$trainable, "all")
  expect_gt(record$seconds, 0)
  expect_named(record$accuracy, c("1", "2"))
  expect_named(record$losses, names(empty_losses()))
  expect_identical(record$losses$epoch, 1:2)
  expect_identical(record$losses$learning_rate,
                   learning_rates(2, stage_two()@config$learning_rate, stage_two()@config))
  expect_identical(record$best_accuracy, record$losses$validation_accuracy[record$best_epoch])
  expect_identical(record$best_accuracy, max(record$losses$validation_accuracy))
})

test_that("the accuracies are those of the held-out cells of each stage", {
  for (stage in 1:2) {
    held <- stage_two()@heldout[[stage]]
    tokens <- t(matrix(as.integer(held$tokens), nrow(held$tokens)))
    predicted <- stage_two()@labels[max.col(canal_forward(tokens, stage_two()), "first")]
    expect_identical(last_record(stage_two())$accuracy[[stage]], mean(predicted == held$labels))
  }
  first <- last_record(stage_one())
  expect_identical(first$accuracy[["1"]], first$best_accuracy)
})

test_that("a cell is trained on or held out, once, and so is a cell of the bank", {
  cells <- stage_two_cells()
  model <- stage_one()
  settings <- training_settings(model, new_genes = 0, validation = 0.2, seed = 1L, verbose = FALSE)
  data <- stage_cells(cells$counts, cells$types, model, settings, "counts", NULL)
  stage <- begin_stage(model, data, settings)
  together <- function(tokens) {
    sort(apply(tokens, 2, function(x) paste(as.integer(x), collapse = "")))
  }
  expect_identical(together(cbind(stage$train$tokens, stage$validate$tokens)),
                   together(cbind(unname(data$tokens@tokens), model@bank$tokens)))
  expect_identical(table(c(stage$train$types, stage$validate$types)),
                   table(c(cells$types, model@bank$entries$type)))
  for (side in stage[c("train", "validate")]) expect_length(side$types, ncol(side$tokens))
})

test_that("at most history_size held-out cells are kept", {
  model <- train_quietly(stage_one_cells(), small_model(history_size = 5), epochs = 1)
  expect_length(model@heldout[[1]]$labels, 5)
  expect_identical(ncol(model@heldout[[1]]$tokens), 5L)
})

test_that("a type with one cell is trained on, not validated, and told", {
  cells <- stage_one_cells()
  expect_message(
    model <- suppressMessages(canal_train(cells$counts, cells$types, untrained(), epochs = 1,
                                          seed = 1),
                              classes = c("canalR_message_prepare", "canalR_message_stage")),
    "endothelial", class = "canalR_message_single_cell"
  )
  expect_true("endothelial" %in% model@labels)
  expect_false("endothelial" %in% model@heldout[[1]]$labels)
  expect_true("endothelial" %in% model@bank$entries$type)
})

test_that("types with one cell each can be trained on", {
  cells <- stage_one_cells()
  few <- part(cells, match(c("alpha", "beta"), cells$types))
  model <- train_quietly(few, untrained(), epochs = 2)
  expect_identical(model@labels, c("alpha", "beta"))
  expect_identical(last_record(model)$epochs, 2L)
})

trained_parts <- function(trainable) {
  model <- train_quietly(stage_one_cells(), stage_one(), epochs = 1, trainable = trainable)
  expect_identical(last_record(model)$settings$trainable, trainable)
  changed_weights(stage_one(), model)
}

test_that("the head alone, the stage's subset or all parameters are trained", {
  names <- names(stage_one()@weights)
  head <- grep("^to_out\\.", names, value = TRUE)
  expect_setequal(trained_parts("head"), head)
  features <- grep("projection_matrix$", names, value = TRUE)
  layer <- sprintf("performer.net.layers.%d.", stage_one()@config$depth - 2)
  subset <- c(head, grep("^norm\\.", names, value = TRUE), names[startsWith(names, layer)])
  expect_setequal(trained_parts("stage"), setdiff(subset, features))
  expect_setequal(trained_parts("all"), setdiff(names, features))
})

test_that("an untrained network learns all by default, a pre-trained one the subset", {
  expect_identical(last_record(stage_one())$settings$trainable, "all")
  cells <- stage_one_cells()
  pretrained <- untrained()
  pretrained@provenance$pretrained <- TRUE
  model <- train_quietly(cells, pretrained, epochs = 1)
  expect_identical(last_record(model)$settings$trainable, "stage")
})

test_that("the random features are drawn again when due, and never without an interval", {
  features <- function(model) grep("projection_matrix$", changed_weights(stage_one(), model))
  cells <- stage_one_cells()
  expect_length(features(train_quietly(cells, stage_one(), epochs = 1, redraw_interval = 0)), 0)
  expect_length(features(train_quietly(cells, stage_one(), epochs = 1, redraw_interval = 2)), 2)
})

test_that("a seed decides every weight, whatever the number of threads", {
  cells <- stage_two_cells()
  one <- train_quietly(cells, stage_one(), epochs = 1, num_threads = 1)
  two <- train_quietly(cells, stage_one(), epochs = 1, num_threads = 2)
  expect_identical(one@weights, two@weights)
  expect_identical(one@bank, two@bank)
  expect_identical(one@heldout, two@heldout)
  other <- train_quietly(cells, stage_one(), epochs = 1, seed = 2)
  expect_false(identical(other@weights, one@weights))
  expect_false(identical(other@heldout, one@heldout))
})

test_that("without a seed set.seed() decides, and its stream does not move", {
  cells <- part(stage_one_cells(), 1:20)
  train <- function(start) {
    set.seed(start)
    before <- get(".Random.seed", globalenv())
    model <- train_quietly(cells, untrained(), epochs = 1, seed = NULL)
    expect_identical(get(".Random.seed", globalenv()), before)
    model@weights
  }
  expect_identical(train(1), train(1))
  expect_false(identical(train(1), train(2)))
})

test_that("without validation every cell is trained on, every epoch is run and the last is kept", {
  cells <- stage_one_cells()
  model <- train_quietly(cells, untrained(), epochs = 3, validation = 0, patience = 1)
  record <- last_record(model)
  expect_identical(record$epochs, 3L)
  expect_identical(record$best_epoch, 3L)
  expect_identical(record$best_accuracy, NA_real_)
  expect_true(all(is.na(record$losses$validation_accuracy)))
  expect_true(all(is.na(record$accuracy)))
  expect_setequal(model@bank$entries$cell, colnames(cells$counts))
  expect_length(model@heldout[[1]]$labels, 0)
  again <- train_quietly(stage_two_cells(), model, epochs = 1)
  expect_identical(is.na(unname(last_record(again)$accuracy)), c(TRUE, FALSE))
})

test_that("the total is the classification's loss and the scaled drift", {
  cells <- stage_two_cells()
  for (lambda in c(0, 0.1, 5)) {
    losses <- last_record(train_quietly(cells, stage_one(), epochs = 2, lambda = lambda))$losses
    expect_equal(losses$total, losses$classification + lambda * 4 / 6 * losses$distillation,
                 tolerance = 1e-6)
    expect_identical(any(losses$distillation > 0), lambda > 0)
  }
  expect_true(all(last_record(stage_one())$losses$distillation == 0))
})

test_that("distillation holds the embedding", {
  cells <- stage_two_cells()
  drift <- function(lambda) {
    model <- train_quietly(cells, stage_one(), epochs = 2, lambda = lambda)
    mean((canal_embed(cells$counts, model, verbose = FALSE)$embedding -
            canal_embed(cells$counts, stage_one(), verbose = FALSE)$embedding)^2)
  }
  expect_lt(drift(1e4), 0.5 * drift(0))
})

test_that("patience ends a stage that no longer gains", {
  model <- train_quietly(stage_one_cells(), canal_model(still(), rownames(panc()$counts), seed = 1),
                         epochs = 50, patience = 2)
  record <- last_record(model)
  expect_identical(record$stopped, "patience")
  expect_identical(record$epochs, 3L)
  expect_identical(record$best_epoch, 1L)
})

# A record of an epoch and no trainer: what judge_epoch() makes of accuracies and losses.
judged <- function(accuracy, loss) {
  kept <- integer()
  run <- list(losses = NULL, best_accuracy = NA_real_, best_loss = Inf, best_epoch = 0L)
  for (epoch in seq_along(accuracy)) {
    run <- judge_epoch(run, list(epoch = epoch, validation_accuracy = accuracy[epoch],
                                 validation_loss = loss[epoch]), cpp_trainer_of_nothing())
  }
  run
}

cpp_trainer_of_nothing <- function() {
  once("trainer", function() {
    model <- stage_one()
    settings <- training_settings(model, new_genes = 0, accumulation = 1, clip_norm = 0,
                                  validation = 0, seed = 1L, verbose = FALSE, lambda = 0,
                                  compute = compute_on("cpu", "auto"), cache = cache_options(FALSE),
                                  label_smoothing = 0.1, batch_size = 5, redraw_interval = 0)
    data <- stage_cells(stage_one_cells()$counts, stage_one_cells()$types, model, settings,
                        "counts", NULL)
    new_trainer(begin_stage(model, data, settings), settings)
  })
}

test_that("the best epoch has the highest accuracy, among equals the smaller loss", {
  run <- judged(c(0.5, 0.7, 0.7, 0.6, 0.7), c(1, 0.9, 0.8, 0.1, 0.85))
  expect_identical(run$best_epoch, 3L)
  # A smaller loss alone does not prolong the patience.
  expect_identical(run$patience_from, 2L)
  expect_identical(judged(c(NA, NA, NA), c(NA, NA, NA))$best_epoch, 3L)
})

# A weight as it would be after a step too far.
spoilt <- function(model) {
  values <- weight(model, "to_out.fc3.weight")
  values[] <- 1e38
  with_weights(model, replace(model@weights, "to_out.fc3.weight", list(as_float32(values))))
}

as_float32 <- function(values) {
  bytes <- writeBin(as.vector(t(values)), raw(), size = 4, endian = "little")
  structure(bytes, shape = dim(values), class = "canal_float32")
}

test_that("a loss that is no longer finite ends the stage with a warning and a model", {
  expect_warning(model <- train_quietly(stage_two_cells(), spoilt(stage_one()), epochs = 5),
                 "finite", class = "canalR_warning_stopped")
  expect_s4_class(model, "CanalModel")
  expect_identical(last_record(model)$stopped, "diverged")
  expect_identical(last_record(model)$epochs, 0L)
  expect_identical(model@labels, stage_two()@labels)
})

# The n-th call of an engine function goes wrong; those before are its own.
failing_at <- function(n, name, wrong) {
  own <- get(name, asNamespace("canalR"))
  calls <- 0
  function(...) {
    calls <<- calls + 1
    if (calls < n) own(...) else wrong(...)
  }
}

test_that("weights that the last step of an epoch spoilt are not kept", {
  cells <- stage_one_cells()
  for (share in c(0, 0.2)) {
    good <- train_quietly(cells, untrained(), epochs = 2, validation = share)
    spoil <- failing_at(3, "cpp_validate", function(trainer, tokens, labels0) {
      list(loss = NaN, predicted0 = labels0)
    })
    expect_warning(
      model <- with_binding("cpp_validate", spoil,
                            train_quietly(cells, untrained(), epochs = 9, validation = share)),
      "finite", class = "canalR_warning_stopped"
    )
    expect_identical(last_record(model)$stopped, "diverged")
    expect_identical(last_record(model)$epochs, 2L)
    expect_identical(model@weights, good@weights)
  }
})

test_that("an error in an epoch gives the best model so far", {
  cells <- stage_one_cells()
  good <- train_quietly(cells, untrained(), epochs = 1)
  fail <- failing_at(2, "cpp_train_epoch", function(...) engine_error("internal", "no memory"))
  expect_warning(
    model <- with_binding("cpp_train_epoch", fail, train_quietly(cells, untrained(), epochs = 9)),
    "no memory", class = "canalR_warning_stopped"
  )
  expect_identical(last_record(model)$stopped, "error")
  expect_identical(model@weights, good@weights)
  expect_identical(model@bank, good@bank)
})

test_that("an error in the first epoch is the caller's", {
  fail <- failing_at(1, "cpp_train_epoch", function(...) engine_error("memory", "no memory"))
  with_binding("cpp_train_epoch", fail, {
    expect_error(train_quietly(stage_one_cells(), untrained(), epochs = 2), "no memory",
                 class = "canalR_error_memory")
  })
})

test_that("what cannot be ranked after training waits for the next stage", {
  cells <- stage_one_cells()
  fail <- function(...) engine_error("internal", "no memory")
  expect_warning(model <- with_binding("update_bank", fail, train_quietly(cells, untrained())),
                 "no memory", class = "canalR_warning_stopped")
  expect_identical(model@weights, stage_one()@weights)
  expect_identical(nrow(model@bank$entries), 0L)
  expect_output(print(model), "wait to be ranked")
  expect_identical(settle_bank(model, NULL, compute_on("cpu", "auto"))@bank, stage_one()@bank)
  next_one <- train_quietly(stage_two_cells(), model, epochs = 2)
  expect_identical(next_one@bank, stage_two()@bank)
  expect_identical(next_one@weights, stage_two()@weights)
  expect_length(next_one@pending, 0)
})

test_that("prepared tokens, an object, a matrix and a path are trained on alike", {
  cells <- stage_one_cells()
  expected <- stage_one()@weights
  tokens <- canal_prepare(cells$counts, untrained(), verbose = FALSE)
  from <- function(x, labels) {
    canal_train(x, labels, untrained(), seed = 1, verbose = FALSE)@weights
  }
  expect_identical(from(tokens, cells$types), expected)
  expect_identical(from(as.matrix(cells$counts), cells$types), expected)
  skip_if_not_installed("SingleCellExperiment")
  experiment <- SingleCellExperiment::SingleCellExperiment(list(counts = cells$counts))
  experiment$celltype <- cells$types
  expect_identical(from(experiment, "celltype"), expected)
  skip_if_not_installed("SeuratObject")
  seurat <- SeuratObject::CreateSeuratObject(cells$counts)
  seurat$celltype <- cells$types
  expect_identical(from(seurat, "celltype"), expected)
})

test_that("cells with too few genes are left out, told and counted", {
  cells <- stage_one_cells()
  cells$counts[, 2:3] <- 0
  tokens <- canal_prepare(cells$counts, untrained(), verbose = FALSE)
  for (x in list(cells$counts, tokens)) {
    model <- canal_train(x, cells$types, untrained(), epochs = 1, seed = 1, verbose = FALSE)
    expect_identical(last_record(model)$dropped, 2L)
    expect_identical(last_record(model)$cells, ncol(cells$counts) - 2L)
    expect_false(any(colnames(cells$counts)[2:3] %in% model@bank$entries$cell))
  }
  expect_message(
    suppressMessages(canal_train(cells$counts, cells$types, untrained(), epochs = 1, seed = 1),
                     classes = paste0("canalR_message_", c("prepare", "single_cell", "stage"))),
    class = "canalR_message_dropped"
  )
})

test_that("unused levels of a factor are no types", {
  cells <- stage_one_cells()
  cells$types <- factor(cells$types, c("unused", rev(unique(cells$types)), "another"))
  model <- train_quietly(cells, untrained())
  expect_identical(model@labels, stage_one()@labels)
  expect_identical(model@weights, stage_one()@weights)
})

test_that("labels that cannot be used are refused", {
  cells <- stage_one_cells()
  refused <- function(labels, x = cells$counts, model = untrained()) {
    expect_refused(canal_train(x, labels, model, verbose = FALSE), "labels", "labels")
  }
  refused(cells$types[-1])
  refused(replace(cells$types, 3, NA))
  refused(replace(cells$types, 3, ""))
  bytes <- replace(cells$types, 3, "f\xe4")
  if (l10n_info()$`UTF-8`) for (labels in list(bytes, factor(bytes))) refused(labels)
  refused("celltype")
  refused(NULL)
  refused(rep("alpha", length(cells$types)))
  refused(replace(cells$types, 3, "Unassigned"))
  refused(cells$types[-1], canal_prepare(cells$counts, untrained(), verbose = FALSE))
  skip_if_not_installed("SingleCellExperiment")
  experiment <- SingleCellExperiment::SingleCellExperiment(list(counts = cells$counts))
  refused("celltype", experiment)
})

test_that("one type is enough where the model knows others", {
  cells <- stage_two_cells()
  model <- train_quietly(part(cells, cells$types == "ductal"), stage_one(), epochs = 1)
  expect_identical(last_record(model)$new_types, "ductal")
  same <- train_quietly(part(cells, cells$types == "alpha"), stage_one(), epochs = 1)
  expect_identical(last_record(same)$new_types, character())
  expect_identical(same@labels, stage_one()@labels)
  # Its genes are chosen, so that a single cell is enough, though none of its genes varies.
  one <- train_quietly(part(cells, which(cells$types == "ductal")[1]), stage_one(), epochs = 1)
  expect_identical(last_record(one)$new_types, "ductal")
})

test_that("every argument is checked by name, before anything is computed", {
  cells <- stage_one_cells()
  wrong <- list(
    epochs = 0, epochs = Inf, epochs = 2.5, batch_size = 0, batch_size = Inf, learning_rate = -1,
    learning_rate = 2, learning_rate = "a", lambda = -1, lambda = NA, bank_size = -5,
    bank_size = 1.5, patience = 0, validation = 0.95, validation = -0.1, label_smoothing = 1,
    trainable = "everything", trainable = 1, redraw_interval = -1, seed = -1, seed = "a",
    num_threads = 0, num_threads = 1.5, device = "tpu", verbose = NA, verbose = "yes",
    min_genes = -1, min_genes = "a"
  )
  for (i in seq_along(wrong)) {
    call <- c(list(cells$counts, cells$types, untrained()), wrong[i])
    if (names(wrong)[i] != "verbose") call$verbose <- FALSE
    expect_refused(do.call(canal_train, call), "argument", names(wrong)[i])
  }
  expect_refused(canal_train(cells$counts, cells$types, "model"), "argument", "model")
})

test_that("tokens of other genes or bins, and settings they cannot follow, are refused", {
  cells <- stage_one_cells()
  refused <- function(tokens, model, kind = "genes", argument = "x", ...) {
    expect_refused(canal_train(tokens, cells$types, model, verbose = FALSE, ...), kind, argument)
  }
  prepare <- function(...) canal_prepare(cells$counts, rownames(cells$counts), ..., verbose = FALSE)
  refused(prepare(n_genes = 30), stage_one())
  refused(prepare(n_genes = 40, n_bins = 7), untrained())
  refused(canal_prepare(cells$counts, c(rownames(cells$counts), "OTHER"), n_genes = NULL,
                        verbose = FALSE), untrained())
  refused(prepare(n_genes = 40), untrained(), "argument", "min_genes", min_genes = 3)
})

test_that("genes in another order than the vocabulary's keep their positions", {
  cells <- stage_one_cells()
  genes <- rev(rownames(cells$counts))[1:40]
  tokens <- canal_prepare(cells$counts, rownames(cells$counts), genes = genes, verbose = FALSE)
  start <- canal_model(still(), rownames(cells$counts), seed = 1)
  model <- canal_train(tokens, cells$types, start, epochs = 1, seed = 1, verbose = FALSE)
  expect_identical(model@genes, genes)
  positions <- weight(start, "pos_emb.emb.weight")
  expect_identical(weight(model, "pos_emb.emb.weight"),
                   positions[c(match(genes, start@genes), nrow(positions)), ])
})

test_that("progress is shown by epoch and cell, with the accuracy", {
  cells <- stage_one_cells()
  before <- options(cli.progress_show_after = 0, cli.dynamic = TRUE, cli.width = 200)
  on.exit(options(before))
  losses <- data.frame(epoch = 1, total = 1.25, validation_accuracy = 0.75)
  shown <- utils::capture.output(type = "message", {
    progress <- epoch_progress("Stage 2", 50, stage_text, list(verbose = TRUE, epochs = 4))
    progress$epoch(list(losses = losses, best_accuracy = 0.8))
    # The bar is drawn again after 0.2 s at the earliest.
    Sys.sleep(0.3)
    progress$cells(25, 50)
    progress$close()
  })
  shown <- paste(shown, collapse = "\n")
  expect_match(shown, "Stage 2.+38%")
  expect_match(shown, "epoch 1.+loss 1.250, validation accuracy 0.750 \\(best 0.800\\)")
  expect_message(suppressMessages(canal_train(cells$counts, cells$types, untrained(), epochs = 1,
                                              seed = 1),
                                  classes = c("canalR_message_prepare",
                                              "canalR_message_single_cell")),
                 "Stage 1: [0-9]+ cells; new types: acinar", class = "canalR_message_stage")
})

test_that("losses of a second stage are the recorded ones", {
  recorded <- golden_array("stage2")
  settings <- attr(recorded, "h5_attributes")
  tokens <- golden_array("stage1/tokens")
  cells <- nrow(tokens)
  trainer <- cpp_trainer(
    golden_model("canal_stage2_start.pth")@weights, golden_model("canal_stage1.pth")@weights,
    token_bytes(tokens), as.integer(recorded$labels0),
    list(trainable = "stage", label_smoothing = settings$label_smoothing,
         distillation = settings$lambda_effective, batch_size = cells, redraw_interval = 0,
         accumulation = 1, clip_norm = 0, amsgrad = TRUE, new_positions = 0, weight_decay = 0,
         dropped_tokens = 0, batch_stabiliser = TRUE,
         learn_positions = FALSE, seed = 1,
         num_threads = 0, compute = compute_on("cpu", "float32"), cache = cache_options(FALSE))
  )
  for (step in seq_len(nrow(recorded$losses_cls_distill_total))) {
    losses <- cpp_train_epoch(trainer, settings$learning_rate, FALSE, NULL)
    expect_lt(max(abs(unlist(losses) - recorded$losses_cls_distill_total[step, ])), 1e-4)
  }
})

# Counts for the genes of an imported model, which have no names of their own.
counts_for <- function(model, n_cells) {
  counts <- toy_counts(length(model@genes), n_cells)
  rownames(counts) <- model@genes
  counts
}

test_that("a pre-trained network is cut to the chosen genes and learns the subset", {
  model <- golden_model("pretrained.pth")
  counts <- counts_for(model, 30)
  model@config$n_genes <- 20
  trained <- canal_train(counts, rep(c("a", "b", "c"), 10), model, epochs = 1, seed = 1,
                         min_genes = 0, verbose = FALSE)
  places <- match(trained@genes, model@genes)
  expect_length(places, 20)
  positions <- weight(model, "pos_emb.emb.weight")
  expect_identical(weight(trained, "pos_emb.emb.weight"),
                   positions[c(places, nrow(positions)), ])
  expect_identical(last_record(trained)$settings$trainable, "stage")
  layer <- sprintf("performer.net.layers.%d.", model@config$depth - 2)
  encoder <- grep("^performer|^norm|^token", names(trained@weights), value = TRUE)
  same <- mapply(identical, trained@weights[encoder], model@weights[encoder])
  frozen <- !startsWith(encoder, layer) & !startsWith(encoder, "norm.")
  expect_true(all(same[frozen]))
  learned <- !frozen & !grepl("projection_matrix$", encoder)
  expect_false(any(same[learned]))
})

test_that("an imported stage goes on training with its own types and genes", {
  model <- golden_model("canal_stage1.pth")
  trained <- canal_train(counts_for(model, 20), rep(c(model@labels[2], "new type"), 10), model,
                         epochs = 1, seed = 1, min_genes = 0, verbose = FALSE)
  expect_identical(trained@labels, c(model@labels, "new type"))
  expect_identical(trained@genes, model@genes)
  expect_identical(last_record(trained)$settings$trainable, "stage")
  expect_true(all(last_record(trained)$losses$distillation >= 0))
})

test_that("one seed for a whole stream draws new rows for every stage", {
  config <- small_config(learning_rate = 0, learning_rate_min = 0)
  model <- canal_model(config, rownames(panc()$counts), seed = 1)
  cells <- stage_one_cells()
  model <- train_quietly(cells, model, epochs = 1)
  for (type in c("new", "newer")) {
    model <- train_quietly(list(counts = cells$counts, types = rep(type, ncol(cells$counts))),
                           model, epochs = 1)
  }
  rows <- utils::tail(prototypes(model), 2)
  expect_false(isTRUE(all.equal(rows[1, ], rows[2, ])))
})

test_that("the user's language changes neither the order of types nor what is held out", {
  types <- rep(c("beta", "Alpha", "delta", "acinar"), each = 10)
  before <- Sys.getlocale("LC_COLLATE")
  on.exit(Sys.setlocale("LC_COLLATE", before))
  cells <- stage_one_cells()
  cells <- list(counts = cells$counts, types = rep_len(types, ncol(cells$counts)))
  learn <- function(locale) {
    Sys.setlocale("LC_COLLATE", locale)
    train_quietly(cells, untrained(), epochs = 1)
  }
  models <- lapply(c("C", "C.UTF-8"), learn)
  expect_identical(models[[1]]@labels, c("Alpha", "acinar", "beta", "delta"))
  expect_identical(models[[1]]@weights, models[[2]]@weights)
})

test_that("a bank with no place for every type is told", {
  expect_warning(train_quietly(stage_one_cells(), untrained(), epochs = 1, bank_size = 2),
                 "`bank_size`", class = "canalR_warning_bank")
})
