# Every reader on files that are cut off or have one bit changed: an error with a class, or what the
# file held; another value only where the format cannot tell. A crash is the fault of a process of
# its own, which is counted and gone on behind.
source("tests/faults/common.R")

set.seed(fault_seed)
tries <- times(1000, 48)

# Faults in turn: a bit changed, a cut anywhere, a bit changed, and a cut near the end, where least
# is missing to be noticed: of 1 byte, 2 bytes and so on.
is_cut <- function(number) number %% 2 == 0
most_near_end <- 64

faulty <- function(bytes, number) {
  at <- sample.int(length(bytes), 1)
  if (number %% 4 == 0) return(utils::head(bytes, -((number / 4 - 1) %% most_near_end + 1)))
  if (is_cut(number)) return(utils::head(bytes, at - 1))
  bytes[at] <- xor(bytes[at], as.raw(bitwShiftL(1L, sample.int(8, 1) - 1L)))
  bytes
}

# What came of one try: "same", "error" (with a class), "unclassed: ...", or another value: "other"
# of a changed bit; "short" of a cut that the format cannot tell, "cut" of any other.
try_once <- function(case, bytes, path, whole, number) {
  set.seed(number)
  writeBin(faulty(bytes, number), path)
  tryCatch({
    value <- quietly(case$read())
    if (identical(value, whole)) return("same")
    if (!is_cut(number)) return("other")
    if (!is.null(case$short) && case$short(value, whole)) "short" else "cut"
  }, canalR_error = function(error) "error",
  error = function(error) paste("unclassed:", conditionMessage(error)))
}

# Tries numbers `from` on, a line of the log each; the process may end at any of them.
try_batch <- function(case, bytes, path, whole, from, log) {
  for (number in from:tries) {
    outcome <- try_once(case, bytes, path, whole, number)
    cat(gsub("[\r\n]", " ", outcome), "\n", sep = "", file = log, append = TRUE)
  }
}

# "crash", or "hang" where no try has come to its end for a minute.
wait_for_job <- function(job, log, patience = 60) {
  done <- 0
  since <- Sys.time()
  while (is.null(suppressWarnings(parallel::mccollect(job, wait = FALSE, timeout = 0.5)))) {
    if (!file.exists(file.path("/proc", job$pid))) return("crash")
    if (length(readLines(log)) > done) {
      done <- length(readLines(log))
      since <- Sys.time()
    }
    if (difftime(Sys.time(), since, units = "secs") > patience) {
      tools::pskill(job$pid, tools::SIGKILL)
      suppressWarnings(parallel::mccollect(job))
      return("hang")
    }
  }
  "crash"
}

# All tries on one file of a case, in processes that are begun anew behind a crash.
try_file <- function(case, path) {
  bytes <- file_bytes(path)
  on.exit(writeBin(bytes, path))
  whole <- quietly(case$read())
  log <- file.path(folder, "log")
  unlink(log)
  file.create(log)
  repeat {
    done <- length(readLines(log))
    if (done >= tries) break
    job <- parallel::mcparallel(try_batch(case, bytes, path, whole, done + 1, log), silent = TRUE)
    ended <- wait_for_job(job, log)
    # One that crashes removes the session's temporary folder.
    dir.create(tempdir(), showWarnings = FALSE)
    if (length(readLines(log)) < tries) cat(ended, "\n", sep = "", file = log, append = TRUE)
  }
  readLines(log)
}

