#' canalR in batch jobs
#'
#' An executable script, `system.file("scripts", "canal", package = "canalR")`, does canalR's work
#' from a shell: files in, files out. It may be linked to (`ln -s`) from a folder of the `PATH`, and
#' finds the package that it came with.
#'
#' @details
#' | | |
#' |---|---|
#' | `canal prepare` | counts to tokens, [canal_prepare()] |
#' | `canal pretrain` | a network from unlabelled cells, [canal_pretrain()] |
#' | `canal train` | a stage for each input, in their order, [canal_train()] |
#' | `canal predict` | labels, and the embedding; [canal_predict()], [cellular_predict()] |
#' | `canal evaluate` | predicted labels beside the truth, [canal_evaluate()] |
#' | `canal import`, `canal export` | Python programs' models, [canal_import()], [canal_export()] |
#' | `canal info` | what a model or a file of cells holds |
#'
#' `canal COMMAND --help` tells all options of a command. They are called as the arguments of the R
#' functions (`--assay-type` is `assay.type`), and what is not given is as in R. Two options do
#' more than their arguments: `--assay-type` may name an assay of a Seurat object, whose counts are
#' read then (a layer of that name in the default assay comes first; the object that is written
#' keeps its own default assay); and `canal evaluate` without `--predicted` takes the only column
#' whose name ends in `_label`.
#'
#' **Cells** come from the paths that canalR's functions take, or from an `.rds` with a Seurat
#' object, a SingleCellExperiment or a matrix; **labels** from a column of the cells, or from a
#' `.csv` or `.tsv` with a cell and its label in each row. **Results** are written whole or not at
#' all. `canal predict --out x.h5ad` copies the `.h5ad` that is read and adds the results to its
#' `obs` (anndata 0.8 or later, by the package hdf5r): texts as categoricals, numbers as arrays. A
#' file that is there is refused, unless `--force` is given, and one that is read in the same call
#' is refused always. `-` is stdout, for `--out` of a table and nothing else. A training
#' that is interrupted, fails or diverges writes no model; with `--checkpoint` the same call goes on
#' from the last epoch.
#'
#' **The log** goes to stderr, a line per event with its time and its level, `INFO`, `WARNING` or
#' `ERROR`; stdout has results alone. Before there is a log, a wrong call is answered with what is
#' wrong with it and how the command is called. **Exit status**: 0, all is done; 1, the work could
#' not be done, for a reason that stderr tells; 2, a wrong call, also one whose output is there or
#' has an ending that says nothing; 130, interrupted (SIGINT). Whoever
#' closes stdout early, as `head` does, has had what was wanted: no more is written there, the rest
#' of the work is done, and the status is 0. A log that nobody reads stops nothing, either.
#'
#' **A job file** (`--job FILE`) has options by their names, one `name: value` a line as in a
#' `DESCRIPTION` (see [read.dcf()]); indented lines are further values of the name above, `input`
#' are the inputs, and a line that begins with `#` is a comment. Paths start from the working
#' directory. What the command line gives comes first.
#'
#' A batch system's jobs and BiocParallel's workers in them:
#' `system.file("several-machines.md", package = "canalR")`.
#'
#' @examples
#' script <- system.file("scripts", "canal", package = "canalR")
#' system2(file.path(R.home("bin"), "Rscript"), c(shQuote(script), "train", "--help"))
#' @name canal-script
NULL

# Does the work of a call (see inst/command-line/parse.R) and returns the status to end with.
# Messages, warnings and errors become lines of the log.
run_script <- function(call) {
  plain_terminal()
  tryCatch({
    logged(call$options, {
      started <- proc.time()[["elapsed"]]
      tell_call(call)
      script_work(call$command)(call)
      tell_detail(call, sprintf("Done in %.1f s.", proc.time()[["elapsed"]] - started))
    })
    0L
  }, interrupt = function(interrupt) {
    log_line("ERROR", "Interrupted.")
    130L
  }, error = function(error) {
    log_line("ERROR", in_options(conditionMessage(error)))
    1L
  })
}

# A function of the call for each command.
script_work <- function(command) {
  switch(command, prepare = script_prepare, pretrain = script_pretrain, train = script_train,
         predict = script_predict, evaluate = script_evaluate, import = script_import,
         export = script_export, info = script_info)
}

# No bars, colours or moves of the cursor where stderr is a file, whatever the environment says.
plain_terminal <- function() {
  if (!isatty(stderr())) options(cli.dynamic = FALSE, cli.num_colors = 1L)
}

# The log ------------------------------------------------------------------------------------------

logged <- function(options, code) {
  withCallingHandlers(code, message = function(said) {
    told <- !isTRUE(options$quiet) && !inherits(said, "packageStartupMessage")
    if (told) log_line("INFO", conditionMessage(said))
    invokeRestart("muffleMessage")
  }, warning = function(warned) {
    log_line("WARNING", in_options(conditionMessage(warned)))
    tryInvokeRestart("muffleWarning")
  })
}

# Functions of inst/command-line/output.R, which the script has without canalR, too.
script_output <- new.env()

output_function <- function(name) {
  if (!exists(name, script_output, inherits = FALSE)) {
    sys.source(system.file("command-line", "output.R", package = "canalR"), script_output)
  }
  script_output[[name]]
}

log_line <- function(level, text) output_function("log_line")(level, text)

to_stdout <- function(code) output_function("unless_closed")(code)

# What R's users are told to write, as what the script's can give.
in_options <- function(text) {
  gsub("DefaultAssay\\(x\\) <- \"([^\"]*)\"", "--assay-type \\1", text)
}

script_tell <- function(...) canal_inform("script", sprintf(...))

tell_detail <- function(call, text) canal_inform("script", text, isTRUE(call$options$verbose))

tell_call <- function(call) {
  if (!isTRUE(call$options$verbose)) return(invisible())
  runtime <- cpp_runtime_info()
  script_tell("canalR %s, R %s, LibTorch %s, %d cores; process %d in %s.",
              utils::packageVersion("canalR"), getRversion(), runtime$libtorch,
              as.integer(runtime$cores), Sys.getpid(), getwd())
  given <- vapply(call$options, function(value) paste(format(value), collapse = " "), "")
  script_tell("canal %s; %s; inputs: %s.", call$command,
              paste0(names(given), " = ", given, collapse = ", "),
              paste(call$inputs, collapse = ", "))
}

# Calls --------------------------------------------------------------------------------------------

# Calls a function of the package with `objects` (a list by the names of arguments), with `...`, and
# with those of the options that are its other arguments. Objects are in the call by name, so that
# the call that results keep is a short one.
call_with <- function(name, options, objects, ...) {
  fixed <- c(lapply(stats::setNames(nm = names(objects)), as.name), list(...))
  arguments <- script_arguments(get(name), options)
  arguments <- arguments[setdiff(names(arguments), names(fixed))]
  eval(as.call(c(as.name(name), fixed, arguments)), list2env(objects, parent = environment()))
}

# Options by the names that the arguments have: --assay-type is assay.type.
script_arguments <- function(f, options) {
  arguments <- setdiff(names(formals(f)), "verbose")
  given <- intersect(gsub("[._]", "-", arguments), names(options))
  stats::setNames(options[given], arguments[match(given, gsub("[._]", "-", arguments))])
}
