# All that canalR writes, each with a file that was there before. A writer is a list of functions of
# the folder it writes into:
#   before(folder)  makes what is there before, and returns nothing of use,
#   write(folder)   writes anew, as a user's call does,
#   kept(folder)    the files that must be as they were where writing failed,
#   found(folder)   reads what is there, and makes none of it: "old" for what was there before,
#                   "new" for all that was to be written, "between" for some of it. An error where
#                   it is damaged, less than there was before, or neither,
#   go_on(folder)   where the same call goes on from there: does so, and fails where it gives
#                   another result than one that nothing came in between;
# and, where they are so,
#   spare           how many bytes it takes for a while, beside what it writes,
#   left_open       that a file which could not be written stays open.

some_cells <- which(seq_along(panc$types) %% 4 == 0)
first_model <- trained_model(epochs = 1, seed = 1)
second_model <- trained_model(epochs = 1, seed = 2)
first_cellular <- cellular_small(seed = 1)
second_cellular <- cellular_small(seed = 2)
first_labelled <- cellular_small(seed = 1, classifier = TRUE)

# A model of a size whose writing takes a while.
wide_model <- function(seed) {
  canal_model(canal_config("compact", n_genes = 200, dim = 128, depth = 6, head_width = 32),
              rownames(panc$counts), seed = seed)
}
wide_models <- list(wide_model(1), wide_model(2))

# Which of the named values it is.
name_of <- function(value, values) {
  same <- names(values)[vapply(values, identical, NA, value)]
  if (!length(same)) stop("neither the old value nor the new one")
  same[1]
}

# read(path): the value that a user gets of the file.
of_file <- function(name, first, second, read, spare = 0) {
  read_back <- function(write) {
    folder <- new_folder("value")
    on.exit(unlink(folder, recursive = TRUE))
    quietly(write(file.path(folder, name)))
    read(file.path(folder, name))
  }
  values <- list(old = read_back(first), new = read_back(second))
  stopifnot(!identical(values$old, values$new))
  list(before = function(folder) first(file.path(folder, name)),
       write = function(folder) second(file.path(folder, name)),
       kept = function(folder) file.path(folder, name),
       found = function(folder) name_of(read(file.path(folder, name)), values),
       spare = spare)
}

# A training that nothing comes in between: the `states` after each of its epochs, and its
# `weights`.
whole_training <- function(train) {
  folder <- new_folder("whole")
  on.exit(unlink(folder, recursive = TRUE))
  states <- list()
  write_state <- inside("write_checkpoint")
  model <- with_binding("write_checkpoint", function(path, ...) {
    write_state(path, ...)
    states <<- c(states, list(state_in(path)))
  }, quietly(train(folder)))
  list(states = states, weights = model@weights)
}

epochs_before <- 2

# The only state in a folder: after which of the epochs of `states` it is.
state_found <- function(folder, states) {
  state <- state_in(list.files(folder, "[.]h5$", full.names = TRUE))
  epochs <- nrow(state$run$losses)
  if (epochs < epochs_before) stop(sprintf("the state has gone back to epoch %d", epochs))
  if (!identical(state, states[[epochs]])) stop(sprintf("not the state of epoch %d", epochs))
  if (epochs == epochs_before) return("old")
  if (epochs == length(states)) "new" else "between"
}

real_try_epoch <- inside("try_epoch")

# Its state after two epochs of four is there, as one leaves it that fails then; the call goes on
# from it.
of_training <- function(train) {
  whole <- whole_training(train)
  list(before = function(folder) {
         unlink(list.files(folder, "[.]h5$", full.names = TRUE))
         with_binding("try_epoch", function(epoch, ...) {
           if (epoch > epochs_before) "error" else real_try_epoch(epoch, ...)
         }, quietly(train(folder)))
       },
       write = function(folder) {
         withCallingHandlers(suppressMessages(train(folder)),
                             canalR_warning_checkpoint = function(warned) stop(warned))
       },
       kept = function(folder) list.files(folder, "[.]h5$", full.names = TRUE),
       found = function(folder) state_found(folder, whole$states),
       go_on = function(folder) stopifnot(identical(train(folder)@weights, whole$weights)))
}

