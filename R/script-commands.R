# The work of the script's commands. call: list(command, options, inputs), see
# inst/command-line/parse.R; options are checked as far as that goes without canalR.

script_verbose <- function(options) !isTRUE(options$quiet)

script_prepare <- function(call) {
  options <- call$options
  check_targets(options, "out")
  format <- table_format(options$out)
  chosen <- chosen_assay(script_cells(call$inputs), options)
  options <- chosen$options
  vocabulary <- script_vocabulary(options)
  if (!is.null(options$genes)) options$genes <- read_genes(options$genes, "genes")
  # The whole vocabulary is NULL in R.
  if (identical(options$`n-genes`, "all")) options["n-genes"] <- list(NULL)
  tokens <- call_with("canal_prepare", options, list(x = chosen$x, vocabulary = vocabulary),
                      verbose = script_verbose(options))
  if (format == "rds") {
    write_rds(tokens, options$out)
  } else {
    write_table(cbind(data.frame(cell = rownames(tokens)), as.matrix(tokens)), options$out, format)
  }
}

script_pretrain <- function(call) {
  options <- call$options
  check_targets(options, "out")
  x <- lapply(call$inputs, function(path) chosen_counts(script_cells(path), options))
  vocabulary <- script_vocabulary(options)
  options$config <- script_config(options$config)
  team <- script_team(options)
  before <- if (is(vocabulary, "CanalModel")) vocabulary@provenance$pretraining
  model <- call_with("canal_pretrain", options, list(x = x, vocabulary = vocabulary, team = team),
                     verbose = script_verbose(options))
  record <- model@provenance$pretraining
  # Where nothing was learned there is no new record.
  check_ended(if (identical(record, before)) "nothing" else record$stopped, options)
  save_model(model, options, team)
}

script_train <- function(call) {
  options <- call$options
  check_targets(options, "out")
  check_there(call$inputs)
  check_label_files(options$labels, "labels")
  team <- script_team(options)
  if (isTRUE(options$new)) {
    options$seed <- from_rank_0(team, checkpoint_seed(options$seed, options$checkpoint, "stage-1"))
  }
  model <- script_start(options)
  options$recipe <- script_recipe(options$recipe)
  if (identical(options$cache, "off")) options$cache <- FALSE
  labels <- rep(options$labels, length.out = length(call$inputs))
  for (i in seq_along(call$inputs)) {
    if (is_rank_0(team)) script_tell("Input %d of %d: %s", i, length(call$inputs), call$inputs[i])
    late <- FALSE
    model <- withCallingHandlers(train_on(call$inputs[i], labels[i], model, options, team),
                                 canalR_late_interrupt = function(condition) late <<- TRUE)
    stopped <- model@history[[length(model@history)]]$stopped
    # The last stage's Ctrl-C had nothing left to stop.
    check_ended(if (late && i < length(call$inputs)) "interrupt" else stopped, options)
  }
  save_model(model, options, team)
}

train_on <- function(path, labels, model, options, team) {
  x <- script_cells(path)
  # Read once, for counts and labels.
  if (!is(x, "CanalTokens")) {
    chosen <- chosen_assay(x, options)
    x <- told(cells_of(chosen$x, assay_of(chosen$options)), script_verbose(options))
  }
  call_with("canal_train", options,
            list(x = x, labels = script_labels(x, labels, "labels"), model = model, team = team),
            verbose = script_verbose(options))
}

# The model that the first stage begins with. One that is drawn anew has to be the same when a run
# goes on from its checkpoint, and in all processes of a team: the seed is known by now.
script_start <- function(options) {
  if (!isTRUE(options$new)) return(script_model(options$model))
  config <- script_config(options$config)
  canal_model(if (is.null(config)) canal_config() else config, script_vocabulary(options),
              options$seed)
}

script_team <- function(options) if (isTRUE(options$team)) canal_team()

# In R a training that was stopped gives the best model so far; a job's output is the one that was
# asked for, or none.
check_ended <- function(stopped, options) {
  if (stopped %in% c("epochs", "patience")) return(invisible())
  hint <- if (is.null(options$checkpoint)) {
    "With --checkpoint it could go on where it was stopped."
  } else {
    sprintf("The same call goes on from %s.", options$checkpoint)
  }
  if (stopped == "interrupt") {
    script_tell("The training was interrupted. %s", hint)
    stop(interrupted())
  }
  canal_abort("stopped", "model", "a training that comes to its end",
              switch(stopped, error = "an error, told above", diverged = "one that diverged",
                     "one that learned nothing"), call = NULL)
}

