# Want of memory: the address space of this session is limited to what it has and a little more, and
# every entry of the engine is called. It gives an error, the session lives, and without the limit
# the same call works. Needs prlimit (util-linux), and Linux.
#
# The quick form sets one limit each.
source("tests/faults/common.R")

extras <- times(c(0, 1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512), 4)  # MB

used_bytes <- function() {
  line <- grep("^VmSize", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) * 1024
}

# Another process sets the limit: this one could not even start it under its own.
limiter <- new.env()

set_limit <- function(bytes) {
  if (is.null(limiter$pipe)) {
    limiter$answer <- tempfile()
    limiter$pipe <- pipe(sprintf(
      "while read bytes; do prlimit --pid %d --as=$bytes:unlimited; echo $bytes > %s; done",
      Sys.getpid(), limiter$answer
    ), "w")
  }
  unlink(limiter$answer)
  writeLines(bytes, limiter$pipe)
  flush(limiter$pipe)
  while (!file.exists(limiter$answer)) Sys.sleep(0.01)
  # prlimit may not be allowed to, and a limit that is none would be a test of nothing.
  now <- grep("^Max address space", readLines("/proc/self/limits"), value = TRUE)
  set <- strsplit(now, " +")[[1]][4]
  if (set != bytes) stop("the limit is ", set, " and should be ", bytes)
}

# What was freed and lies between what is held is still the session's, and would be enough for a
# call, whatever the limit. It is taken in pieces until the session grows, and held meanwhile. The
# heaps of threads, up to 64 MB each, are left: calls that take little more than one show nothing.
take_what_is_free <- function() {
  held <- list()
  before <- used_bytes()
  while (used_bytes() < before + 2^20) held <- c(held, lapply(1:50, function(i) raw(1e5)))
  held
}

# Makes R's stack as long as it will be: it grows by asking for memory, and is no part of the
# engine.
deepen <- function(n = 300) if (n > 0) deepen(n - 1) else NULL

# "done", "memory" (our class), "R" (R's own words) or what else came.
under_limit <- function(work, extra) {
  set_limit("unlimited")
  invisible(gc())
  held <- take_what_is_free()
  set_limit(sprintf("%.0f", used_bytes() + extra * 2^20))
  on.exit({
    set_limit("unlimited")
    rm(held)
  })
  tryCatch({
    quietly(work())
    "done"
  }, canalR_error_memory = function(error) "memory", canalR_error = conditionMessage,
  error = function(error) {
    # R loads its own packages when they are first used.
    own <- "allocate|emory|unable to load shared object"
    if (grepl(own, conditionMessage(error))) "R" else conditionMessage(error)
  })
}

# What the process of one entry does, with a line of the log for each limit. Nothing is called
# before without one, as memory that was had and given back would be there.
run_entry <- function(work, log) {
  tell <- function(text) cat(gsub("[\r\n]+", " ", text), "\n", sep = "", file = log, append = TRUE)
  force(work)  # what the entry makes is made before the first limit
  deepen()
  for (extra in extras) tell(under_limit(work, extra))
  tell(if (is.null(tryCatch(quietly(work()), error = function(e) NULL))) "broken" else "works")
}

# In a session of its own, as it may end there. Returns the outcome and the cells of its row.
try_entry <- function(name) {
  log <- tempfile("memory-", fileext = ".log")
  file.create(log)
  output <- sub("log$", "out", log)
  system2(file.path(R.home("bin"), "Rscript"),
          c("tests/faults/memory.R", shQuote(results_folder), shQuote(name), shQuote(log)),
          stdout = output, stderr = output)
  said <- readLines(log)
  outcomes <- said[!said %in% c("works", "broken")]
  odd <- setdiff(outcomes, c("done", "memory", "R"))
  lives <- "works" %in% said
  if (!quick && lives && !any(outcomes %in% c("memory", "R"))) odd <- "it never met a limit"
  ended <- sprintf("the session ended: %s", gsub("[|]", "", utils::tail(readLines(output), 1)))
  list(if (lives && !length(odd)) "passed" else "failed",
       c(name, length(outcomes), sum(outcomes == "memory"), sum(outcomes == "R"),
         sum(outcomes == "done"),
         if (lives) "yes" else if ("broken" %in% said) "it fails" else ended,
         paste(unique(odd), collapse = "; ")))
}