# Chunks are as small as they can be, so that there are several.
local({
  space <- asNamespace("canalR")
  unlockBinding("most_chunk", space)
  assign("most_chunk", 32, space)
})

# Values by file of all that a query keeps, which must all be whole; but not the seed, as it is
# drawn, nor the mark of each call.
chunks_in <- function(folder) {
  paths <- list.files(folder, "[.]rds$", full.names = TRUE)
  values <- stats::setNames(lapply(paths, inside("read_kept")), basename(paths))
  values$job.rds$id <- NULL
  values[grepl("^(output|plan|job)", names(values))]
}

# Some chunks are there, others are to be made.
to_be_made <- "^output-.*[2468][.]rds$"

# whole: of chunks_in(), of a query of this model's that nothing came in between.
chunks_found <- function(folder, whole, model) {
  values <- chunks_in(folder)
  lost <- setdiff(grep(to_be_made, names(whole), value = TRUE, invert = TRUE), names(values))
  if (length(lost)) stop("gone: ", paste(lost, collapse = ", "))
  if (!identical(values, whole[names(values)])) stop("a chunk is another one")
  stopifnot(identical(loaded(file.path(folder, "model.h5")), plain_model(model)))
  made <- sum(grepl(to_be_made, names(values)))
  if (made == 0) "old" else if (length(values) == length(whole)) "new" else "between"
}

# query(folder): a call whose `checkpoint` is the folder, NULL for none.
of_chunks <- function(query, model) {
  folder <- new_folder("whole")
  on.exit(unlink(folder, recursive = TRUE))
  quietly(query(folder))
  whole <- chunks_in(folder)
  results <- as.data.frame(quietly(query(NULL)))
  list(before = function(folder) {
         quietly(query(folder))
         unlink(list.files(folder, to_be_made, full.names = TRUE))
       },
       write = query,
       kept = function(folder) list.files(folder, "^(output|plan)", full.names = TRUE),
       found = function(folder) chunks_found(folder, whole, model),
       go_on = function(folder) {
         stopifnot(identical(as.data.frame(query(folder)), results))
       })
}

source_model <- tempfile(fileext = ".h5")
canal_save(second_model, source_model)
from_address <- function(folder, name) {
  canal_pretrained(name, url = paste0("file://", source_model),
                   sha256 = inside("sha256_of")(source_model), cache = folder, verbose = FALSE)
}
# Without an address nothing is fetched anew.
is_cached <- function(folder, name) {
  model <- canal_pretrained(name, cache = folder, verbose = FALSE)
  identical(plain_model(model), plain_model(second_model))
}
of_cache <- list(
  before = function(folder) {
    unlink(file.path(folder, c("new.h5", "new.h5.sha256")))
    from_address(folder, "there")
  },
  write = function(folder) from_address(folder, "new"),
  kept = function(folder) file.path(folder, c("there.h5", "there.h5.sha256")),
  found = function(folder) {
    stopifnot(is_cached(folder, "there"))
    if (!file.exists(file.path(folder, "new.h5"))) return("old")
    stopifnot(is_cached(folder, "new"))
    "new"
  },
  go_on = function(folder) {
    stopifnot(identical(plain_model(from_address(folder, "new")), plain_model(second_model)))
  },
  # By R itself, after a download for which there was no room.
  left_open = TRUE
)

results_table <- function(seed) {
  data.frame(cell = sprintf("cell-%06d", 1:20000),
             canal_label = rep(panc$types, length.out = 20000),
             canal_confidence = seed / 1:20000)
}
# A copy of the cells' file with these results in it.
h5ad_columns <- function(seed) {
  cells <- ncol(panc$counts)
  data.frame(canal_label = panc$types, canal_confidence = seed / seq_len(cells),
             canal_prob = matrix(seed / seq_len(20 * cells), cells))
}
write_h5ad <- function(seed, path) inside("write_h5ad_copy")(panc_file, h5ad_columns(seed), path)
read_h5ad <- function(path) inside("any_cells")(path)[c("counts", "obs")]