save_model <- function(model, options, team = NULL) {
  if (!is_rank_0(team)) return(invisible())
  canal_save(model, options$out)
  script_tell("Wrote %s.", options$out)
}

script_import <- function(call) {
  options <- call$options
  check_targets(options, "out")
  check_there(call$inputs, "path")
  vocabulary <- script_vocabulary(options[setdiff(names(options), "positions")])
  config <- script_config(options$config)
  save_model(canal_import(call$inputs, vocabulary = vocabulary, config = config,
                          positions = options$positions, verbose = script_verbose(options)),
             options)
}

script_export <- function(call) {
  options <- call$options
  check_targets(options, "out")
  canal_export(script_model(call$inputs), options$out, options$format,
               verbose = script_verbose(options))
  script_tell("Wrote %s.", options$out)
}

# Evaluation ---------------------------------------------------------------------------------------

script_evaluate <- function(call) {
  options <- call$options
  check_targets(options, c("out", "plot"))
  if (!is.null(options$plot)) need_package("ggplot2", "plot", "which draws it")
  format <- table_format(options$out, options$format, "text")
  x <- script_predictions(call$inputs, options$score)
  if (!is_label_vector(x)) options$predicted <- script_predicted(x, options)
  evaluation <- canal_evaluation(call_with("canal_evaluate", options,
                                           list(x = x, truth = script_truth(x, options))))
  write_evaluation(evaluation, options$what, options$out, format)
  if (!is.null(options$plot)) {
    write_whole(options$plot, function(part) {
      ggplot2::ggsave(part, plot(evaluation), device = plot_device(part), width = 7, height = 5,
                      dpi = 120, bg = "white")
    })
  }
}

# R's usual device for PDF has only the letters of one alphabet, and ggsave()'s for SVG wants
# another package. NULL: what ggsave() takes by the name's ending.
plot_device <- function(path) {
  if (!capabilities("cairo")) return(NULL)
  if (has_ending(path, "pdf")) return(grDevices::cairo_pdf)
  if (has_ending(path, "svg")) grDevices::svg
}

# The column of labels: the only one whose name ends like one, unless it is said or the truth.
script_predicted <- function(x, options) {
  if (!is.null(options$predicted)) return(options$predicted)
  columns <- cell_columns(x)
  named <- grep("_label$", colnames(columns), value = TRUE)
  if (is.null(options$cells)) named <- setdiff(named, options$truth)
  if (length(named) == 1) {
    script_tell("The predicted labels are those of the column %s.", named)
    return(named)
  }
  canal_abort("prediction", "predicted", "one column of labels, whose name ends in \"_label\"",
              if (length(named)) some_of(named, 20) else describe_columns(columns),
              "--predicted says which column it is.", call = NULL)
}

# A table of `canal predict`, or an object.
script_predictions <- function(path, score = NULL) {
  if (!is_table_path(path)) {
    if (has_ending(path, "rds")) return(script_cells(path))
    canal_abort("file", "x", "a table (.csv or .tsv) or an .rds", sprintf("\"%s\"", path),
                call = NULL)
  }
  table <- read_table(path, "x", header = TRUE)
  # All is text, as labels may look like numbers.
  for (name in names(table)) {
    if (identical(name, score) || endsWith(name, "_novelty")) {
      table[[name]] <- utils::type.convert(table[[name]], as.is = TRUE)
    }
  }
  S4Vectors::DataFrame(table[-1], row.names = table[[1]], check.names = FALSE)
}

script_truth <- function(x, options) {
  if (is.null(options$cells)) return(script_labels(x, options$truth, "truth"))
  other <- script_cells(options$cells, "cells")
  if (is.character(other)) other <- any_cells(other)
  labels <- labels_of(other, options$truth, "truth", wanted = integer())
  named_labels(cell_names(x), stats::setNames(labels, cell_names(other)), "truth", options$cells)
}

write_evaluation <- function(evaluation, what, path, format) {
  if (format == "text") {
    lines <- utils::capture.output({
      print(evaluation, n = Inf)
      if (what == "confusion") print(evaluation$confusion)
    })
    if (path == "-") return(to_stdout(writeLines(lines)))
    return(write_whole(path, function(part) writeLines(lines, part)))
  }
  table <- if (what == "confusion") {
    confusion <- evaluation$confusion
    cbind(data.frame(truth = rownames(confusion)), as.data.frame.matrix(confusion))
  } else {
    as.data.frame(evaluation, what = what)
  }
  write_table(table, path, format)
}
