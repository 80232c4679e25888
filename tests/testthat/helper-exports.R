# A small call of every exported function, for what is promised of all of them: that they repeat
# themselves, and that they leave the session as it was. No seed is named where `seed = NULL` is
# possible, so that the user's stream of random numbers is read. `threads`: for whatever takes it.

# Models as what training decides, without names and times.
trained_values <- function(model) {
  losses <- lapply(model@history, function(stage) stage$losses)
  c(list(weights = model@weights, genes = model@genes, labels = model@labels, losses = losses),
    if (methods::is(model, "CanalModel")) list(bank = model@bank, held = model@heldout)
    else list(classifier = model@classifier))
}

# What is drawn, layer by layer.
drawn_values <- function(picture) ggplot2::ggplot_build(picture)$data

table_values <- function(x) as.list(as.data.frame(x))

quick_train <- function(cells, model, threads, ...) {
  canal_train(cells$counts, cells$types, model, epochs = 1, num_threads = threads, verbose = FALSE,
              ...)
}

exported_bytes <- function(write, extension) {
  path <- tempfile(fileext = extension)
  on.exit(unlink(path))
  write(path)
  readBin(path, "raw", file.size(path))
}

# By the sort of object: functions of the number of threads that return plain values.
model_calls <- function() {
  pair <- panc_cells("indrop", most = 6)
  list(
    canal_config = function(threads) canal_config("compact", epochs = 3),
    canal_recipe = function(threads) canal_recipe("scbert"),
    canal_vocabulary = function(threads) canal_vocabulary(c("INS", "GCG"), matrix(1:4 / 4, 2)),
    canal_model = function(threads) canal_model(small_config(), rownames(panc()$counts))@weights,
    canal_train = function(threads) trained_values(quick_train(pair, untrained(), threads)),
    canal_pretrain = function(threads) {
      model <- canal_pretrain(pair$counts, untrained(), epochs = 1, num_threads = threads,
                              verbose = FALSE)
      list(model@weights, canal_pretraining(model))
    },
    canal_pretrained = function(threads) canal_pretrained("compact")@weights,
    canal_pretraining = function(threads) canal_pretraining(canal_pretrained("compact")),
    canal_stream = function(threads) {
      stream <- as.data.frame(canal_stream(stage_two()))
      stream[setdiff(names(stream), "seconds")]
    },
    canal_cross_validate = function(threads) {
      cv <- canal_cross_validate(pair$counts, pair$types, untrained(), k = 2, epochs = 1,
                                 num_threads = threads, verbose = FALSE)
      as.data.frame(cv, what = "labels")
    }
  )
}

file_calls <- function() {
  write <- function(write, extension, read) {
    path <- tempfile(fileext = extension)
    on.exit(unlink(path))
    write(path)
    read(path)
  }
  list(
    # The file has the time of its making.
    canal_save = function(threads) {
      write(function(path) canal_save(stage_one(), path), ".h5",
            function(path) names(cpp_read_tree(path, "/", "numeric")))
    },
    canal_load = function(threads) {
      write(function(path) canal_save(stage_one(), path), ".h5",
            function(path) trained_values(canal_load(path)))
    },
    canal_export = function(threads) {
      exported_bytes(function(path) canal_export(stage_one(), path, verbose = FALSE), ".pth")
    },
    canal_import = function(threads) trained_values(golden_model("canal_stage1.pth")),
    canal_read_h5ad = function(threads) {
      write_to <- write_h5ad(stage_one_cells()$counts)
      on.exit(unlink(write_to))
      canal_read_h5ad(write_to, as = "Seurat")@assays
    },
    canal_read_10x = function(threads) {
      path <- write_10x_h5(stage_one_cells()$counts)
      on.exit(unlink(path))
      canal_read_10x(path, as = "Seurat")@assays
    }
  )
}

