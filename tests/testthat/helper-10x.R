# A folder as Cell Ranger writes it. features: lines of its table, by default an id and a symbol.
write_10x <- function(counts, features = NULL, version = 2) {
  folder <- tempfile()
  dir.create(folder)
  if (is.null(features)) features <- paste0("E", seq_len(nrow(counts)), "\t", rownames(counts))
  Matrix::writeMM(counts, file.path(folder, "matrix.mtx"))
  writeLines(features, file.path(folder, if (version == 2) "genes.tsv" else "features.tsv"))
  writeLines(colnames(counts), file.path(folder, "barcodes.tsv"))
  if (version > 2) for (path in list.files(folder, full.names = TRUE)) compress(path)
  folder
}

# The file under its name with .gz.
compress <- function(path) {
  connection <- gzfile(paste0(path, ".gz"), "wb")
  on.exit(close(connection))
  writeBin(readBin(path, "raw", file.size(path)), connection)
  unlink(path)
}

# Counts (a dgCMatrix) as a file of Cell Ranger's: version 3 and later, or a genome of version 2.
# change: of the parts of its matrix, for files that are not as they should be.
write_10x_h5 <- function(counts, types = NULL, genome = NULL, change = identity) {
  matrix <- list(data = counts@x, indices = counts@i, indptr = counts@p, shape = dim(counts),
                 barcodes = colnames(counts))
  ids <- paste0("E", seq_len(nrow(counts)))
  if (is.null(genome)) {
    matrix$features <- list(id = ids, name = rownames(counts))
    if (is.null(types)) types <- rep("Gene Expression", nrow(counts))
    matrix$features$feature_type <- types
  } else {
    matrix <- c(matrix, list(genes = ids, gene_names = rownames(counts)))
  }
  path <- tempfile(fileext = ".h5")
  cpp_write_tree(path, stats::setNames(list(change(matrix)), c(genome, "matrix")[1]))
  path
}