# A reader: `paths` are damaged one at a time, and `read()` reads what they belong to.
# checked: the format has checksums, so that a value must be the one that was written.
# short(value, whole): for a format that cannot tell where it ends, whether the value is what the
#   file holds up to a cut; `why` says so. Without it no cut may give another value.
# hdf5: others' HDF5 files, which have no checksums; libhdf5 itself can crash on what is damaged in
#   them, which is told and not promised.
try_reader <- function(name, case) {
  outcomes <- unlist(lapply(case$paths, function(path) try_file(case, path)))
  unclassed <- startsWith(outcomes, "unclassed")
  sums <- c(tried = length(outcomes), errors = sum(outcomes == "error"),
            same = sum(outcomes == "same"), other = sum(outcomes == "other"),
            short = sum(outcomes == "short"), cut = sum(outcomes == "cut"),
            unclassed = sum(unclassed), crashes = sum(outcomes %in% c("crash", "hang")))
  wrong <- sum(sums[c("cut", "unclassed", "crashes", if (case$checked) "other")])
  only_libhdf5 <- isTRUE(case$hdf5) && wrong == sums[["crashes"]]
  add_row(if (wrong == 0) "passed" else if (only_libhdf5) "skipped" else "failed",
          c(name, if (case$checked) "yes" else "no", sums))
  if (any(unclassed)) cat(paste0("    ", utils::head(unique(outcomes[unclassed]), 8)), sep = "\n")
}

# The readers --------------------------------------------------------------------------------------

# Not in the session's temporary folder, which a process that crashes takes along.
folder <- file.path(results_folder, "reads")
unlink(folder, recursive = TRUE)
dir.create(folder)
file <- function(name) file.path(folder, name)
model <- trained_model()
canal_save(model, file("model.h5"))
canal_save(cellular_small(classifier = TRUE), file("cellular.h5"))
# As files were before they had checksums.
writeBin(file_bytes(file("model.h5"))[-seq_len(512)], file("older.h5"))
canal_export(model, file("model.pth"), verbose = FALSE)
canal_export(model, file("model.safetensors"), verbose = FALSE)
inside("write_kept")(list(embedding = matrix(stats::runif(600), 100)), file("chunk.rds"))
dir.create(file("cache"))
invisible(file.copy(file("model.h5"), file("cache/kept.h5")))
writeLines(inside("sha256_of")(file("cache/kept.h5")), file("cache/kept.h5.sha256"))
some <- which(seq_along(panc$types) %% 4 == 0)
train_kept <- function(epochs) {
  canal_train(panc$counts[, some], panc$types[some], small_model(), epochs = epochs, seed = 1,
              patience = 100, checkpoint = file("training"), verbose = FALSE)
}
invisible(quietly(train_kept(2)))
state <- list.files(file("training"), full.names = TRUE)
state_identity <- inside("cpp_read_tree")(state, "/", "raw")$format$identity

genes <- paste0("GENE", 1:50)
table <- matrix(round(stats::rnorm(50 * 6), 3), 50)
write_npy(table, file("table.npy"))
vectors <- word2vec_lines(genes, table)
writeLines(c("50 6", vectors), file("table.txt"))
writeLines(vectors, file("bare.txt"))

invisible(file.copy(panc_file, file("cells.h5ad")))
write_gz <- function(lines, path) {
  connection <- gzfile(path, "wt")
  writeLines(lines, connection)
  close(connection)
}
# A folder of Cell Ranger's; write(lines, path) writes a file, `ending` is that of its name.
write_tenx <- function(folder, write, ending) {
  dir.create(folder)
  shown <- as(panc$counts[, 1:60], "TsparseMatrix")
  place <- function(name) file.path(folder, paste0(name, ending))
  write(c("%%MatrixMarket matrix coordinate integer general",
          paste(nrow(shown), ncol(shown), length(shown@x)),
          paste(shown@i + 1L, shown@j + 1L, shown@x)), place("matrix.mtx"))
  write(colnames(shown), place("barcodes.tsv"))
  write(paste(paste0("ENSG", seq_len(nrow(shown))), rownames(shown), "Gene Expression", sep = "\t"),
        place("features.tsv"))
  folder
}
tenx <- write_tenx(file("tenx"), write_gz, ".gz")
tenx_plain <- write_tenx(file("tenx-plain"), writeLines, "")
tenx_h5 <- "tests/testthat/fixtures/tenx/version_3.h5.gz"
unpack <- function(path, to) {
  connection <- gzfile(path, "rb")
  on.exit(close(connection))
  writeBin(readBin(connection, "raw", 1e8), to)
}
unpack(tenx_h5, file("tenx.h5"))
# The last label comes once, so that where it is compressed a cut can take a part of it.
types <- c(panc$types[-1], "Kupffer")
write_labels <- function(name, separator, quote) {
  utils::write.table(data.frame(colnames(panc$counts), types), file(name), sep = separator,
                     quote = quote, row.names = FALSE, col.names = FALSE)
}
write_labels("labels.csv", ",", TRUE)
write_labels("labels.tsv", "\t", FALSE)
write_gz(readLines(file("labels.tsv")), file("labels.tsv.gz"))
writeLines(rownames(panc$counts), file("genes.txt"))
writeLines(c("model: compact", "out: labels.csv", "novelty: canal", "input: a.h5ad", "  b.h5ad"),
           file("job.dcf"))
