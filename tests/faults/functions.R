# What is interrupted: every exported function whose work is long. A case is a list of
#   work()        what is interrupted,
#   check(value)  fails where what came back, NULL where nothing did, is not what it should be, or
#                 what was there before is another. The first value is of a call that nothing came
#                 in between,
# and, where there is a reason,
#   needs         packages without which it is left out; they are loaded before,
#   slowest       how many seconds an answer may take, if it is more than for the others.

# Why an exported function has none.
without_case <- c(
  canal_config = "short work", canal_recipe = "short work", canal_vocabulary = "short work",
  canal_update_symbols = "short work", canal_symbol_report = "a look into what is there",
  canal_pretraining = "a look into what is there", canal_stream = "a look into what is there",
  canal_evaluation = "a look into what is there",
  canal_quality_report = "a look into what is there",
  canal_pretrained = "canal_load(), after a download by R",
  canal_team = "waits for others, no longer than it is told", canal_leave = "short work",
  canal_plot_embedding = "a plot", canal_plot_flow = "a plot", canal_plot_novelty = "a plot",
  canal_plot_scores = "a plot"
)

grown_counts <- function(times) {
  counts <- panc$counts[, rep(seq_len(ncol(panc$counts)), times)]
  colnames(counts) <- paste0("cell-", seq_len(ncol(counts)))
  counts
}
types_of <- function(times) rep(panc$types, times)

network <- function(...) {
  canal_model(canal_config("compact", n_genes = 150, dim = 64, depth = 4, head_width = 32),
              rownames(panc$counts), seed = 1)
}
some <- which(seq_along(panc$types) %% 4 == 0)
labelled <- quietly(canal_train(panc$counts[, some], panc$types[some], network(), epochs = 1,
                                seed = 1, verbose = FALSE))
cellular <- cellular_small(classifier = TRUE)
first_labels <- quietly(canal_predict(panc$counts[, 1:5], labelled, verbose = FALSE))$canal_label
first_cellular <- quietly(cellular_predict(panc$counts[, 1:5], cellular,
                                           verbose = FALSE))$cellular_label

# What an interrupted training gives is a model that annotates.
check_model <- function(value) {
  check_labelled(value)
  if (is.null(value)) return(invisible())
  methods::validObject(value)
  stopifnot(nrow(canal_predict(panc$counts[, 1:5], value, verbose = FALSE)) == 5)
}
# The model that was given is as it was.
check_labelled <- function(value) {
  stopifnot(identical(first_labels,
                      canal_predict(panc$counts[, 1:5], labelled, verbose = FALSE)$canal_label))
}
check_cellular <- function(value) {
  check_cellular_kept(value)
  if (!is.null(value)) check_embedding(panc$counts[, 1:5], value)
}
check_embedding <- function(counts, model) {
  methods::validObject(model)
  embedding <- cellular_embed(counts, model, verbose = FALSE)
  stopifnot(nrow(embedding) == ncol(counts), all(is.finite(as.matrix(embedding))))
}
check_cellular_kept <- function(value) {
  stopifnot(identical(first_cellular, cellular_predict(panc$counts[, 1:5], cellular,
                                                       verbose = FALSE)$cellular_label))
}

# Fails where a small call of the kind gives another value than it did before all interrupts.
again <- function(compute) {
  first <- quietly(compute())
  function() stopifnot(identical(quietly(compute()), first))
}
# A case whose value, where one comes, is the whole one. plain: makes of it what is compared; still:
# checks what was there before.
all_or_nothing <- function(work, plain = identity, still = function() NULL, needs = NULL) {
  whole <- NULL
  list(work = work, needs = needs, check = function(value) {
    still()
    if (is.null(value)) return(invisible())
    if (is.null(whole)) whole <<- plain(value)
    stopifnot(identical(plain(value), whole))
  })
}

# Random counts of so many genes and cells, one in ten of them above 0.
random_counts <- function(genes, cells) {
  counts <- Matrix::rsparsematrix(genes, cells, 0.1, rand.x = function(n) 1 + stats::rpois(n, 2))
  dimnames(counts) <- list(paste0("GENE", seq_len(genes)), paste0("cell-", seq_len(cells)))
  counts
}
many <- grown_counts(12)
many_types <- types_of(12)
large <- random_counts(12000, times(8500, 2500))
halves <- list(a = large[1:8000, c(TRUE, FALSE)], b = large[4001:12000, c(FALSE, TRUE)])
wide <- random_counts(2500, 4000)
wide_types <- rep(c("a", "b", "c", "d"), 1000)
big_file <- tempfile(fileext = ".h5")
canal_save(canal_model(canal_config("scbert"), paste0("GENE", 1:16000), seed = 1), big_file)

