# Ctrl-C at random moments of every long function: the prompt is there again within a second, what
# comes back is whole, what was given is as it was, and no thread or memory is left behind.
#
#   MALLOC_MMAP_THRESHOLD_=131072 Rscript tests/faults/interrupts.R FOLDER [FUNCTION ...]
source("tests/faults/common.R")

set.seed(fault_seed)
tries <- times(100, 1)

# The slowest answer, in seconds. The quick run is that of machines which do other work, too.
slowest <- times(1, 5)

# How many MB may be lost by a tenth of the interrupts. What one loses, a copy of a model or of
# cells, the others lose, too; allocators keep tens of MB for good, but now and then: a single
# interrupt, as in the quick run, tells of a large loss only.
most_lost <- times(4, 100)

# Sends SIGINT to this process after so many seconds, and writes down when.
interrupt_after <- function(seconds) {
  note <- tempfile()
  system(sprintf("(sleep %.3f; date +%%s.%%N > %s; kill -INT %d)", seconds, note, Sys.getpid()),
         wait = FALSE)
  note
}

sent_at <- function(note) {
  line <- if (file.exists(note)) readLines(note, warn = FALSE)
  if (length(line)) as.numeric(line) else NA_real_
}

# What came of a call that may be interrupted: its `value`, NULL where it gave none, or its error,
# and when it `ended`. A signal that comes later than its end is waited for.
run_until <- function(work, note) {
  came <- list(value = NULL, ended = NA_real_)
  tryCatch({
    value <- tryCatch(quietly(work()), error = identity)
    came <- list(value = value, ended = as.numeric(Sys.time()))
    while (is.na(sent_at(note))) Sys.sleep(0.01)
    Sys.sleep(0.2)
  }, interrupt = function(interrupt) {
    if (is.na(came$ended)) came$ended <<- as.numeric(Sys.time())
  })
  came
}

threads_now <- function() length(list.files("/proc/self/task"))

# Threads that end take a moment.
threads_settled <- function(allowed) {
  for (i in 1:100) {
    if (threads_now() <= allowed) break
    Sys.sleep(0.02)
  }
  threads_now()
}

