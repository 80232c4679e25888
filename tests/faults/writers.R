# All that canalR writes, each with a file that was there before. A writer is a list of functions of
# the folder it writes into:
#   before(folder)  makes what is there before, and returns nothing of use,
#   write(folder)   writes anew, as a user's call does,
#   kept(folder)    the files that must be as they were where writing failed,
#   load(folder)    reads what is there as a user would, and fails where that cannot be done.

some_cells <- which(seq_along(panc$types) %% 4 == 0)
first_model <- trained_model(epochs = 1, seed = 1)
second_model <- trained_model(epochs = 1, seed = 2)
first_cellular <- cellular_small(seed = 1)
second_cellular <- cellular_small(seed = 2)

# A model of a size whose writing takes a while.
wide_model <- function(seed) {
  canal_model(canal_config("compact", n_genes = 200, dim = 128, depth = 6, head_width = 32),
              rownames(panc$counts), seed = seed)
}
wide_models <- list(wide_model(1), wide_model(2))

of_file <- function(name, first, second, read) {
  list(before = function(folder) first(file.path(folder, name)),
       write = function(folder) second(file.path(folder, name)),
       kept = function(folder) file.path(folder, name),
       load = function(folder) read(file.path(folder, name)))
}

# Its state after two epochs of four is there, as one leaves it that fails then; the call goes on
# from it.
of_training <- function(train) {
  list(before = function(folder) {
         unlink(list.files(folder, "[.]h5$", full.names = TRUE))
         in_place_of("try_epoch", function(epoch, ...) {
           if (epoch > 2) "error" else real_try_epoch(epoch, ...)
         }, quietly(train(folder)))
       },
       write = function(folder) {
         withCallingHandlers(suppressMessages(train(folder)),
                             canalR_warning_checkpoint = function(warned) stop(warned))
       },
       kept = function(folder) list.files(folder, "[.]h5$", full.names = TRUE),
       load = function(folder) quietly(train(folder)))
}

real_try_epoch <- inside("try_epoch")

# Runs code while a function of the package is another one.
in_place_of <- function(name, value, code) {
  space <- asNamespace("canalR")
  own <- get(name, space)
  put <- function(value) {
    unlockBinding(name, space)
    assign(name, value, envir = space)
    lockBinding(name, space)
  }
  on.exit(put(own))
  put(value)
  code
}

# Some chunks are there, others are to be made.
predict_in <- function(folder) {
  canal_predict(panc$counts, first_model, checkpoint = folder, verbose = FALSE)
}
of_chunks <- list(
  before = function(folder) {
    quietly(predict_in(folder))
    unlink(list.files(folder, "^output-.*[2468][.]rds$", full.names = TRUE))
  },
  write = predict_in,
  kept = function(folder) list.files(folder, "^(output|plan)", full.names = TRUE),
  load = function(folder) {
    stopifnot(identical(as.data.frame(quietly(predict_in(folder))), as.data.frame(
      quietly(canal_predict(panc$counts, first_model, verbose = FALSE))
    )))
  }
)

source_model <- tempfile(fileext = ".h5")
canal_save(second_model, source_model)
from_address <- function(folder, name) {
  canal_pretrained(name, url = paste0("file://", source_model),
                   sha256 = inside("sha256_of")(source_model), cache = folder, verbose = FALSE)
}
of_cache <- list(
  before = function(folder) from_address(folder, "there"),
  write = function(folder) from_address(folder, "new"),
  kept = function(folder) file.path(folder, c("there.h5", "there.h5.sha256")),
  load = function(folder) {
    canal_pretrained("there", cache = folder, verbose = FALSE)
    from_address(folder, "new")
  }
)

results_table <- function(seed) {
  data.frame(cell = sprintf("cell-%06d", 1:20000),
             canal_label = rep(panc$types, length.out = 20000),
             canal_confidence = seed / 1:20000)
}
writers <- list(
  "canal_save()" = of_file("model.h5", function(path) canal_save(wide_models[[1]], path),
                           function(path) canal_save(wide_models[[2]], path), canal_load),
  "canal_save(), CELLULAR" = of_file("model.h5", function(path) canal_save(first_cellular, path),
                                     function(path) canal_save(second_cellular, path), canal_load),
  "canal_export(.pth)" = of_file(
    "model.pth", function(path) canal_export(wide_models[[1]], path, verbose = FALSE),
    function(path) canal_export(wide_models[[2]], path, verbose = FALSE),
    function(path) canal_import(path, verbose = FALSE)
  ),
  "canal_export(.safetensors)" = of_file(
    "model.safetensors", function(path) canal_export(wide_models[[1]], path, verbose = FALSE),
    function(path) canal_export(wide_models[[2]], path, verbose = FALSE),
    function(path) canal_import(path, verbose = FALSE)
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
  "chunks of canal_predict()" = of_chunks,
  "results, .csv" = of_file(
    "labels.csv",
    function(path) quietly(inside("write_table")(results_table(1), path, "csv")),
    function(path) suppressMessages(inside("write_table")(results_table(2), path, "csv")),
    function(path) stopifnot(nrow(utils::read.csv(path)) == 20000)
  ),
  "results, .rds" = of_file(
    "labels.rds", function(path) quietly(inside("write_rds")(results_table(1), path)),
    function(path) suppressMessages(inside("write_rds")(results_table(2), path)),
    function(path) stopifnot(nrow(readRDS(path)) == 20000)
  ),
  "cache of models" = of_cache
)
# Chunks are as small as they can be, so that there are several.
local({
  space <- asNamespace("canalR")
  unlockBinding("most_chunk", space)
  assign("most_chunk", 32, space)
})

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

load_fails <- function(writer, folder) {
  tryCatch({
    writer$load(folder)
    FALSE
  }, error = function(error) {
    cat("    ", conditionMessage(error), "\n")
    TRUE
  })
}