prepare_large <- function(cells) {
  canal_prepare(large[, cells], canal_vocabulary(rownames(large)), n_genes = 2000, verbose = FALSE)
}
prepare_again <- again(function() prepare_large(1:100))

unpretrained <- network()
pretrain <- function(cells, model, epochs) {
  canal_pretrain(panc$counts[, cells], model, epochs = epochs, seed = 1, verbose = FALSE)
}
pretrain_on <- if (quick) some else TRUE
# The weights after none, one and both of its epochs, stopped as Ctrl-C does.
pretrained <- lapply(0:2, function(last) {
  try_epoch <- inside("try_epoch")
  with_binding("try_epoch", function(epoch, ...) {
    if (epoch > last) "interrupt" else try_epoch(epoch, ...)
  }, quietly(pretrain(pretrain_on, unpretrained, 2))@weights)
})
pretrain_again <- again(function() pretrain(some, small_model(), 1)@weights)
check_pretrained <- function(value) {
  pretrain_again()
  stopifnot(identical(unpretrained@weights, pretrained[[1]]))
  if (is.null(value)) return(invisible())
  methods::validObject(value)
  epochs <- length(value@provenance$pretraining$losses$epoch)
  stopifnot(identical(value@weights, pretrained[[epochs + 1]]))
}

validate <- function(cells, ...) {
  canal_cross_validate(panc$counts[, cells], panc$types[cells], small_model(), seed = 1,
                       verbose = FALSE, ...)
}
validated <- quietly(validate(some, k = 3, epochs = 10))
validate_again <- again(function() validate(some, k = 2, epochs = 1)$labels)
# Folds that came to their end are those of a call that nothing came in between.
check_validated <- function(value) {
  validate_again()
  if (is.null(value)) return(invisible())
  done <- value$folds$fold
  tested <- validated$labels$fold %in% done
  stopifnot(identical(value$folds$accuracy, validated$folds$accuracy[done]),
            identical(value$labels$predicted[tested], validated$labels$predicted[tested]),
            all(is.na(value$labels$predicted[!tested])))
}

cellular_again <- again(function() cellular_small()@weights)
big_model <- plain_model(canal_load(big_file))
# The file is there, whole.
check_big_file <- function() stopifnot(identical(plain_model(canal_load(big_file)), big_model))

big_export <- tempfile(fileext = ".pth")
canal_export(canal_load(big_file), big_export, verbose = FALSE)
export_size <- file.size(big_export)
imported_first <- imported(big_export)
check_big_export <- function() stopifnot(identical(imported(big_export), imported_first))

# About ten million values, by rows and by columns, compressed.
by_rows <- helpers$write_h5ad(large)
by_columns <- helpers$write_h5ad(large, "csc")
cell_ranger <- helpers$write_10x_h5(large)
cell_ranger_folder <- helpers$write_10x(large[seq_len(6000), seq_len(1500)], version = 3)
counts_in <- function(object) inside("cells_of")(object)$counts
# What comes is the file's, and other files are read as before.
read_case <- function(work) {
  all_or_nothing(work, counts_in, needs = "SingleCellExperiment",
                 still = again(function() counts_in(panc_file)))
}

# A training keeps its state in a folder of its own, which is whole whenever it ends.
state_folder <- NULL
train_with_state <- function() {
  state_folder <<- new_folder("state")
  canal_train(panc$counts[, some], panc$types[some], small_model(), epochs = times(15, 6),
              patience = 100, seed = 1, checkpoint = state_folder, verbose = FALSE)
}
check_state <- function(value) {
  check_model(value)
  if (is.null(state_folder)) return(invisible())
  kept <- list.files(state_folder, all.files = TRUE, no.. = TRUE, full.names = TRUE)
  if (length(kept)) state_in(kept)
  unlink(state_folder, recursive = TRUE)
  state_folder <<- NULL
}

# Commands of processes that run something of this session's folder.
own_processes <- function() {
  commands <- vapply(Sys.glob("/proc/[0-9]*/cmdline"), function(path) {
    tryCatch(paste(scan(path, "", sep = "\n", quote = "", quiet = TRUE, skipNul = TRUE),
                   collapse = " "), error = function(error) "")
  }, "")
  grep(basename(tempdir()), commands, fixed = TRUE, value = TRUE)
}

predict_shared <- function(workers) {
  canal_predict(grown_counts(3), labelled, BPPARAM = workers, verbose = FALSE)
}
# Two that are started once, and others in their place after each interrupt.
started <- new.env()
start_workers <- function() {
  if (is.null(started$workers)) {
    started$workers <- BiocParallel::bpstart(BiocParallel::SnowParam(2))
  }
}

