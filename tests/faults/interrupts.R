# Ctrl-C at random moments of every long function: how long until the prompt is there again, whether
# the model that comes back is one, whether threads or memory are left behind.
source("tests/faults/common.R")

set.seed(fault_seed)
tries <- times(100, 1)

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

# "interrupted" or the value of a call that may be interrupted; a signal that comes later than its
# end is waited for.
run_until <- function(work, note) {
  tryCatch({
    value <- quietly(work())
    ended <- as.numeric(Sys.time())
    while (is.na(sent_at(note))) Sys.sleep(0.01)
    Sys.sleep(0.2)
    list(value = value, ended = ended)
  }, interrupt = function(interrupt) list(value = NULL, ended = as.numeric(Sys.time())))
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

# valid(value): is what the function gave a whole one? Only asked where it gives something.
try_function <- function(name, case) {
  whole <- system.time(quietly(case$work()))[["elapsed"]]
  quietly(try(case$check(NULL)))
  Sys.sleep(0.3)
  threads <- threads_now()
  megabytes <- NA
  took <- numeric()
  odd <- character()
  for (number in seq_len(tries)) {
    note <- interrupt_after(stats::runif(1) * whole * 0.95)
    ended <- run_until(case$work, note)
    sent <- sent_at(note)
    unlink(note)
    if (isTRUE(ended$ended >= sent)) took <- c(took, ended$ended - sent)
    if (number == ceiling(tries / 10)) megabytes <- megabytes_now()
    problem <- tryCatch(quietly(case$check(ended$value)), error = conditionMessage)
    if (is.character(problem)) odd <- c(odd, problem)
    if (threads_settled(threads) > threads) odd <- c(odd, "threads are left")
  }
  grown <- megabytes_now() - megabytes
  report(name, whole, took, grown, odd)
}

report <- function(name, whole, took, grown, odd) {
  good <- length(took) > 0 && max(took, 0) <= 30 && length(odd) == 0
  add_row(if (good) "passed" else "failed", c(
    name, sprintf("%.1f", whole), length(took), sprintf("%.2f", stats::median(took)),
    sprintf("%.2f", max(took)), sum(took > 1), sprintf("%+.0f", grown),
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

# What an interrupted training gives is a model that annotates; what it was given is as it was.
check_model <- function(value) {
  if (is.null(value)) return(TRUE)
  methods::validObject(value)
  stopifnot(nrow(canal_predict(panc$counts[, 1:5], value, verbose = FALSE)) == 5)
  TRUE
}
check_labelled <- function(value) {
  stopifnot(identical(first_labels,
                      canal_predict(panc$counts[, 1:5], labelled, verbose = FALSE)$canal_label))
  TRUE
}
check_cellular <- function(value) {
  if (is.null(value)) return(TRUE)
  methods::validObject(value)
  stopifnot(nrow(cellular_embed(panc$counts[, 1:5], value, verbose = FALSE)) == 5)
  TRUE
}
check_cellular_kept <- function(value) {
  stopifnot(identical(first_cellular, cellular_predict(panc$counts[, 1:5], cellular,
                                                       verbose = FALSE)$cellular_label))
  TRUE
}

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

functions <- list(
  "canal_prepare()" = list(check = function(value) TRUE, work = function() {
    canal_prepare(large, canal_vocabulary(rownames(large)), n_genes = 2000, verbose = FALSE)
  }),
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
  "canal_pretrain()" = list(check = function(value) TRUE, work = function() {
    canal_pretrain(panc$counts, rownames(panc$counts), network()@config, epochs = 2, seed = 1,
                   verbose = FALSE)
  }),
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
  "canal_cross_validate()" = list(check = function(value) TRUE, work = function() {
    canal_cross_validate(panc$counts[, some], panc$types[some], small_model(), k = 3,
                         epochs = 10, seed = 1, verbose = FALSE)
  }),
  "cellular_train()" = list(check = check_cellular, work = function() {
    cellular_train(many, many_types, rep(panc$batch, 12), latent_dim = 20, n_genes = 150,
                   epochs = 4, seed = 1, verbose = FALSE)
  }),
  "cellular_train(), 2,000 genes" = list(check = function(value) TRUE, work = function() {
    cellular_train(wide, wide_types, latent_dim = 100, n_genes = 2000, epochs = 2, warm_up = 1,
                   seed = 1, verbose = FALSE)
  }),
  "cellular_classifier()" = list(check = check_cellular, work = function() {
    cellular_classifier(many, many_types, cellular, epochs = 20, seed = 1, verbose = FALSE)
  }),
  "cellular_predict()" = list(check = check_cellular_kept, work = function() {
    cellular_predict(grown_counts(60), cellular, verbose = FALSE)
  }),
  "canal_load()" = list(check = function(value) TRUE, work = function() canal_load(big_file)),
  "canal_save()" = list(check = function(value) {
    methods::validObject(canal_load(big_file))
    TRUE
  }, work = function() canal_save(canal_load(big_file), big_file))
)
only <- commandArgs(trailingOnly = TRUE)[-1]
for (name in if (length(only)) only else names(functions)) try_function(name, functions[[name]])

write_results("interrupts", "Ctrl-C at random moments", c(
  "function", "seconds without", "interrupts", "seconds to the prompt: median", "longest",
  "above 1 s", "MB more after them", "else"
), c(
  "Seconds are those of this machine while it ran this; a failure is an interrupt that was not",
  "answered within 30 s, a model that is none, or a thread that stays. Memory is looked at after a",
  "tenth of the interrupts and after all."
))