writers <- list(
  "canal_save()" = of_file("model.h5", function(path) canal_save(wide_models[[1]], path),
                           function(path) canal_save(wide_models[[2]], path), loaded),
  "canal_save(), CELLULAR" = of_file("model.h5", function(path) canal_save(first_cellular, path),
                                     function(path) canal_save(second_cellular, path), loaded),
  "canal_export(.pth)" = of_file(
    "model.pth", function(path) canal_export(wide_models[[1]], path, verbose = FALSE),
    function(path) canal_export(wide_models[[2]], path, verbose = FALSE), imported
  ),
  "canal_export(.safetensors)" = of_file(
    "model.safetensors", function(path) canal_export(wide_models[[1]], path, verbose = FALSE),
    function(path) canal_export(wide_models[[2]], path, verbose = FALSE), imported
  ),
  "checkpoint of canal_train()" = of_training(function(folder) {
    canal_train(panc$counts[, some_cells], panc$types[some_cells], small_model(), epochs = 4,
                patience = 100, seed = 1, checkpoint = folder, verbose = FALSE)
  }),
  "checkpoint of canal_pretrain()" = of_training(function(folder) {
    canal_pretrain(panc$counts[, some_cells], rownames(panc$counts), small_config(),
                   epochs = 4, seed = 1, checkpoint = folder, verbose = FALSE)
  }),
  "checkpoint of cellular_train()" = of_training(function(folder) {
    suppressWarnings(cellular_train(
      panc$counts[, some_cells], panc$types[some_cells], panc$batch[some_cells], latent_dim = 8,
      n_genes = 60, epochs = 4, batch_size = 32, warm_up = 1, patience = 100, seed = 1,
      checkpoint = folder, verbose = FALSE
    ), classes = "canalR_warning_batch")
  }),
  "chunks of canal_predict()" = of_chunks(function(folder) {
    canal_predict(panc$counts, first_model, checkpoint = folder, verbose = FALSE)
  }, first_model),
  "chunks of canal_embed()" = of_chunks(function(folder) {
    canal_embed(panc$counts, first_model, checkpoint = folder, min_genes = 0, verbose = FALSE)
  }, first_model),
  "chunks of cellular_predict()" = of_chunks(function(folder) {
    cellular_predict(panc$counts, first_labelled, checkpoint = folder, verbose = FALSE)
  }, first_labelled),
  "results, .csv" = of_file(
    "labels.csv",
    function(path) quietly(inside("write_table")(results_table(1), path, "csv")),
    function(path) suppressMessages(inside("write_table")(results_table(2), path, "csv")),
    utils::read.csv
  ),
  "results, .rds" = of_file(
    "labels.rds", function(path) quietly(inside("write_rds")(results_table(1), path)),
    function(path) suppressMessages(inside("write_rds")(results_table(2), path)), readRDS
  ),
  "results, .h5ad" = if (requireNamespace("hdf5r", quietly = TRUE)) {
    of_file("labels.h5ad", function(path) quietly(write_h5ad(1, path)),
            function(path) suppressMessages(write_h5ad(2, path)), read_h5ad,
            spare = inside("h5ad_room")(h5ad_columns(1)))
  },
  "cache of models" = of_cache
)
# Where a package is not there that a writer needs.
writers <- Filter(Negate(is.null), writers)

present <- function(folder) {
  sort(list.files(folder, all.files = TRUE, no.. = TRUE, recursive = TRUE))
}

contents <- function(paths) stats::setNames(lapply(paths, file_bytes), paths)

# Is everything of `before` there, byte by byte?
are_intact <- function(before) {
  all(vapply(names(before), function(path) {
    file.exists(path) && identical(file_bytes(path), before[[path]])
  }, NA))
}

# One write that may fail: "written", "refused" (an error with a class) or what else came.
written_or_refused <- function(writer, folder) {
  tryCatch({
    writer$write(folder)
    "written"
  }, canalR_error = function(error) "refused", canalR_warning = function(warned) "refused",
  error = function(error) paste("unclassed:", conditionMessage(error)),
  warning = function(warned) paste("a plain warning:", conditionMessage(warned)))
}

# What is there now: "old", "new" or "between", or "lost" and why.
there_now <- function(writer, folder) {
  tryCatch({
    found <- writer$found(folder)
    if (!is.null(writer$go_on)) quietly(writer$go_on(folder))
    found
  }, error = function(error) paste("lost:", conditionMessage(error)))
}