cell_calls <- function() {
  counts <- stage_two_cells()$counts
  list(
    canal_prepare = function(threads) {
      as.matrix(canal_prepare(counts, rownames(counts), n_genes = 50, num_threads = threads,
                              verbose = FALSE))
    },
    canal_predict = function(threads) {
      table_values(canal_predict(counts, stage_two(), novelty = "canal", probabilities = "columns",
                                 clusters = stage_two_cells()$types, top_k = 2,
                                 num_threads = threads, verbose = FALSE))
    },
    canal_embed = function(threads) {
      canal_embed(counts, stage_two(), num_threads = threads, verbose = FALSE)$embedding
    },
    canal_forward = function(threads) {
      canal_forward(golden_array("stage1/tokens"), golden_model("canal_stage1.pth"),
                    num_threads = threads)
    },
    canal_gene_importance = function(threads) {
      as.data.frame(canal_gene_importance(counts, stage_two(), num_threads = threads,
                                          verbose = FALSE))
    },
    canal_merge = function(threads) {
      canal_merge(list(a = counts[1:50, 1:4], b = counts[30:90, 5:9]), as = "list",
                  verbose = FALSE)$counts
    },
    canal_quality_filter = function(threads) canal_quality_filter(counts, verbose = FALSE),
    canal_quality_report = function(threads) {
      canal_quality_report(canal_quality_filter(counts, verbose = FALSE))
    },
    canal_update_symbols = function(threads) {
      table <- data.frame(alias = rownames(counts)[1:2], symbol = c("ONE", "TWO"))
      rownames(canal_update_symbols(counts, table, verbose = FALSE))
    },
    canal_symbol_report = function(threads) {
      table <- data.frame(alias = "P1", symbol = "PPY")
      canal_symbol_report(canal_update_symbols(c("P1", "INS"), table, verbose = FALSE))
    },
    canal_compare = function(threads) {
      train <- stage_one_cells()
      as.data.frame(canal_compare(counts, stage_two_cells()$types, train$counts, train$types,
                                  methods = c("logistic", "SingleR"), model = stage_one(),
                                  num_threads = threads, verbose = FALSE), what = "labels")
    }
  )
}

# Labels, novelty and an embedding of 30 cells, as canal_predict() and canal_embed() leave them.
annotated_table <- function() {
  labels <- rep(c("a", "b", "Unassigned"), 10)
  prob <- rep(c(0.9, 0.2, 0.5), 10)
  table <- S4Vectors::DataFrame(canal_label = labels, canal_novelty = 1 - pmax(prob, 1 - prob),
                                canal_prob_a = prob, canal_prob_b = 1 - prob,
                                type = rep(c("a", "b", "c"), 10))
  table$embedding <- cbind(sin(1:30), cos(1:30), 1:30 / 30)
  table
}

evaluation_calls <- function() {
  evaluate <- function() suppressMessages(canal_evaluate(annotated_table(), "type", novel = "c"))
  list(
    canal_evaluate = function(threads) S4Vectors::metadata(evaluate()),
    canal_evaluation = function(threads) canal_evaluation(evaluate()),
    canal_plot_scores = function(threads) drawn_values(canal_plot_scores(annotated_table())),
    canal_plot_novelty = function(threads) drawn_values(canal_plot_novelty(annotated_table())),
    canal_plot_flow = function(threads) drawn_values(canal_plot_flow(annotated_table(), "type")),
    canal_plot_embedding = function(threads) {
      # Not by a UMAP, which is uwot's own: its values change with what else is loaded.
      drawn_values(canal_plot_embedding(annotated_table(), reduction = "embedding"))
    },
    plot.canal_evaluation = function(threads) drawn_values(plot(canal_evaluation(evaluate()))),
    plot.canal_importance = function(threads) {
      drawn_values(plot(canal_gene_importance(stage_two_cells()$counts, stage_two(),
                                              verbose = FALSE)))
    },
    plot.canal_stream = function(threads) drawn_values(plot(canal_stream(stage_two()))),
    plot.CanalModel = function(threads) drawn_values(plot(stage_two())),
    plot.CellularModel = function(threads) drawn_values(plot(cellular_model()))
  )
}

cellular_calls <- function() {
  cells <- cellular_cells()
  query <- panc_cells("smartseq2")
  list(
    cellular_train = function(threads) {
      trained_values(embedding_of(epochs = 2, seed = NULL, num_threads = threads))
    },
    cellular_classifier = function(threads) {
      trained_values(cellular_classifier(cells$counts, cells$types, cellular_model(), hidden = 16,
                                         epochs = 2, num_threads = threads, verbose = FALSE))
    },
    cellular_predict = function(threads) {
      table_values(cellular_predict(query$counts, cellular_model(), probabilities = "columns",
                                    num_threads = threads, verbose = FALSE))
    },
    cellular_embed = function(threads) {
      cellular_embed(query$counts, cellular_model(), num_threads = threads,
                     verbose = FALSE)$embedding
    },
    cellular_representations = function(threads) {
      cellular_representations(query$counts, cellular_model(), query$types, num_threads = threads,
                               verbose = FALSE)
    },
    cellular_normalize = function(threads) cellular_normalize(query$counts, verbose = FALSE),
    cellular_qc = function(threads) {
      suppressMessages(cellular_qc(query$counts, verbose = FALSE))
    }
  )
}

