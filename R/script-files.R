# Files of the script: cells, labels, models, vocabularies and settings in, results out. Whatever
# can be known to be wrong is said before the work begins.

has_ending <- function(path, endings) {
  grepl(sprintf("\\.(%s)$", paste(endings, collapse = "|")), path, ignore.case = TRUE)
}

# In -----------------------------------------------------------------------------------------------

check_there <- function(paths, argument = "x") {
  for (path in paths[!file.exists(path.expand(paths))]) {
    canal_abort("file", argument, "a path that is there", sprintf("\"%s\"", path),
                sprintf("Paths start from the working directory, %s.", getwd()), call = NULL)
  }
}

read_rds <- function(path, argument) {
  check_there(path, argument)
  check_regular_file(path, argument)
  tryCatch(readRDS(path), error = function(error) {
    pass_on_memory(error)
    canal_abort("file", argument, "an object that saveRDS() wrote",
                sprintf("\"%s\": %s", path, conditionMessage(error)), call = NULL)
  })
}

# The object in an .rds; any other path is for canalR's functions to read.
script_cells <- function(path, argument = "x") {
  check_there(path, argument)
  if (has_ending(path, "rds")) read_rds(path, argument) else path
}

# The cells that --assay-type means, and the options that are left to say of them: one that names an
# assay of a Seurat object makes it the default one, here, and the counts of it are read.
chosen_assay <- function(x, options) {
  name <- options$`assay-type`
  if (!is.null(name) && is_seurat_assay(x, name)) {
    SeuratObject::DefaultAssay(x) <- name
    options$`assay-type` <- NULL
  }
  list(x = x, options = options)
}

# A layer of the default assay comes first, as that is what R's functions mean.
is_seurat_assay <- function(x, name) {
  if (!is(x, "Seurat")) return(FALSE)
  need_seurat()
  default <- x[[SeuratObject::DefaultAssay(x)]]
  name %in% SeuratObject::Assays(x) && !length(matching_layers(seurat_layers(default), name))
}

# The counts alone, where --assay-type means an assay of these cells and not of others.
chosen_counts <- function(x, options) {
  chosen <- chosen_assay(x, options)
  if (identical(chosen$options, options)) x else cells_of(chosen$x, assay_of(chosen$options))$counts
}

is_table_path <- function(path) has_ending(path, c("csv", "tsv", "csv.gz", "tsv.gz"))

# All columns as text. The first one names the cells.
read_table <- function(path, argument, header) {
  check_there(path, argument)
  separator <- if (has_ending(path, c("csv", "csv.gz"))) "," else "\t"
  abort <- function(problem) {
    pass_on_memory(problem)
    canal_abort("file", argument, "a table (.csv or .tsv)",
                sprintf("\"%s\": %s", path, conditionMessage(problem)), call = NULL)
  }
  lines <- read_lines(path, argument)
  # It warns of a quotation that has no end.
  tryCatch(utils::read.table(text = lines, header = header, sep = separator, quote = "\"",
                             comment.char = "", colClasses = "character", check.names = FALSE,
                             encoding = "UTF-8"), error = abort, warning = abort)
}

# The labels of the cells of `x` in their order, from a file; the name of a column as it is.
# all: every cell has to have one; else NA where there is none.
script_labels <- function(x, labels, argument, all = TRUE) {
  if (!is_table_path(labels)) return(labels)
  table <- read_table(labels, argument, header = FALSE)
  if (ncol(table) != 2) {
    canal_abort("labels", argument, "a table of two columns, cells and their labels",
                sprintf("\"%s\", which has %d", labels, ncol(table)), call = NULL)
  }
  named_labels(cell_names(x), stats::setNames(table[[2]], table[[1]]), argument, labels, all)
}

# labels: named by cell, perhaps with a header as first.
named_labels <- function(cells, labels, argument, path, all = TRUE) {
  if (is.null(cells)) {
    canal_abort("names", argument, "cells with names, by which labels are found", "cells without",
                call = NULL)
  }
  if (!names(labels)[1] %in% cells) labels <- labels[-1]
  labels <- labels[names(labels) %in% cells]
  twice <- unique(names(labels)[duplicated(names(labels))])
  if (length(twice)) {
    canal_abort("labels", argument, "one label for each cell",
                sprintf("several for %s in \"%s\"", some_of(twice), path), call = NULL)
  }
  missing <- setdiff(cells, names(labels))
  if (length(missing) && all) {
    canal_abort("labels", argument, "a label for every cell",
                sprintf("none in \"%s\" for %s of %s cells (%s)", path, thousands(length(missing)),
                        thousands(length(cells)), some_of(missing)), call = NULL)
  }
  unname(labels[cells])
}

check_label_files <- function(labels, argument) {
  check_there(Filter(is_table_path, as.character(labels)), argument)
}

# argument: the option's.
script_model <- function(name, argument = "model") {
  cache <- tools::R_user_dir("canalR", "cache")
  if (!file.exists(path.expand(name)) && is.null(model_file(name, cache))) {
    abort_no_model(name, argument, cache)
  }
  if (has_ending(name, c("pth", "pt", "safetensors"))) return(canal_import(name))
  tryCatch(canal_pretrained(name), canalR_error = function(error) {
    error$message <- sub("^`name`", sprintf("`%s`", argument), conditionMessage(error))
    stop(error)
  })
}

