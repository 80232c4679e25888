# Calls of the glue with the smallest cells there are, for what makes R many times slower:
#
#   Rscript glue.R [STEP [GROUP ...]]    gctorture2(STEP) around each group of calls; 0: none
#
# Tells what it called, and last "N passed, M failed". A function of the glue that nobody called is
# a failure, where all groups are: a new one needs a call here.
suppressPackageStartupMessages(library(canalR))
arguments <- commandArgs(trailingOnly = TRUE)
step <- as.integer(c(arguments, "0")[1])

space <- asNamespace("canalR")
glue <- grep("^cpp_", ls(space), value = TRUE)
called <- new.env()

# Notes that it was called, then does what it did.
watched <- function(name, own) {
  note <- bquote(assign(.(name), TRUE, envir = called))
  body(own) <- call("{", note, body(own))
  environment(own) <- list2env(list(called = called), parent = space)
  own
}
for (name in glue) {
  unlockBinding(name, space)
  assign(name, watched(name, get(name, space)), envir = space)
}

set.seed(1)
genes <- paste0("GENE", 1:12)
counts <- matrix(rpois(12 * 16, 3) + 1, 12, dimnames = list(genes, paste0("cell", 1:16)))
types <- rep(c("a", "b"), 8)
sparse <- as(as(Matrix::Matrix(counts, sparse = TRUE), "generalMatrix"), "CsparseMatrix")
config <- canal_config("compact", n_genes = 8, dim = 8, depth = 1, heads = 2, head_width = 4,
                       features = 4, fc1 = 4, fc2 = 4, epochs = 1, new_genes = 0)
untrained <- canal_model(config, genes, seed = 1)
train <- function(model = untrained, ...) {
  canal_train(counts, types, model, seed = 1, min_genes = 0, verbose = FALSE, num_threads = 2, ...)
}
model <- train()
file_of <- function(extension) tempfile(fileext = extension)
refused <- function(code) stopifnot(inherits(try(code, silent = TRUE), "try-error"))

# Ends a training as soon as its state is on disk.
halted_once_kept <- function(training) {
  own <- space$write_checkpoint
  replace <- function(value) {
    unlockBinding("write_checkpoint", space)
    assign("write_checkpoint", value, envir = space)
  }
  replace(function(...) {
    own(...)
    stop("halted")
  })
  on.exit(replace(own))
  refused(training)
}

h5ad <- file_of(".h5ad")
index <- function(names) {
  structure(list(`_index` = names), h5_attributes = list(`_index` = "_index"))
}
space$cpp_write_tree(h5ad, list(X = unname(t(counts)), obs = index(colnames(counts)),
                                var = index(genes)))