team_calls <- function() {
  list(
    canal_team = function(threads) {
      team <- canal_team(rank = 0, size = 1)
      canal_leave(team)
      unclass(team)[c("rank", "size")]
    },
    canal_leave = function(threads) canal_leave(canal_team(rank = 0, size = 1))$rank,
    canal_launch = function(threads) {
      if (!nzchar(cpp_team_backend())) return(NULL)
      canal_launch(2, function(team) team$rank + 0.5, num_threads = threads, verbose = FALSE)[1:2]
    }
  )
}

exported_calls <- function() {
  c(model_calls(), file_calls(), cell_calls(), evaluation_calls(), cellular_calls(), team_calls())
}

# Every exported function of the package's own, and its plots: what needs an entry above.
names_to_call <- function() {
  space <- asNamespace("canalR")
  own <- Filter(function(name) {
    value <- get(name, space)
    is.function(value) && identical(environment(value), space)
  }, getNamespaceExports("canalR"))
  methods <- getNamespaceInfo("canalR", "S3methods")
  c(own, methods[methods[, 1] == "plot", 3])
}

# ---- The state of the session -------------------------------------------------------------------

# All that a call might change behind the user's back, by name. Settings of the session that another
# package's loading changes (options, S4 tables) are that package's: load it before.
session_state <- function() {
  list(
    `random numbers` = list(RNGkind(), get0(".Random.seed", globalenv(), inherits = FALSE)),
    options = options(), locale = Sys.getlocale(), `working directory` = getwd(),
    environment = Sys.getenv(names = TRUE), `search path` = search(),
    `global variables` = sort(ls(globalenv(), all.names = TRUE)),
    devices = grDevices::dev.list(),
    # Asking opens a device where there is none.
    graphics = if (length(grDevices::dev.list())) graphics::par(no.readonly = TRUE),
    palette = grDevices::palette(), connections = getAllConnections(),
    sinks = sink.number(), umask = Sys.umask(), handlers = length(globalCallingHandlers()),
    libraries = cpp_library_settings()
  )
}

# Loads whatever a call might load, so that what loading changes is not taken for the call's.
load_suggested <- function() {
  field <- utils::packageDescription("canalR")$Suggests
  packages <- gsub("\\s|\\(.*?\\)", "", strsplit(field, ",")[[1]])
  for (package in packages) suppressMessages(requireNamespace(package, quietly = TRUE))
}

# The state after a call. Connections that somebody has left go when R collects them, which may be
# any time: they are collected, which takes a second with all packages loaded, where there is one
# more.
state_after <- function(before) {
  state <- session_state()
  if (identical(state$connections, before$connections)) return(state)
  gc()
  session_state()
}

# Names of what differs.
changed_state <- function(before, after) {
  names(before)[!mapply(identical, before, after[names(before)])]
}

# The numbers that R keeps out of sight: the second of two normals, which is ready when Box and
# Muller's first is drawn. To look at it is to draw it, so that it is no part of session_state().
start_normals <- function() {
  set.seed(20)
  stats::rnorm(1)
}

normals_went_on <- function() {
  found <- stats::rnorm(2)
  start_normals()
  identical(found, stats::rnorm(2))
}

# Makes every call in a session whose settings are not the usual ones. Returns the values and, of
# each call, what it changed.
observe_exports <- function(threads) {
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  graphics::par(mar = c(1, 2, 3, 4))
  RNGkind(normal.kind = "Box-Muller")
  on.exit(RNGkind(normal.kind = "default"), add = TRUE)
  observe <- function(call) {
    start_normals()
    before <- session_state()
    value <- call(threads)
    changed <- changed_state(before, state_after(before))
    list(value = value, changed = c(changed, if (!normals_went_on()) "second normal"))
  }
  gc()
  seen <- lapply(exported_calls(), observe)
  list(value = lapply(seen, `[[`, "value"), changed = lapply(seen, `[[`, "changed"))
}

# One run of the table serves all tests; another is in a new session, with one thread. There nothing
# is loaded beforehand: loading must not move the random numbers either.
seen_here <- function() {
  once("seen_here", function() {
    load_suggested()
    observe_exports(2L)
  })
}

seen_elsewhere <- function() {
  once("seen_elsewhere", function() {
    in_new_session("
      space <- new.env(parent = asNamespace('canalR'))
      suppressMessages(testthat::source_test_helpers(value$folder, space))
      result <- space$observe_exports(1L)
    ", list(folder = normalizePath(testthat::test_path("."))), seconds = 600)
  })
}
