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