# Those to which nothing can be sent any more cannot be told to stop, and end when R has collected
# what they were reached by.
stop_workers <- function() {
  if (is.null(started$workers)) return(invisible())
  tryCatch(BiocParallel::bpstop(started$workers), error = function(error) {
    if (!grepl("writing to connection", conditionMessage(error))) stop(error)
    started$broken <- c(started$broken, 1)
  })
  started$workers <- NULL
}

# What they were doing when the interrupt came is not taken for what they are asked next, which they
# do or not; others do it.
check_started <- function(value) {
  turned <- function() {
    cells <- rev(seq_len(ncol(panc$counts)))
    canal_predict(panc$counts[, cells], labelled, BPPARAM = started$workers,
                  verbose = FALSE)$canal_label
  }
  if (is.null(started$right)) started$right <- turned()
  next_labels <- tryCatch(turned(), canalR_error = function(error) NULL)
  stopifnot(is.null(next_labels) || identical(next_labels, started$right))
  stop_workers()
  start_workers()
  stopifnot(identical(turned(), started$right))
}

# Numbers of the socket workers' processes that this one has left. They have nothing of this session
# in their commands, but are of its process group.
left_workers <- function() {
  lines <- system2("ps", c("-e", "-o", "pid=,pgid=,args="), stdout = TRUE)
  fields <- utils::strcapture("^ *([0-9]+) +([0-9]+) (.*)$", lines,
                              list(pid = 0L, group = 0L, command = ""))
  group <- fields$group[fields$pid == Sys.getpid()]
  fields$pid[fields$group == group & grepl("RSOCKnode.R", fields$command, fixed = TRUE)]
}

# To workers, where somebody still has them: those that BiocParallel was about to start when the
# interrupt came are closed, and the workers end, when R collects garbage.
sockets <- function() {
  invisible(gc())
  sum(showConnections()[, "class"] == "sockconn")
}

tokens <- matrix(rep_len(0:4, times(2000, 500) * 150), ncol = 150)
few_tokens <- tokens[1:5, ]
judged <- function(work) {
  all_or_nothing(work, counts_in, needs = "scuttle",
                 still = again(function() counts_in(cellular_normalize(panc$counts))))
}
many_labels <- paste0("type ", seq_len(times(4e5, 1e5)) %% 20)
names(many_labels) <- seq_along(many_labels)
predicted_labels <- stats::setNames(rev(many_labels), names(many_labels))
evaluate <- function(cells) {
  canal_evaluate(predicted_labels[cells], many_labels[cells], novel = "type 3",
                 score = cells / length(many_labels), verbose = FALSE)
}

