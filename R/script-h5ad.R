# `canal predict --out x.h5ad`: a copy of the AnnData file that came in, with the results as columns
# of `obs`. They are written as AnnData 0.8 and later write them: texts as categoricals, which can
# be missing, and numbers as arrays.

# What would stop it after the work. wanted: names of the columns.
check_h5ad_copy <- function(path, wanted) {
  need_package("hdf5r", "out", "which writes into .h5ad files")
  if (cell_file(path)$format != "h5ad") {
    canal_abort("file", "x", "an AnnData file, for an .h5ad as --out", sprintf("\"%s\"", path),
                call = NULL)
  }
  file <- hdf5r::H5File$new(path.expand(path), "r")
  on.exit(file$close_all())
  obs <- file[["obs"]]
  if (!methods::is(obs, "H5Group") || !identical(obs_attribute(obs, "encoding-version"), "0.2.0")) {
    canal_abort("file", "x", "an AnnData file of version 0.8 or later, for an .h5ad as --out",
                sprintf("\"%s\", of an older one", path),
                "Python's anndata writes it anew; a .csv as --out has the labels alone.",
                call = NULL)
  }
  taken <- intersect(wanted, names(obs))
  if (length(taken)) {
    canal_abort("argument", "prefix", "one whose results have names of their own",
                sprintf("one of which obs has %s already", some_of(taken)),
                "--prefix gives the results other names.", call = NULL)
  }
  odd <- grep("/", wanted, fixed = TRUE, value = TRUE)
  if (length(odd)) {
    canal_abort("argument", "probabilities", "types without a `/`, which HDF5 has in no name",
                some_of(odd), "A .csv as --out has room for them.", call = NULL)
  }
}

obs_attribute <- function(obs, name) {
  if (obs$attr_exists(name)) hdf5r::h5attr(obs, name)
}

# columns: a data frame with a row for each cell of the file, in its order.
write_h5ad_copy <- function(input, columns, path) {
  write_whole(path, function(part) {
    copy_with_room(path.expand(input), part, h5ad_room(columns))
    file <- hdf5r::H5File$new(part, "r+")
    on.exit(if (file$is_valid) file$close_all())
    obs <- file[["obs"]]
    for (name in names(columns)) add_obs_column(obs, name, columns[[name]])
    order <- c(as.character(obs_attribute(obs, "column-order")), names(columns))
    if (obs$attr_exists("column-order")) obs$attr_delete("column-order")
    obs$create_attr("column-order", order, dtype = h5_text())
    file$close_all()
  })
}

# HDF5 must not find the disk full: a file that it could not flush it cannot close either, and ends
# R when it tries to. So the room that it will need is taken before, as bytes beyond what it knows
# of the file; when it closes the file it cuts off what is left of them.
copy_with_room <- function(from, to, bytes) {
  size <- file.size(from)
  copied <- file.copy(from, to)
  # A file that is for reading alone has a copy that is, too.
  Sys.chmod(to, "644")
  if (copied) append_zeros(to, bytes)
  # Neither tells of all that was not written.
  if (!copied || !identical(file.size(to), size + bytes)) stop("the disk is full")
}

append_zeros <- function(path, bytes, at_once = 2^24) {
  connection <- file(path, "ab")
  on.exit(close(connection))
  while (bytes > 0) {
    writeBin(raw(min(bytes, at_once)), connection)
    bytes <- bytes - at_once
  }
}

# More bytes than the columns take in the file: their values, of which R holds whole numbers in half
# of what they are written as; what HDF5 notes of a column, some 3 kB; and the group's own lists of
# names, which move when they grow.
h5ad_room <- function(columns) {
  2 * as.numeric(utils::object.size(columns)) + 2^13 * ncol(columns) + 2^20
}

add_obs_column <- function(obs, name, values) {
  if (is.numeric(values)) return(add_array(obs, name, as.double(values), hdf5r::h5types$double))
  values <- as.character(values)
  types <- sort(unique(values), method = "radix")
  group <- obs$create_group(name)
  mark_encoding(group, "categorical")
  # Python takes a number for no truth value.
  group$create_attr("ordered", FALSE, dtype = hdf5r::H5T_LOGICAL$new(include_NA = FALSE),
                    space = hdf5r::H5S$new("scalar"))
  add_array(group, "categories", types, h5_text(), "string-array")
  codes <- match(values, types, nomatch = 0L) - 1L
  add_array(group, "codes", codes, if (length(types) < 128) {
    hdf5r::h5types$H5T_STD_I8LE
  } else {
    hdf5r::h5types$H5T_STD_I32LE
  })
}

add_array <- function(group, name, values, type, encoding = "array") {
  array <- group$create_dataset(name, values, dtype = type, chunk_dims = NULL,
                                space = hdf5r::H5S$new("simple", dims = length(values)))
  mark_encoding(array, encoding)
}

mark_encoding <- function(object, encoding) {
  for (attribute in c("type", "version")) {
    object$create_attr(paste0("encoding-", attribute),
                       if (attribute == "type") encoding else "0.2.0", dtype = h5_text(),
                       space = hdf5r::H5S$new("scalar"))
  }
}

# Texts of any length in UTF-8.
h5_text <- function() {
  hdf5r::H5T_STRING$new(size = Inf)$set_cset(hdf5r::h5const$H5T_CSET_UTF8)
}