command_line <- new.env()
for (code in list.files(system.file("command-line", package = "canalR"), "[.]R$",
                        full.names = TRUE)) {
  sys.source(code, command_line)
}
# A call that is wrong ends the script with a status; here it is an error with a class.
command_line$wrong_call <- function(...) canalR:::canal_abort("call", "job", "a job", "another")

cells_in <- function(path) inside("cells_of")(path, "counts")
# As `canal train` does, which checks what it read.
labels_in <- function(name) {
  labels <- inside("script_labels")(panc$counts, file(name), "labels")
  inside("labels_of")(panc$counts, labels)
}

# Of values one after the other, those up to a cut: the last of them may have lost its end.
are_begun <- function(value, whole) {
  n <- length(value)
  n <= length(whole) && (n == 0 || (startsWith(whole[n], value[n]) &&
                                      identical(value[-n], whole[seq_len(n - 1)])))
}
begun_labels <- function(value, whole) {
  length(value) == length(whole) && are_begun(value, whole)
}
begun_job <- function(value, whole) {
  n <- length(value)
  n == 0 || (identical(names(value), names(whole)[seq_len(n)]) &&
               identical(value[-n], whole[seq_len(n - 1)]) && are_begun(value[[n]], whole[[n]]))
}
# All numbers but the last one.
begun_vectors <- function(value, whole) {
  last <- length(whole$positions)
  value$positions[last] <- whole$positions[last]
  identical(value, whole)
}
# The vectors up to one whose last number may be another; those behind it are zeros. The first one
# tells how many numbers there are.
begun_rows <- function(value, whole) {
  value <- value$positions
  whole <- whole$positions[, seq_len(ncol(value)), drop = FALSE]
  last <- which(rowSums(value != whole) > 0)[1]
  behind <- seq_len(nrow(whole)) > last
  row <- value[last, ]
  identical(dimnames(value), dimnames(whole)) && all(value[behind, ] == 0) &&
    (all(row == 0) || all(row[-length(row)] == whole[last, -length(row)]))
}
# The last barcode may have lost its end, and so may the last feature: its name or its type, by
# which it may be left out.
begun_tenx <- function(value, whole) {
  value <- value$counts
  whole <- whole$counts
  rows <- seq_len(nrow(whole) - 1)
  nrow(value) %in% (nrow(whole) - 0:1) && are_begun(colnames(value), colnames(whole)) &&
    identical(rownames(value)[rows], rownames(whole)[rows]) &&
    all(value[rows, ] == whole[rows, ])
}

