# Small labelled data and models that train in a second. Whatever takes time is made once for all
# test files.

kept <- new.env()

once <- function(name, make) {
  if (!exists(name, kept, inherits = FALSE)) assign(name, make(), envir = kept)
  get(name, kept)
}

# The 200 genes with the highest totals of the embedded pancreas cells, so that all cells have some.
panc <- function() {
  once("panc", function() {
    path <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
    if (!nzchar(path)) testthat::skip("the embedded cells are not installed")
    cells <- cells_of(path, "counts")
    highest <- sort(utils::head(order(-Matrix::rowSums(cells$counts)), 200))
    list(counts = cells$counts[highest, ], types = cells$obs$celltype, batch = cells$obs$batch)
  })
}

# Counts (genes x cells) and types of one technology, at most so many cells of a type.
panc_cells <- function(batch, without = character(), most = 12) {
  all <- panc()
  chosen <- all$batch == batch & !all$types %in% without
  chosen <- chosen & stats::ave(as.integer(chosen), all$types, FUN = cumsum) <= most
  list(counts = all$counts[, chosen], types = all$types[chosen])
}

# Types acinar, alpha, beta and one cell of endothelial; then all of them, delta and ductal too.
stage_one_cells <- function() panc_cells("indrop", without = c("ductal", "delta"))
stage_two_cells <- function() panc_cells("celseq")

# No warm-up, so that the first epoch trains at the full learning rate.
small_config <- function(...) {
  settings <- list(n_genes = 40, dim = 8, depth = 2, heads = 2, head_width = 4, features = 8,
                   warm_up = 0, epochs = 3, new_genes = 0)
  do.call(canal_config, c("compact", utils::modifyList(settings, list(...))))
}

small_model <- function(...) {
  config <- small_config(...)
  canal_model(config, rownames(panc()$counts), seed = 1)
}

train_quietly <- function(cells, model, ..., seed = 1) {
  canal_train(cells$counts, cells$types, model, ..., seed = seed, verbose = FALSE)
}

predict_quietly <- function(x, model, ...) canal_predict(x, model, ..., verbose = FALSE)

untrained <- function() once("untrained", small_model)

stage_one <- function() {
  once("stage_one", function() train_quietly(stage_one_cells(), untrained()))
}

stage_two <- function() {
  once("stage_two", function() train_quietly(stage_two_cells(), stage_one(), epochs = 2))
}

last_record <- function(model) model@history[[length(model@history)]]

weight <- function(model, name) cpp_weight_array(model@weights[[name]])

# Names of the weights that two models do not have in common, bit for bit.
changed_weights <- function(before, after) {
  names <- names(before@weights)
  names[!mapply(identical, before@weights[names], after@weights[names])]
}

# All that a model is but its cache, which holds no more than a copy.
plain_model <- function(model) {
  slots <- setdiff(methods::slotNames(model), "cache")
  stats::setNames(lapply(slots, methods::slot, object = model), slots)
}

expect_same_model <- function(object, expected) {
  for (name in names(plain_model(expected))) {
    expect_identical(methods::slot(object, name), methods::slot(expected, name), info = name)
  }
}

# An error of that class that names the argument.
expect_refused <- function(code, kind, argument) {
  expect_error(code, paste0("`", argument, "`"), fixed = TRUE,
               class = paste0("canalR_error_", kind))
}

# The kernels of that name, as long as the code runs.
with_kernels <- function(name, code) {
  before <- Sys.getenv("CANALR_KERNELS")  # empty is as good as not set
  on.exit(Sys.setenv(CANALR_KERNELS = before))
  Sys.setenv(CANALR_KERNELS = name)
  code
}

# Work of so few cells is shared out.
with_chunks_of <- function(size, code) with_binding("least_chunk", size, code)

golden_model <- function(name, ...) {
  canal_import(golden_path(name), ..., verbose = FALSE)
}

golden_array <- function(place) cpp_read_tree(golden_path("reference.h5"), place, "numeric")

# Runs code in a new R process, which finds this very package. `value` is an object that the code
# finds as `value`; what it leaves in `result` is returned.
in_new_session <- function(code, value, before_waiting = function(process) NULL, seconds = 90) {
  folder <- tempfile("session")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  file <- function(name) file.path(folder, name)
  saveRDS(value, file("value.rds"))
  writeLines(c(
    sprintf(".libPaths(c(%s, .libPaths()))", deparse1(dirname(find.package("canalR")))),
    "suppressMessages(library(canalR))",
    sprintf("folder <- %s", deparse1(folder)),
    "tell <- function(name) file.create(file.path(folder, name))",
    "writeLines(as.character(Sys.getpid()), file.path(folder, 'pid'))",
    "value <- readRDS(file.path(folder, 'value.rds'))",
    code,
    "saveRDS(result, file.path(folder, 'part.rds'))",
    "file.rename(file.path(folder, 'part.rds'), file.path(folder, 'result.rds'))"
  ), file("code.R"))
  # Not system2(wait = FALSE), which has a shell start it in the background: such a process ignores
  # Ctrl-C, which newer versions of R respect.
  process <- pipe(sprintf("%s --vanilla %s < /dev/null > %s 2>&1",
                          shQuote(file.path(R.home("bin"), "Rscript")), shQuote(file("code.R")),
                          shQuote(file("output"))), "r")
  on.exit(close(process), add = TRUE, after = FALSE)
  before_waiting(file)
  if (!wait_for(file("result.rds"), seconds)) {
    tools::pskill(as.integer(readLines(file("pid"))), tools::SIGKILL)
    stop("the other session gave no result:\n", paste(readLines(file("output")), collapse = "\n"))
  }
  readRDS(file("result.rds"))
}

wait_for <- function(file, seconds = 90) {
  until <- Sys.time() + seconds
  while (!file.exists(file) && Sys.time() < until) Sys.sleep(0.02)
  file.exists(file)
}

# What an interrupt ends would go on for hours: an answer within half a minute was the interrupt's.
# How many seconds it takes is measured, not tested, for it depends on what else the machine does.
expect_prompt <- function(seconds) expect_lt(seconds, 30)
