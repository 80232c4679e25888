# Where the counts of a query come from, in blocks of cells: memory then holds one block, and what
# has been made of it. Files of the engine's own readers, and matrices that lie on disk behind an
# object (DelayedArray, HDF5Array, TENxMatrix, BPCells), are read so.

# Names of the cells and genes, `dim`, their numbers, `blocks` (a list of first and last cell),
# read(block), the counts of those cells (dgCMatrix, genes x cells); ahead(block) starts to read one
# that will be asked for next, so that the network need not wait for it, and finish() waits for what
# was started. `place` is what another process opens the same source with: list(path, assay.type),
# or NULL. `others`: see cells_result().
cell_source <- function(x, assay.type) {
  if (is.character(x) && is.null(dim(x)) && !is_folder(x)) {
    header <- cell_header(cell_file(x), assay.type)
    if (header$by_cells) {
      place <- list(path = x, assay.type = assay.type)
      return(c(file_source(header, place), list(others = header$others)))
    }
  }
  parts <- cell_parts(x, assay.type)
  if (!any(vapply(parts$parts, is_foreign, NA))) {
    return(c(memory_source(joined_parts(parts)), list(others = parts$others)))
  }
  parts_source(parts)
}

new_source <- function(genes, cells, blocks, read, ahead = function(block) NULL,
                       finish = function() NULL, place = NULL,
                       dim = c(length(genes), length(cells))) {
  list(genes = genes, cells = cells, blocks = blocks, read = read, ahead = ahead, finish = finish,
       place = place, dim = dim)
}

memory_source <- function(counts) {
  read <- function(block) {
    if (block[1] == 1 && block[2] == ncol(counts)) return(counts)
    counts[, seq.int(block[1], block[2]), drop = FALSE]
  }
  new_source(rownames(counts), colnames(counts), list(c(1, ncol(counts))), read,
             dim = dim(counts))
}

# tokens: CanalTokens. What is read of a block is raw (genes x cells), 0 for dropped cells.
token_source <- function(tokens) {
  cells <- tokens@all_cells
  place <- match(cells, colnames(tokens@tokens))
  read <- function(block) {
    at <- place[seq.int(block[1], length.out = diff(block) + 1)]
    values <- matrix(as.raw(0), length(tokens@genes), length(at))
    values[, !is.na(at)] <- tokens@tokens[, at[!is.na(at)]]
    values
  }
  size <- max(1, 2^25 %/% max(1, length(tokens@genes)))
  new_source(tokens@genes, cells, cell_blocks(length(cells), size), read)
}

# header: what cell_header() returns.
file_source <- function(header, place) {
  coming <- NULL  # the block that is being read ahead, and the engine's handle of it
  read <- function(block) {
    slots <- about_cells(if (identical(coming$block, block)) {
      cpp_take_cells(coming$cells)
    } else {
      cpp_read_cells(header$path, header$layer, block[1], block[2])
    })
    coming <<- NULL
    header_counts(slots, header, header$cells[seq(block[1], length.out = diff(block) + 1)])
  }
  blocks <- cell_blocks(length(header$cells), cells_in_block(header))
  if (length(blocks) == 1) {
    whole <- memory_source(read(blocks[[1]]))
    return(new_source(header$genes, header$cells, blocks, whole$read, place = place))
  }
  ahead <- function(block) {
    cells <- cpp_read_ahead(header$path, header$layer, block[1], block[2])
    coming <<- list(block = block, cells = cells)
  }
  finish <- function() {
    if (!is.null(coming)) cpp_forget_cells(coming$cells)
    coming <<- NULL
  }
  new_source(header$genes, header$cells, blocks, read, ahead, finish, place)
}

# How many cells' counts take about so many bytes, of 12 bytes a value.
cells_in_block <- function(header, bytes = 2^25) {
  values <- header$values / max(1, length(header$cells))
  max(1, floor(bytes / 12 / max(1, values)))
}

cell_blocks <- function(n_cells, size) {
  first <- seq(1, max(1, n_cells), by = size)
  Map(c, first, pmin(first + size - 1, n_cells))
}

# Objects ------------------------------------------------------------------------------------------

# The counts of an object as it holds them: list(parts, genes, cells); `parts` are matrices of any
# class (genes x cells) of different cells, and perhaps of different genes. `others`: see
# cells_result(); where it is missing there are none.
cell_parts <- function(x, assay.type) UseMethod("cell_parts")

# nolint start: object_name_linter.
#' @exportS3Method
cell_parts.default <- function(x, assay.type) {
  cells <- cells_of(x, assay.type)
  c(one_part(cells$counts), list(others = cells$others))
}
# nolint end

one_part <- function(counts) {
  list(parts = list(counts), genes = rownames(counts), cells = colnames(counts))
}

joined_parts <- function(parts) {
  sparse <- lapply(parts$parts, sparse_counts)
  if (covers_all(parts)) sparse[[1]] else join_layers(sparse, parts$genes, parts$cells)
}

# One part that has all genes and cells, in order. An assay may have fewer cells than its object.
covers_all <- function(parts) {
  length(parts$parts) == 1 && identical(rownames(parts$parts[[1]]), parts$genes) &&
    identical(colnames(parts$parts[[1]]), parts$cells)
}

# A matrix of another package, whose values may lie on disk.
is_foreign <- function(x) !is.matrix(x) && !methods::is(x, "Matrix")

# The cells of a block lie in one part or in several.
parts_source <- function(parts) {
  whole <- covers_all(parts)
  size <- min(vapply(parts$parts, columns_in_block, 0))
  read <- function(block) {
    if (whole) return(foreign_columns(parts$parts[[1]], block[1], block[2]))
    cells <- parts$cells[block[1]:block[2]]
    found <- lapply(parts$parts, function(part) {
      sparse_counts(part[, sort(match(cells, colnames(part))), drop = FALSE])
    })
    join_layers(found[vapply(found, ncol, 0L) > 0], parts$genes, cells)
  }
  n_cells <- if (whole) ncol(parts$parts[[1]]) else length(parts$cells)
  n_genes <- if (whole) nrow(parts$parts[[1]]) else length(parts$genes)
  new_source(parts$genes, parts$cells, cell_blocks(n_cells, size), read, dim = c(n_genes, n_cells))
}

foreign_columns <- function(x, first, last) {
  foreign_block(x[, seq.int(first, last), drop = FALSE])
}

# Such matrices know how to become a dgCMatrix.
foreign_block <- function(x) {
  tryCatch(
    methods::as(x, "dgCMatrix"),
    error = function(e) {
      pass_on_memory(e)
      canal_abort("class", "x", "counts that can become a sparse matrix (dgCMatrix)",
                  paste("an object of class", class(x)[1]), conditionMessage(e))
    }
  )
}

# A block may be dense on its way. Users of DelayedArray say how large one is to be.
columns_in_block <- function(x) {
  bytes <- if (methods::is(x, "DelayedMatrix")) DelayedArray::getAutoBlockSize() else 2^27
  max(1, floor(bytes / 8 / max(1, nrow(x))))
}

# The whole of such a matrix, block by block: some become dense first where they are asked for all.
sparse_foreign <- function(x) {
  if (length(dim(x)) != 2 || ncol(x) == 0) return(foreign_block(x))
  blocks <- cell_blocks(ncol(x), columns_in_block(x))
  do.call(cbind, lapply(blocks, function(block) foreign_columns(x, block[1], block[2])))
}