megabytes_now <- function() {
  invisible(gc())
  line <- grep("^VmRSS", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

# One interrupt: the seconds until the prompt was there, NA where the call had ended before, and
# what is `odd`.
try_interrupt <- function(case, whole, threads) {
  note <- interrupt_after(stats::runif(1) * whole * 0.95)
  came <- run_until(case$work, note)
  late <- came$ended - sent_at(note)
  unlink(note)
  problem <- tryCatch({
    if (inherits(came$value, "error")) stop(came$value)
    quietly(case$check(came$value))
    NULL
  }, error = conditionMessage)
  left <- if (threads_settled(threads) > threads) "threads are left"
  list(seconds = if (isTRUE(late >= 0)) late else NA_real_, odd = c(problem, left))
}

# A case: work() is what is interrupted; check(value) fails where what came back, NULL where nothing
# did, is not what it should be, or what was there before is another.
try_function <- function(name, case) {
  whole <- system.time(quietly(case$work()))[["elapsed"]]
  quietly(case$check(NULL))
  Sys.sleep(0.3)
  threads <- threads_now()
  took <- numeric()
  odd <- character()
  megabytes <- megabytes_now()
  # Those that came too late are made up for.
  for (number in seq_len(2 * tries)) {
    came <- try_interrupt(case, whole, threads)
    odd <- c(odd, came$odd)
    if (is.na(came$seconds)) next
    took <- c(took, came$seconds)
    megabytes <- c(megabytes, megabytes_now())
    if (length(took) == tries) break
  }
  report(name, whole, took, megabytes, odd)
}

# megabytes: before the first interrupt and after each. What is lost by a tenth of them: the lowest
# of each tenth is compared with that of the tenth before, and of the second half of these, when
# all that is kept for later is there, the median tells what is lost again and again.
lost_memory <- function(megabytes) {
  n <- length(megabytes)
  if (n < 20) return(megabytes[n] - megabytes[1])
  lowest <- tapply(megabytes, ceiling(seq_len(n) / n * 10), min)
  stats::median(diff(lowest)[5:9])
}

report <- function(name, whole, took, megabytes, odd) {
  longest <- max(took, 0)
  if (longest > slowest) odd <- c(odd, sprintf("the prompt took more than %g s", slowest))
  lost <- lost_memory(megabytes)
  if (lost > most_lost) odd <- c(odd, sprintf("more than %g MB are lost", most_lost))
  if (!length(took)) odd <- c(odd, "no interrupt came before the end")
  good <- length(odd) == 0
  add_row(if (good) "passed" else "failed", c(
    name, sprintf("%.1f", whole), length(took), sprintf("%.2f", stats::median(took)),
    sprintf("%.2f", longest), sum(took > 1), sprintf("%+.0f", lost),
    sprintf("%+.0f", utils::tail(megabytes, 1) - megabytes[1]),
    paste(unique(odd), collapse = "; ")
  ))
}

# The functions ------------------------------------------------------------------------------------

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
# A value, where one comes, is the whole one.
or_nothing <- function(value, whole) stopifnot(is.null(value) || identical(value, whole))

# Random counts of so many genes and cells, one in ten of them above 0.
random_counts <- function(genes, cells) {
  counts <- Matrix::rsparsematrix(genes, cells, 0.1, rand.x = function(n) 1 + stats::rpois(n, 2))
  dimnames(counts) <- list(paste0("GENE", seq_len(genes)), paste0("cell-", seq_len(cells)))
  counts
}
many <- grown_counts(12)
many_types <- types_of(12)
large <- random_counts(12000, 6000)
wide <- random_counts(2500, 4000)
wide_types <- rep(c("a", "b", "c", "d"), 1000)
big_file <- tempfile(fileext = ".h5")
canal_save(canal_model(canal_config("scbert"), paste0("GENE", 1:16000), seed = 1), big_file)

prepare_large <- function(cells) {
  canal_prepare(large[, cells], canal_vocabulary(rownames(large)), n_genes = 2000, verbose = FALSE)
}
prepared <- quietly(prepare_large(seq_len(ncol(large))))
prepare_again <- again(function() prepare_large(1:100))

unpretrained <- network()
pretrain <- function(cells, model, epochs) {
  canal_pretrain(panc$counts[, cells], model, epochs = epochs, seed = 1, verbose = FALSE)
}
# The weights after none, one and both of its epochs, stopped as Ctrl-C does.
pretrained <- lapply(0:2, function(last) {
  try_epoch <- inside("try_epoch")
  with_binding("try_epoch", function(epoch, ...) {
    if (epoch > last) "interrupt" else try_epoch(epoch, ...)
  }, quietly(pretrain(TRUE, unpretrained, 2))@weights)
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

functions <- list(
  "canal_prepare()" = list(check = function(value) {
    or_nothing(value, prepared)
    prepare_again()
  }, work = function() prepare_large(seq_len(ncol(large)))),
  "canal_train()" = list(check = check_model, work = function() {
    canal_train(panc$counts, panc$types, network(), epochs = 2, seed = 1, verbose = FALSE)
  }),
  "canal_train(), second stage" = list(check = check_model, work = function() {
    canal_train(panc$counts, panc$types, labelled, epochs = 1, seed = 1, verbose = FALSE)
  }),
  "canal_train(), short epochs" = list(check = check_model, work = function() {
    canal_train(panc$counts[, some], panc$types[some], small_model(), epochs = 60, patience = 100,
                seed = 1, verbose = FALSE)
  }),
  "canal_pretrain()" = list(check = check_pretrained,
                            work = function() pretrain(TRUE, unpretrained, 2)),
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
    canal_gene_importance(grown_counts(2), labelled, verbose = FALSE)
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
    cellular_classifier(many, many_types, cellular, epochs = 20, seed = 1, verbose = FALSE)
  }),
  "cellular_predict()" = list(check = check_cellular_kept, work = function() {
    cellular_predict(grown_counts(60), cellular, verbose = FALSE)
  }),
  "canal_load()" = list(check = function(value) {
    or_nothing(if (!is.null(value)) plain_model(value), big_model)
    check_big_file()
  }, work = function() canal_load(big_file)),
  "canal_save()" = list(check = function(value) check_big_file(),
                        work = function() canal_save(canal_load(big_file), big_file))
)
for (name in chosen(names(functions))) try_function(name, functions[[name]])

write_results("interrupts", "Ctrl-C at random moments", c(
  "function", "seconds without", "interrupts", "seconds to the prompt: median", "longest",
  "above 1 s", "MB lost by a tenth of them", "MB more after all", "else"
), c(
  sprintf("Every answer must come within %g s, and no more than %g MB be lost by a tenth of the",
          slowest, most_lost),
  "interrupts, again and again in their second half (by all of them, where they are fewer than",
  "20). What comes back must be whole, what was given as it was, and no thread may stay."
))