groups <- list(
  model = function() {
    positions <- matrix(seq_len(12 * 8) / 96, 12)
    canal_model(config, canal_vocabulary(genes, positions), seed = 1)
    few <- canal_train(counts[1:6, ], types, canal_model(config, genes, seed = 1), seed = 1,
                       min_genes = 0, verbose = FALSE)
    train(few, new_genes = 3)
  },
  prepare = function() {
    canal_prepare(sparse, genes, n_genes = 6, min_genes = 0, verbose = FALSE)
    space$cpp_normalised(sparse, 1:12, 12, rep(TRUE, 16), 1e4)
    counts[2, 3] <- -1
    refused(canal_prepare(counts, genes, n_genes = 6, verbose = FALSE))
  },
  train = function() {
    folder <- tempfile()
    train(model, epochs = 2, checkpoint = folder)
    # Longer than what is kept, so that it goes on from there.
    second <- train(model, epochs = 3, checkpoint = folder)
    canal_train(counts, types, model, seed = 1, min_genes = 0, verbose = FALSE, trainable = "stage",
                cache = 0, bank_size = 4)
    refused(train(model, lambda = -1))
    second
  },
  pretrain = function() {
    folder <- tempfile()
    for (epochs in 1:2) {
      canal_pretrain(h5ad, untrained, epochs = epochs, seed = 1, min_genes = 0, memory = 1,
                     checkpoint = folder, verbose = FALSE)
    }
  },
  predict = function() {
    canal_predict(counts, model, novelty = "canal", probabilities = "columns", seed = 1,
                  min_genes = 0, verbose = FALSE)
    canal_predict(h5ad, model, min_genes = 0, verbose = FALSE)
    canal_embed(sparse, model, min_genes = 0, verbose = FALSE)
    canal_gene_importance(counts, model, min_genes = 0, verbose = FALSE)
    canal_forward(matrix(0:3, 2, length(model@genes)), model)
    refused(canal_forward(matrix(99, 2, 3), model))
  },
  files = function() {
    path <- file_of(".h5")
    canal_save(model, path)
    canal_load(path)
    for (extension in c(".pth", ".safetensors")) {
      path <- file_of(extension)
      canal_export(model, path, verbose = FALSE)
      canal_import(path, verbose = FALSE)
      writeBin(readBin(path, "raw", 60), path)
      refused(canal_import(path, verbose = FALSE))
    }
    space$cells_of(h5ad, "counts")
    # As canal_predict() does where a file is more than one block of cells.
    blocks <- lapply(c(0, 8), function(first) space$cpp_read_ahead(h5ad, "X", first + 1, first + 8))
    space$cpp_take_cells(blocks[[1]])
    space$cpp_forget_cells(blocks[[2]])
    space$cpp_list_names(h5ad, "/")
  },
  tables = function() {
    words <- file_of(".txt")
    writeLines(c("2 3", "INS 0.1 0.2 0.3", "GCG 1 2 3"), words)
    stopifnot(identical(unname(space$cpp_read_word2vec(words)[[2]][2, ]), c(1, 2, 3)))
    refused(space$cpp_read_npy(words))
    refused(space$cpp_read_tree(words, "/", "numeric"))
    space$cpp_check_regular_file(words)
    stopifnot(identical(space$cpp_file_to_replace(words), words))
    refused(space$cpp_check_regular_file(tempdir()))
    refused(space$cpp_file_to_replace(tempdir()))
  },
  cellular = function() {
    folder <- tempfile()
    embedding <- function() {
      cellular_train(counts, types, NULL, latent_dim = 2, n_genes = 8, epochs = 3, batch_size = 8,
                     seed = 1, checkpoint = folder, verbose = FALSE)
    }
    halted_once_kept(embedding())
    start <- embedding()
    full <- cellular_classifier(counts, types, start, hidden = 4, epochs = 2, batch_size = 8,
                                seed = 1, verbose = FALSE)
    cellular_normalize(sparse, verbose = FALSE)
    cellular_predict(counts, full, verbose = FALSE)
    cellular_embed(sparse, full, verbose = FALSE)
    path <- file_of(".h5")
    canal_save(full, path)
    canal_load(path)
  },
  machine = function() {
    space$cpp_blas_report()
    space$cpp_library_settings()
    space$cpp_free_port()
    space$cpp_team_backend()
    refused(space$cpp_initial_weights(list(), 1, 1, 1))
  },
  team = function() {
    team <- canal_team(rank = 0, size = 1)
    train(team = team)
    space$cpp_team_broadcast(team$pointer, as.raw(1:3), 0L)
    space$cpp_time_team_sum(team$pointer, 4, 2)
    canal_leave(team)
  }
)

wanted <- if (length(arguments) > 1) arguments[-1] else names(groups)
failed <- 0
for (name in wanted) {
  started <- proc.time()[["elapsed"]]
  error <- tryCatch({
    if (step > 0) {
      # What is loaded by the way need not be tortured.
      groups[[name]]()
      gctorture2(step)
    }
    groups[[name]]()
    NULL
  }, error = identity, finally = gctorture2(0))
  failed <- failed + !is.null(error)
  cat(sprintf("%-10s %6.1f s %s\n", name, proc.time()[["elapsed"]] - started,
              if (is.null(error)) "" else conditionMessage(error)))
}
missed <- if (setequal(wanted, names(groups))) setdiff(glue, ls(called))
if (length(missed)) cat("Not called:", paste(missed, collapse = ", "), "\n")
failed <- failed + (length(missed) > 0)
# That all were called counts as one.
cat(sprintf("%d passed, %d failed\n", length(wanted) + 1 - failed, failed))
quit(status = as.integer(failed > 0))