readers <- list(
  "model" = list(paths = file("model.h5"), checked = TRUE,
                 read = function() loaded(file("model.h5"))),
  "model of an older canalR" = list(paths = file("older.h5"), checked = FALSE, hdf5 = TRUE,
                                    read = function() loaded(file("older.h5"))),
  "CELLULAR model" = list(paths = file("cellular.h5"), checked = TRUE,
                          read = function() loaded(file("cellular.h5"))),
  "training state" = list(paths = state, checked = TRUE,
                          read = function() inside("read_checkpoint")(state, state_identity)),
  "chunk of a query" = list(paths = file("chunk.rds"), checked = TRUE,
                            read = function() inside("read_kept")(file("chunk.rds"))),
  "cache of models" = list(paths = file(c("cache/kept.h5", "cache/kept.h5.sha256")),
                           checked = TRUE, read = function() {
    plain_model(canal_pretrained("kept", cache = file("cache"), verbose = FALSE))
  }),
  ".pth" = list(paths = file("model.pth"), checked = TRUE,
                read = function() imported(file("model.pth"))),
  ".safetensors" = list(paths = file("model.safetensors"), checked = TRUE,
                        read = function() imported(file("model.safetensors"))),
  ".npy" = list(paths = file("table.npy"), checked = FALSE,
                read = function() canal_vocabulary(genes, file("table.npy"))),
  "word2vec" = list(
    paths = file("table.txt"), checked = FALSE, short = begun_vectors,
    why = "it tells how many vectors there are, but the last number may have lost digits",
    read = function() canal_vocabulary(genes, file("table.txt"))
  ),
  "word2vec without a header" = list(
    paths = file("bare.txt"), checked = FALSE, short = begun_rows,
    why = "it does not tell how many vectors there are; genes without one are told of",
    read = function() canal_vocabulary(genes, file("bare.txt"))
  ),
  ".h5ad" = list(paths = file("cells.h5ad"), checked = FALSE, hdf5 = TRUE,
                 read = function() cells_in(file("cells.h5ad"))),
  "10x .h5" = list(paths = file("tenx.h5"), checked = FALSE, hdf5 = TRUE,
                   read = function() cells_in(file("tenx.h5"))),
  "10x folder (.gz)" = list(paths = list.files(tenx, full.names = TRUE), checked = TRUE,
                            read = function() cells_in(tenx)),
  "10x folder, plain" = list(
    paths = list.files(tenx_plain, full.names = TRUE), checked = FALSE, short = begun_tenx,
    why = paste("the matrix tells its size, and its last line must end; barcodes and features must",
                "have as many lines, but the last one's may have lost letters"),
    read = function() cells_in(tenx_plain)
  ),
  "labels (.csv)" = list(paths = file("labels.csv"), checked = FALSE,
                         read = function() labels_in("labels.csv")),
  "labels (.tsv.gz)" = list(paths = file("labels.tsv.gz"), checked = TRUE,
                            read = function() labels_in("labels.tsv.gz")),
  "labels (.tsv)" = list(
    paths = file("labels.tsv"), checked = FALSE, read = function() labels_in("labels.tsv"),
    short = begun_labels,
    why = "every cell must have its label, but the last one's may have lost letters"
  ),
  "genes (.txt)" = list(
    paths = file("genes.txt"), checked = FALSE, short = are_begun,
    why = "it does not tell how many genes there are",
    read = function() inside("read_genes")(file("genes.txt"), "vocabulary")
  ),
  "job file" = list(
    paths = file("job.dcf"), checked = FALSE, short = begun_job,
    why = "it does not tell how many lines there are",
    read = function() command_line$read_job(file("job.dcf"), "predict")
  )
)
only <- commandArgs(trailingOnly = TRUE)[-1]
for (name in if (length(only)) only else names(readers)) try_reader(name, readers[[name]])
unlink(folder, recursive = TRUE)

unclear <- Filter(function(case) !is.null(case$short), readers)
write_results("reads", "Reads: files cut off, and files with one bit changed", c(
  "reader", "checksums", "tries", "classed errors", "the same value", "another value: bit changed",
  "cut, which it cannot tell", "another value: cut", "other errors", "crashes and hangs"
), c(
  "Where a format has checksums, another value is a failure. The others have none: a changed digit",
  "is another number, and what is asked for is an error with a class or a valid value. A file that",
  "was cut off must be told of in any format, but for those that cannot tell, which give what is",
  sprintf("before the cut: %s.",
          paste0(names(unclear), " (", vapply(unclear, `[[`, "", "why"), ")", collapse = "; ")),
  "HDF5 files without checksums can crash libhdf5: a row of them with crashes and nothing else",
  "amiss counts as skipped, and its crashes stand in the table."
))