abort_no_model <- function(name, argument, cache) {
  kept <- sub("[.]h5$", "", list.files(cache, "[.]h5$"))
  canal_abort("file", argument, "\"compact\", a file that is there, or a model in the cache",
              sprintf("\"%s\", which is not there; the cache (%s) has %s", name, cache,
                      if (length(kept)) some_of(kept) else "none"),
              sprintf("Paths start from the working directory, %s.", getwd()), call = NULL)
}

# What --vocabulary means: a canal_vocabulary, gene symbols, or a model.
script_vocabulary <- function(options) {
  file <- options$vocabulary
  if (is.null(file)) return(NULL)
  genes <- if (file == "compact" || has_ending(file, c("h5", "pth", "pt", "safetensors"))) {
    script_model(file, "vocabulary")
  } else if (has_ending(file, "rds")) {
    read_rds(file, "vocabulary")
  } else {
    read_genes(file, "vocabulary")
  }
  if (is.null(options$positions)) return(genes)
  canal_vocabulary(if (is.character(genes)) genes else as_vocabulary(genes)$genes,
                   options$positions)
}

# The first field of each line.
read_genes <- function(file, argument) {
  check_there(file, argument)
  genes <- trimws(sub("[\t,].*", "", read_lines(file, argument)))
  genes[nzchar(genes)]
}

# "compact,n_genes=500" as list("compact", n_genes = 500).
script_settings <- function(text, argument) {
  fields <- trimws(strsplit(text, ",", fixed = TRUE)[[1]])
  entries <- fields[-1]
  if (length(fields) == 0 || !all(grepl("^[^=]+=.+$", entries))) {
    canal_abort("argument", argument, "a name, then entries: compact,n_genes=500",
                sprintf("\"%s\"", text), call = NULL)
  }
  values <- lapply(sub("^[^=]*=", "", entries), utils::type.convert, as.is = TRUE)
  c(list(fields[1]), stats::setNames(values, sub("=.*", "", entries)))
}

script_config <- function(text) {
  if (is.null(text)) return(NULL)
  do.call(canal_config, script_settings(text, "config"))
}

script_recipe <- function(text) {
  if (is.null(text)) return(NULL)
  settings <- script_settings(text, "recipe")
  recipe <- canal_recipe(settings[[1]])
  recipe[names(settings)[-1]] <- settings[-1]
  recipe
}

# Out ----------------------------------------------------------------------------------------------

# Before hours of work: outputs that could not be written, or must not be.
check_targets <- function(options, names) {
  for (name in intersect(names, names(options))) {
    if (options[[name]] != "-") check_output(options[[name]], name)
  }
}

# That a file is there already was refused when the call was read.
check_output <- function(path, name) {
  folder <- dirname(path)
  if (!dir.exists(folder) || !can_write(folder)) {
    canal_abort("file", name, "a folder that can be written to", sprintf("\"%s\"", folder),
                call = NULL)
  }
  file_to_write(path, name)
}

# csv, tsv, rds, h5ad or text; by the name where nobody says. Which there can be was looked at when
# the call was read.
table_format <- function(path, format = NULL, otherwise = "csv") {
  if (!is.null(format)) return(format)
  if (path == "-") return(otherwise)
  ending <- tolower(sub("^.*\\.", "", basename(path)))
  if (ending == "txt") "text" else ending
}

# The file that `path` is, or will be, links followed. Refuses what is no file: a device would be
# replaced by one.
file_to_write <- function(path, name) {
  about_argument(name, "a file that can be written", cpp_file_to_replace(path.expand(path)), NULL)
}

# write(part) writes the file of that name, which becomes `path` when it is whole.
write_whole <- function(path, write) {
  target <- file_to_write(path, "out")
  sweep_parts(dirname(target))
  replace_whole(target, "out", function(part) warnings_stop(write(part)))
  script_tell("Wrote %s.", path)
}

write_rds <- function(value, path) {
  write_whole(path, function(part) save_checked_rds(value, part))
}

# table: a data frame; what it is written as goes by `format`.
write_table <- function(table, path, format) {
  separator <- if (format == "tsv") "\t" else ","
  # Texts are quoted where they have to be.
  plain <- function(x) !is.numeric(x) && any(grepl(paste0("[\"\n\r", separator, "]"), x))
  quoted <- which(vapply(table, plain, NA))
  write <- function(file) {
    utils::write.table(table, file, sep = separator, quote = quoted, qmethod = "double",
                       row.names = FALSE, col.names = FALSE, fileEncoding = "UTF-8")
  }
  header <- paste(csv_names(names(table), separator), collapse = separator)
  if (path == "-") {
    return(to_stdout({
      writeLines(header)
      write("")
    }))
  }
  write_whole(path, function(part) {
    connection <- file(part, "wt", encoding = "UTF-8")
    on.exit(close(connection))
    writeLines(header, connection)
    write(connection)
  })
}

csv_names <- function(names, separator) {
  odd <- grepl(paste0("[\"\n\r", separator, "]"), names)
  names[odd] <- paste0("\"", gsub("\"", "\"\"", names[odd], fixed = TRUE), "\"")
  names
}
