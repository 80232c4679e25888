# `canal predict`: labels and embedding of a file of cells, by a model of either class.

script_predict <- function(call) {
  options <- call$options
  check_targets(options, c("out", "embedding"))
  check_there(call$inputs)
  check_label_files(options$clusters, "clusters")
  format <- table_format(options$out, options$format)
  embedding_format <- if (!is.null(options$embedding)) table_format(options$embedding)
  model <- script_model(options$model)
  functions <- prediction_functions(model)
  check_for_model(options, functions)
  if (format == "h5ad") {
    check_h5ad_copy(call$inputs, wanted_columns(functions[["labels"]], options, model@labels))
  }
  workers <- script_workers(options)
  cells <- script_cells(call$inputs)
  chosen <- chosen_assay(cells, options)
  x <- chosen$x
  options <- chosen$options
  if (format == "rds" && is.character(x)) {
    x <- told(experiment_at(x, assay_of(options)), script_verbose(options))
    options$`assay-type` <- "counts"
  }
  results <- predicted_by(functions[["labels"]], x, model, options, workers)
  embedding <- if (!is.null(options$embedding)) {
    embedded_by(functions[["embedding"]], x, model, options, workers)
  }
  write_labels(with_default_assay(results, cells), functions[["labels"]], options, format,
               call$inputs)
  if (!is.null(embedding)) write_embedding(embedding, options$embedding, embedding_format)
}

# The results in the object that came in, with the default assay that it had.
with_default_assay <- function(results, cells) {
  if (!is(results, "Seurat")) return(results)
  own <- SeuratObject::DefaultAssay(cells)
  if (own %in% SeuratObject::Assays(results)) SeuratObject::DefaultAssay(results) <- own
  results
}

prediction_functions <- function(model) {
  if (is(model, "CellularModel")) {
    return(c(labels = "cellular_predict", embedding = "cellular_embed"))
  }
  c(labels = "canal_predict", embedding = "canal_embed")
}

# One default holds for all functions that read cells.
assay_of <- function(options) {
  if (is.null(options$`assay-type`)) formals(canal_predict)$assay.type else options$`assay-type`
}

# Options of the other class of models.
check_for_model <- function(options, functions) {
  both <- names(c(formals(canal_predict), formals(cellular_predict)))
  own <- names(formals(get(functions[["labels"]])))
  alien <- intersect(gsub("[._]", "-", setdiff(both, own)), names(options))
  if (length(alien)) {
    canal_abort("argument", gsub("-", "_", alien[1]),
                sprintf("options of %s()", functions[["labels"]]), sprintf("--%s", alien[1]),
                "It is for models of the other class.", call = NULL)
  }
}

script_workers <- function(options) {
  if (is.null(options$workers)) return(NULL)
  need_package("BiocParallel", "workers", "which starts them")
  check_number(options$workers, "workers", 1, 4096, whole = TRUE)
  make <- switch(options$`worker-type`, snow = BiocParallel::SnowParam,
                 multicore = BiocParallel::MulticoreParam)
  make(workers = as.integer(options$workers))
}

predicted_by <- function(name, x, model, options, workers) {
  options$checkpoint <- part_of(options$checkpoint, "labels")
  objects <- list(x = x, model = model, BPPARAM = workers)
  if (!is.null(options$clusters)) {
    objects$clusters <- script_labels(x, options$clusters, "clusters", all = FALSE)
  }
  call_with(name, options, objects, verbose = script_verbose(options))
}

# Cells x width, whatever `x` is.
embedded_by <- function(name, x, model, options, workers) {
  options$checkpoint <- part_of(options$checkpoint, "embedding")
  if (!is.character(x) && !is(x, "CanalTokens")) x <- cells_of(x, assay_of(options))$counts
  table <- call_with(name, options, list(x = x, model = model, BPPARAM = workers),
                     verbose = script_verbose(options))
  `rownames<-`(table$embedding, rownames(table))
}

# Labels and embedding are two calls, with chunks of their own.
part_of <- function(folder, name) if (!is.null(folder)) file.path(folder, name)

# The columns that a function's results are going to have.
wanted_columns <- function(name, options, types) {
  asked <- list(prefix = prefix_of(name, options), clusters = options$clusters,
                top_k = c(options$`top-k`, 0)[1],
                probabilities = c(options$probabilities, "none")[1])
  result_names(asked, types)$columns
}

prefix_of <- function(name, options) {
  if (is.null(options$prefix)) formals(get(name))$prefix else options$prefix
}

# input: the path that the cells came from.
write_labels <- function(results, name, options, format, input) {
  if (format == "rds") return(write_rds(results, options$out))
  columns <- as.data.frame(cell_columns(results), optional = TRUE)
  columns <- columns[startsWith(names(columns), paste0(prefix_of(name, options), "_"))]
  if (format == "h5ad") return(write_h5ad_copy(input, columns, options$out))
  write_table(cbind(data.frame(cell = cell_names(results)), columns), options$out, format)
}

write_embedding <- function(embedding, path, format) {
  if (format == "rds") return(write_rds(embedding, path))
  table <- as.data.frame(embedding, row.names = seq_len(nrow(embedding)))
  write_table(cbind(data.frame(cell = rownames(embedding)), table), path, format)
}