some <- which(seq_along(panc$types) %% 4 == 0)
config <- small_config(n_genes = 150, dim = 128, depth = 3, head_width = 32)
network <- function(of = config) canal_model(of, rownames(panc$counts), seed = 1)
# 55 MB of weights, and 220.
large <- function() network(small_config(n_genes = 150, dim = 512, depth = 6, head_width = 64))
huge <- function() network(small_config(n_genes = 150, dim = 1024, depth = 6, head_width = 64))
labelled <- function() {
  quietly(canal_train(panc$counts[, some], panc$types[some], network(), epochs = 1, seed = 1,
                      verbose = FALSE))
}
cellular <- function() cellular_small(classifier = TRUE)
cells_repeated <- function(times) {
  counts <- panc$counts[, rep(seq_len(ncol(panc$counts)), times)]
  colnames(counts) <- paste0("cell-", seq_len(ncol(counts)))
  counts
}
many <- cells_repeated(10)
file <- tempfile(fileext = ".h5")
exported <- tempfile(fileext = ".pth")
position_genes <- paste0("GENE", 1:10000)
# A table of positions by gene.
positions <- function(width) matrix(seq_len(10000 * width) / 1e6, 10000)
# An engine's error ends a training with a warning; here it counts as the error.
strictly <- function(code) {
  withCallingHandlers(code, canalR_warning_stopped = function(warned) stop(warned$message))
}
# Each makes what it needs, and returns the call.
entries <- list(
  "canal_prepare()" = function() {
    function() {
      canal_prepare(many, canal_vocabulary(rownames(many)), n_genes = 100, verbose = FALSE)
    }
  },
  "canal_train()" = function() {
    function() {
      strictly(canal_train(panc$counts[, some], panc$types[some], network(), epochs = 1, seed = 1,
                           verbose = FALSE))
    }
  },
  "canal_predict()" = function() {
    model <- labelled()
    function() canal_predict(panc$counts, model, verbose = FALSE)
  },
  "canal_load()" = function() {
    canal_save(large(), file)
    function() canal_load(file)
  },
  "canal_pretrain()" = function() {
    function() {
      strictly(canal_pretrain(panc$counts[, some], rownames(panc$counts), config, epochs = 1,
                              seed = 1, verbose = FALSE))
    }
  },
  "canal_embed()" = function() {
    model <- labelled()
    function() canal_embed(panc$counts, model, verbose = FALSE)
  },
  "canal_gene_importance()" = function() {
    model <- labelled()
    function() canal_gene_importance(panc$counts[, some], model, verbose = FALSE)
  },
  "cellular_train()" = function() function() strictly(cellular_small()),
  "cellular_classifier()" = function() {
    model <- cellular()
    function() {
      strictly(cellular_classifier(panc$counts, panc$types, model, epochs = 2, seed = 1,
                                   verbose = FALSE))
    }
  },
  "cellular_predict()" = function() {
    model <- cellular()
    function() cellular_predict(many, model, verbose = FALSE)
  },
  "canal_save()" = function() {
    model <- large()
    function() canal_save(model, file)
  },
  "canal_export()" = function() {
    model <- huge()
    function() canal_export(model, exported, verbose = FALSE)
  },
  "canal_import()" = function() {
    canal_export(large(), exported, verbose = FALSE)
    function() canal_import(exported, verbose = FALSE)
  },
  "cellular_embed()" = function() {
    model <- cellular()
    function() cellular_embed(many, model, verbose = FALSE)
  },
  "cellular_representations()" = function() {
    model <- cellular()
    types <- rep(panc$types, 10)
    function() cellular_representations(many, model, types, verbose = FALSE)
  },
  "canal_forward()" = function() {
    model <- labelled()
    tokens <- matrix(rep_len(0:4, 500 * length(model@genes)), 500)
    function() canal_forward(tokens, model)
  },
  "canal_cross_validate()" = function() {
    function() {
      strictly(canal_cross_validate(panc$counts[, some], panc$types[some], network(), k = 2,
                                    epochs = 1, seed = 1, verbose = FALSE))
    }
  },
  "canal_model()" = function() large,
  "canal_read_h5ad()" = function() function() inside("cells_of")(panc_file, "counts"),
  "canal_read_10x(), .h5" = function() {
    path <- helpers$write_10x_h5(cells_repeated(60))
    function() inside("cells_of")(path, "counts")
  },
  "canal_read_10x(), a folder" = function() {
    path <- helpers$write_10x(cells_repeated(60), version = 3)
    function() inside("cells_of")(path, "counts")
  },
  "canal_vocabulary(), .npy" = function() {
    path <- tempfile(fileext = ".npy")
    write_npy(positions(2000), path)
    function() canal_vocabulary(position_genes, path)
  },
  "canal_vocabulary(), word2vec" = function() {
    path <- tempfile(fileext = ".txt")
    writeLines(c("10000 1500", word2vec_lines(position_genes, positions(1500))), path)
    function() canal_vocabulary(position_genes, path)
  }
)
# Why an exported function has none.
without_entry <- c(
  canal_compare = "canal_predict(), and other packages", canal_config = "a few values",
  canal_evaluate = "in R alone", canal_evaluation = "a look into what is there",
  canal_launch = "other processes", canal_leave = "other processes",
  canal_merge = "in R alone", canal_plot_embedding = "in R alone", canal_plot_flow = "in R alone",
  canal_plot_novelty = "in R alone", canal_plot_scores = "in R alone",
  canal_pretrained = "canal_load(), after a download by R",
  canal_pretraining = "a look into what is there", canal_quality_filter = "in R alone",
  canal_quality_report = "a look into what is there", canal_recipe = "a few values",
  canal_stream = "a look into what is there", canal_symbol_report = "a look into what is there",
  canal_team = "other processes", canal_update_symbols = "in R alone",
  cellular_normalize = "in R alone", cellular_qc = "in R alone"
)

asked <- commandArgs(trailingOnly = TRUE)
if (length(asked) > 1) {
  run_entry(entries[[asked[2]]](), asked[3])
  quit(save = "no")
}
if (!nzchar(Sys.which("prlimit")) || !file.exists("/proc/self/status")) {
  add_row("skipped", c("all", 0, 0, 0, 0, "", "no prlimit here"))
} else {
  # A limit is a process' own, and time does not matter.
  rows <- parallel::mclapply(names(entries), try_entry, mc.cores = 2, mc.preschedule = FALSE)
  for (row in rows) do.call(add_row, row)
  check_all_exported(names(entries), names(without_entry), 7)
}
write_results("memory", "Want of memory", c(
  "call", "limits", "`canalR_error` for memory", "R's own error", "had enough",
  "the same call afterwards", "else"
))