functions <- list(
  "canal_prepare()" = all_or_nothing(function() prepare_large(seq_len(ncol(large))),
                                     still = prepare_again),
  "canal_train()" = list(check = check_model, work = function() {
    canal_train(panc$counts, panc$types, network(), epochs = times(2, 1), seed = 1,
                verbose = FALSE)
  }),
  "canal_train(), second stage" = list(check = check_model, work = function() {
    canal_train(panc$counts, panc$types, labelled, epochs = 1, seed = 1, verbose = FALSE)
  }),
  "canal_train(), short epochs" = list(check = check_model, work = function() {
    canal_train(panc$counts[, some], panc$types[some], small_model(), epochs = times(60, 15),
                patience = 100, seed = 1, verbose = FALSE)
  }),
  "canal_pretrain()" = list(check = check_pretrained,
                            work = function() pretrain(pretrain_on, unpretrained, 2)),
  "canal_predict()" = list(check = check_labelled, work = function() {
    canal_predict(grown_counts(3), labelled, novelty = "canal", verbose = FALSE)
  }),
  "canal_predict(), in chunks" = list(check = check_labelled, work = function() {
    canal_predict(grown_counts(3), labelled, checkpoint = new_folder("chunks"), verbose = FALSE)
  }),
  "canal_predict(), .h5ad" = list(check = check_labelled, work = function() {
    canal_predict(panc_file, labelled, verbose = FALSE)
  }),
  "canal_embed()" = list(check = check_labelled, work = function() {
    canal_embed(grown_counts(3), labelled, verbose = FALSE)
  }),
  "canal_gene_importance()" = list(check = check_labelled, work = function() {
    canal_gene_importance(grown_counts(times(2, 1)), labelled, verbose = FALSE)
  }),
  "canal_cross_validate()" = list(check = check_validated,
                                  work = function() validate(some, k = 3, epochs = 10)),
  "cellular_train()" = list(check = check_cellular, work = function() {
    cellular_train(many, many_types, rep(panc$batch, 12), latent_dim = 20, n_genes = 150,
                   epochs = 4, seed = 1, verbose = FALSE)
  }),
  "cellular_train(), 2,000 genes" = list(check = function(value) {
    cellular_again()
    if (!is.null(value)) check_embedding(wide[, 1:5], value)
  }, work = function() {
    cellular_train(wide, wide_types, latent_dim = 100, n_genes = 2000, epochs = 2, warm_up = 1,
                   seed = 1, verbose = FALSE)
  }),
  "cellular_classifier()" = list(check = check_cellular, work = function() {
    cellular_classifier(many, many_types, cellular, epochs = times(20, 6), seed = 1,
                        verbose = FALSE)
  }),
  "cellular_predict()" = list(check = check_cellular_kept, work = function() {
    cellular_predict(grown_counts(60), cellular, verbose = FALSE)
  }),
  "canal_load()" = all_or_nothing(function() canal_load(big_file), plain_model, check_big_file),
  "canal_save()" = list(check = function(value) check_big_file(),
                        work = function() canal_save(canal_load(big_file), big_file)),
  "canal_export()" = list(check = function(value) check_big_export(), work = function() {
    canal_export(canal_load(big_file), big_export, verbose = FALSE)
  }),
  "canal_import()" = all_or_nothing(function() imported(big_export), still = check_big_export),
  "canal_model()" = all_or_nothing(function() {
    canal_model(canal_config("scbert"), paste0("GENE", 1:16000), seed = 1)@weights
  }),
  "canal_read_h5ad(), by rows" = read_case(function() canal_read_h5ad(by_rows)),
  "canal_read_h5ad(), by columns" = read_case(function() canal_read_h5ad(by_columns)),
  "canal_read_10x()" = read_case(function() canal_read_10x(cell_ranger)),
  "canal_read_10x(), a folder" = read_case(function() canal_read_10x(cell_ranger_folder)),
  "canal_merge()" = all_or_nothing(function() {
    canal_merge(halves, as = "list", verbose = FALSE)$counts
  }),
  "canal_quality_filter()" = judged(function() canal_quality_filter(large, verbose = FALSE)),
  "cellular_qc()" = judged(function() cellular_qc(large, verbose = FALSE)),
  "cellular_normalize()" = all_or_nothing(function() cellular_normalize(large, verbose = FALSE)),
  "cellular_embed()" = all_or_nothing(function() {
    cellular_embed(grown_counts(120), cellular, verbose = FALSE)$embedding
  }, still = function() check_cellular_kept(NULL)),
  "cellular_representations()" = all_or_nothing(function() {
    cellular_representations(grown_counts(120), cellular, types_of(120), verbose = FALSE)
  }, still = function() check_cellular_kept(NULL)),
  "cellular_representations(), medoids" = all_or_nothing(function() {
    cellular_representations(grown_counts(times(20, 8)), cellular, types_of(times(20, 8)),
                             method = "medoid", verbose = FALSE)
  }, still = function() check_cellular_kept(NULL)),
  "canal_forward()" = all_or_nothing(function() canal_forward(tokens, labelled),
                                     still = again(function() canal_forward(few_tokens, labelled))),
  "canal_evaluate()" = all_or_nothing(function() evaluate(seq_along(many_labels)),
                                      still = again(function() evaluate(1:100))),
  "canal_compare()" = all_or_nothing(function() {
    compared <- canal_compare(panc$counts, panc$types, panc$counts[, some], panc$types[some],
                              methods = c("logistic", "SingleR"), model = labelled, seed = 1,
                              verbose = FALSE)
    as.data.frame(compared, what = "labels")
  }, still = function() check_labelled(NULL), needs = c("glmnet", "SingleR")),
  "canal_launch()" = all_or_nothing(function() {
    canal_launch(2, function(team) team$rank, verbose = FALSE)[1:2]
  }, still = function() stopifnot(!length(own_processes()))),
  "canal_pretrain(), .h5ad" = list(check = function(value) {
    pretrain_again()
    if (!is.null(value)) methods::validObject(value)
  }, work = function() {
    canal_pretrain(panc_file, unpretrained, epochs = 1, seed = 1, verbose = FALSE)
  }),
  "canal_train(), with a state on disk" = list(check = check_state, work = train_with_state),
  "canal_predict(), SerialParam" = list(
    needs = "BiocParallel", check = check_labelled,
    work = function() predict_shared(BiocParallel::SerialParam())
  ),
  # BiocParallel starts and ends its workers in its own time.
  "canal_predict(), SnowParam" = if (!quick) list(
    needs = "BiocParallel", slowest = 5, check = function(value) {
      check_labelled(value)
      stopifnot(sockets() == 0)
    }, work = function() predict_shared(BiocParallel::SnowParam(2))
  ),
  "canal_predict(), started workers" = if (!quick) list(
    needs = "BiocParallel", ready = start_workers, check = check_started,
    work = function() predict_shared(started$workers)
  )
)
functions <- Filter(Negate(is.null), functions)
