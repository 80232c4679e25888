# Every reader on files that are cut off or have one bit changed: an error with a class, or what the
# file held. A crash is the fault of a process of its own, which is counted and gone on behind.
source("tests/faults/common.R")

set.seed(fault_seed)
tries <- times(1000, 10)

# A file with one fault: half of them cut off at a random place, half with a random bit changed.
faulty <- function(bytes, at, truncated) {
  if (truncated) return(utils::head(bytes, at - 1))
  bytes[at] <- xor(bytes[at], as.raw(bitwShiftL(1L, sample.int(8, 1) - 1L)))
  bytes
}

# One try: "same", "error" (with a class), "other" (a value that is another), "unclassed".
try_once <- function(case, bytes, path, whole, seed) {
  set.seed(seed)
  truncated <- seed %% 2 == 0
  writeBin(faulty(bytes, sample.int(length(bytes), 1), truncated), path)
  tryCatch({
    value <- quietly(case$read())
    if (identical(value, whole)) "same" else if (truncated) "other, cut" else "other"
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

# checked: the format has checksums, so that a value must be the one that was written. hdf5: others'
# HDF5 files, which have none; libhdf5 itself can crash on what is damaged in them, which is told
# and not promised.
try_reader <- function(name, case) {
  outcomes <- unlist(lapply(case$paths, function(path) try_file(case, path)))
  sums <- c(tried = length(outcomes), errors = sum(outcomes == "error"),
            same = sum(outcomes == "same"), other = sum(startsWith(outcomes, "other")),
            unclassed = sum(startsWith(outcomes, "unclassed")),
            crashes = sum(outcomes %in% c("crash", "hang")))
  wrong <- sums[["unclassed"]] + sums[["crashes"]] + if (case$checked) sums[["other"]] else 0
  only_libhdf5 <- isTRUE(case$hdf5) && wrong == sums[["crashes"]]
  add_row(if (wrong == 0) "passed" else if (only_libhdf5) "skipped" else "failed",
          c(name, if (case$checked) "yes" else "no", sums))
  odd <- unique(grep("^unclassed|cut", outcomes, value = TRUE))
  if (length(odd)) cat(paste0("    ", utils::head(odd, 8)), sep = "\n")
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
file.copy(file("model.h5"), file("cache/kept.h5"))
writeLines(inside("sha256_of")(file("cache/kept.h5")), file("cache/kept.h5.sha256"))
some <- which(seq_along(panc$types) %% 4 == 0)
train_kept <- function(epochs) {
  canal_train(panc$counts[, some], panc$types[some], small_model(), epochs = epochs, seed = 1,
              patience = 100, checkpoint = file("training"), verbose = FALSE)
}
quietly(train_kept(2))
state <- list.files(file("training"), full.names = TRUE)
state_identity <- inside("cpp_read_tree")(state, "/", "raw")$format$identity

# NumPy's format, version 1.
write_npy <- function(table, path) {
  text <- sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", nrow(table),
                  ncol(table))
  text <- paste0(formatC(text, width = -117), "\n")
  connection <- base::file(path, "wb")
  writeBin(c(as.raw(0x93), charToRaw("NUMPY"), as.raw(c(1, 0))), connection)
  writeBin(nchar(text), connection, size = 2, endian = "little")
  writeBin(charToRaw(text), connection)
  writeBin(as.vector(t(table)), connection, size = 4, endian = "little")
  close(connection)
}
genes <- paste0("GENE", 1:50)
table <- matrix(round(stats::rnorm(50 * 6), 3), 50)
write_npy(table, file("table.npy"))
writeLines(c("50 6", paste(genes, apply(table, 1, paste, collapse = " "))), file("table.txt"))

file.copy(panc_file, file("cells.h5ad"))
tenx <- file("tenx")
dir.create(tenx)
write_gz <- function(lines, name) {
  connection <- gzfile(file.path(tenx, name), "wt")
  writeLines(lines, connection)
  close(connection)
}
shown <- as(panc$counts[, 1:60], "TsparseMatrix")
write_gz(c("%%MatrixMarket matrix coordinate integer general",
           paste(nrow(shown), ncol(shown), length(shown@x)),
           paste(shown@i + 1L, shown@j + 1L, shown@x)), "matrix.mtx.gz")
write_gz(colnames(shown), "barcodes.tsv.gz")
write_gz(paste(rownames(shown), rownames(shown), "Gene Expression", sep = "\t"), "features.tsv.gz")
tenx_h5 <- "tests/testthat/fixtures/tenx/version_3.h5.gz"
unpack <- function(path, to) {
  connection <- gzfile(path, "rb")
  on.exit(close(connection))
  writeBin(readBin(connection, "raw", 1e8), to)
}
unpack(tenx_h5, file("tenx.h5"))
utils::write.table(data.frame(colnames(panc$counts), panc$types), file("labels.csv"), sep = ",",
                   row.names = FALSE, col.names = FALSE)
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

loaded <- function(path) plain_model(canal_load(path))
imported <- function(path) plain_model(canal_import(path, verbose = FALSE))
imported_content <- function(path) {
  model <- imported(path)
  model$provenance <- NULL  # when it was read
  model
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
  "cache of models" = list(paths = file("cache/kept.h5"), checked = TRUE, read = function() {
    plain_model(canal_pretrained("kept", cache = file("cache"), verbose = FALSE))
  }),
  ".pth" = list(paths = file("model.pth"), checked = TRUE,
                read = function() imported_content(file("model.pth"))),
  ".safetensors" = list(paths = file("model.safetensors"), checked = TRUE,
                        read = function() imported_content(file("model.safetensors"))),
  ".npy" = list(paths = file("table.npy"), checked = FALSE,
                read = function() canal_vocabulary(genes, file("table.npy"))),
  "word2vec" = list(paths = file("table.txt"), checked = FALSE,
                    read = function() canal_vocabulary(genes, file("table.txt"))),
  ".h5ad" = list(paths = file("cells.h5ad"), checked = FALSE, hdf5 = TRUE,
                 read = function() inside("cells_of")(file("cells.h5ad"), "counts")),
  "10x .h5" = list(paths = file("tenx.h5"), checked = FALSE, hdf5 = TRUE,
                   read = function() inside("cells_of")(file("tenx.h5"), "counts")),
  "10x folder (.gz)" = list(paths = list.files(tenx, full.names = TRUE), checked = FALSE,
                            read = function() inside("cells_of")(tenx, "counts")),
  "labels (.csv)" = list(paths = file("labels.csv"), checked = FALSE, read = function() {
    inside("script_labels")(panc$counts, file("labels.csv"), "labels")
  }),
  "genes (.txt)" = list(paths = file("genes.txt"), checked = FALSE, read = function() {
    canal_vocabulary(inside("read_genes")(file("genes.txt"), "vocabulary"))
  }),
  "job file" = list(paths = file("job.dcf"), checked = FALSE,
                    read = function() command_line$read_job(file("job.dcf"), "predict"))
)
only <- commandArgs(trailingOnly = TRUE)[-1]
for (name in if (length(only)) only else names(readers)) try_reader(name, readers[[name]])
unlink(folder, recursive = TRUE)

write_results("reads", "Reads: files cut off, and files with one bit changed", c(
  "reader", "checksums", "tries", "classed errors", "the same value", "another value",
  "other errors", "crashes and hangs"
), c(
  "Where a format has checksums, another value is a failure. The others have none: a changed digit",
  "is another number, and what is asked for is an error with a class or a valid value. HDF5 files",
  "without checksums can crash libhdf5: a row of them with crashes and nothing else amiss counts",
  "as skipped, and its crashes stand in the table."
))
