# `canal info`: what a model or a file of cells holds, as lines of text.

script_info <- function(call) {
  options <- call$options
  for (path in call$inputs) {
    lines <- if (is_model_path(path)) model_lines(path, options) else cells_lines(path, options)
    to_stdout(writeLines(c(path, paste0("  ", lines))))
  }
}

is_model_path <- function(path) {
  if (has_ending(path, c("pth", "pt", "safetensors"))) return(TRUE)
  if (!file.exists(path)) return(!is.null(model_file(path, tools::R_user_dir("canalR", "cache"))))
  if (dir.exists(path) || has_ending(path, c("h5ad", "rds"))) return(FALSE)
  # Other HDF5 files hold cells.
  "format" %in% about_argument("x", "a model or cells", cpp_list_names(path.expand(path), "/"))
}

model_lines <- function(path, options) {
  model <- script_model(path)
  provenance <- model@provenance
  c(utils::capture.output(show(model)),
    sprintf("  begun      %s UTC, canalR %s", c(provenance$created, "?")[1],
            c(provenance$version, "?")[1]),
    sprintf("  all types  %s", if (length(model@labels)) some_of(model@labels, Inf) else "none"),
    if (isTRUE(options$verbose) && is(model, "CanalModel")) {
      utils::capture.output(print(model@config))
    })
}

cells_lines <- function(path, options) {
  x <- script_cells(path)
  if (is(x, "CanalTokens") || is(x, "CanalModel") || is(x, "CellularModel")) {
    return(utils::capture.output(show(x)))
  }
  chosen <- chosen_assay(x, options)
  source <- cell_source(chosen$x, assay_of(chosen$options))
  on.exit(source$finish())
  c(if (!is.character(x)) sprintf("object   %s", class(x)[1]),
    if (is.character(x) && !is_folder(x)) {
      sprintf("matrices %s", some_of(cell_file(x)$matrices, Inf))
    },
    sprintf("cells    %s: %s", thousands(length(source$cells)), first_of(source$cells)),
    sprintf("genes    %s: %s", thousands(length(source$genes)), first_of(source$genes)),
    column_lines(cell_columns(x)))
}

# A line per column: its values where they are few.
column_lines <- function(columns) {
  if (!length(columns) || !ncol(columns)) return("columns  none")
  vapply(names(columns), function(name) {
    values <- columns[[name]]
    distinct <- unique(as.vector(values))
    sprintf("column   %s: %s, %s distinct: %s", name, class(values)[1],
            thousands(length(distinct)), first_of(as.character(distinct), 5))
  }, "", USE.NAMES = FALSE)
}

first_of <- function(values, most = 3) {
  paste(c(utils::head(values, most), if (length(values) > most) "..."), collapse = ", ")
}
