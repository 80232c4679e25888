# Work that is shared out, or kept chunk by chunk.

values_of <- function(x) as.data.frame(x)

some_workers <- function() {
  skip_if_not_installed("BiocParallel")
  forks <- if (.Platform$OS.type == "unix") list(BiocParallel::MulticoreParam(2))
  c(list(BiocParallel::SerialParam(), BiocParallel::SnowParam(2)), forks)
}

test_that("workers give what this process gives, bit for bit", {
  counts <- stage_two_cells()$counts
  counts[, 3] <- 0
  path <- write_h5ad(counts)
  on.exit(unlink(path))
  annotate <- function(x, ...) {
    values_of(predict_quietly(x, stage_two(), novelty = "canal", seed = 1,
                              probabilities = "columns", ...))
  }
  expected <- annotate(counts)
  for (workers in some_workers()) {
    for (x in list(counts, path)) {
      set.seed(5)
      found <- with_chunks_of(8, annotate(x, BPPARAM = workers))
      drawn <- runif(1)
      expect_identical(found, expected)
      # Nor did the user's random numbers move.
      set.seed(5)
      expect_identical(drawn, runif(1))
    }
  }
})

test_that("embeddings and CELLULAR are shared out too", {
  skip_if_not_installed("BiocParallel")
  serial <- BiocParallel::SerialParam()
  counts <- stage_two_cells()$counts
  embed <- function(...) canal_embed(counts, stage_two(), verbose = FALSE, ...)$embedding
  expect_identical(with_chunks_of(8, embed(BPPARAM = serial)), embed())
  query <- panc_cells("smartseq2")$counts
  annotate <- function(...) {
    values_of(cellular_predict(query, cellular_model(), verbose = FALSE, ...))
  }
  expect_identical(with_chunks_of(8, annotate(BPPARAM = serial)), annotate())
})

test_that("batchtools' workers are given paths alone", {
  skip_if_not_installed("BiocParallel")
  skip_if_not_installed("batchtools")
  counts <- stage_two_cells()$counts
  folder <- tempfile()
  registry <- BiocParallel::batchtoolsRegistryargs(file.dir = tempfile(), work.dir = getwd(),
                                                   packages = character(0))
  workers <- BiocParallel::BatchtoolsParam(2, cluster = "multicore", registryargs = registry)
  found <- with_chunks_of(16, suppressMessages(
    predict_quietly(counts, stage_two(), BPPARAM = workers, checkpoint = folder)
  ))
  on.exit(unlink(folder, recursive = TRUE))
  expect_identical(values_of(found), values_of(predict_quietly(counts, stage_two())))
})

test_that("a file whose contents have changed is read anew, by workers that go on running too", {
  skip_if_not_installed("BiocParallel")
  started <- BiocParallel::bpstart(BiocParallel::SnowParam(1))
  on.exit(BiocParallel::bpstop(started))
  canal <- function(x, ...) values_of(predict_quietly(x, stage_two(), ...))
  cellular <- function(x, ...) {
    values_of(cellular_predict(x, cellular_model(), verbose = FALSE, ...))
  }
  counts <- stage_two_cells()$counts
  # The same cells by name.
  others <- counts[, rev(seq_len(ncol(counts)))]
  colnames(others) <- colnames(counts)
  path <- tempfile(fileext = ".h5ad")
  on.exit(unlink(path), add = TRUE)
  for (annotate in list(canal, cellular)) {
    for (workers in list(BiocParallel::SerialParam(), started)) {
      for (contents in list(counts, others)) {
        file.rename(write_h5ad(contents), path)
        expect_identical(annotate(path, BPPARAM = workers), annotate(contents))
      }
    }
  }
  expect_false(identical(canal(counts), canal(others)))
  expect_false(identical(cellular(counts), cellular(others)))
})

test_that("a folder that was emptied and serves another call serves started workers", {
  skip_if_not_installed("BiocParallel")
  workers <- BiocParallel::bpstart(BiocParallel::SnowParam(1))
  on.exit(BiocParallel::bpstop(workers))
  counts <- stage_two_cells()$counts
  path <- write_h5ad(counts)
  folder <- tempfile()
  on.exit(unlink(c(path, folder), recursive = TRUE), add = TRUE)
  annotate <- function(x, model) {
    values_of(with_chunks_of(8, predict_quietly(x, model, BPPARAM = workers,
                                                checkpoint = folder)))
  }
  expected <- annotate(path, stage_two())
  # Some of its chunks are there: the worker is given the rest of the same job.
  unlink(list.files(folder, "^output", full.names = TRUE)[1:2])
  expect_identical(annotate(path, stage_two()), expected)
  unlink(folder, recursive = TRUE)
  others <- counts[, rev(seq_len(ncol(counts)))]
  file.rename(write_h5ad(others), path)
  expect_identical(annotate(path, stage_two()), values_of(predict_quietly(others, stage_two())))
})

test_that("two calls never have one mark, and none moves the random numbers", {
  set.seed(4)
  before <- .Random.seed
  marks <- replicate(100, call_mark(), simplify = FALSE)
  expect_identical(anyDuplicated(marks), 0L)
  expect_identical(.Random.seed, before)
})

test_that("this process keeps neither model nor counts once it has done the chunks", {
  skip_if_not_installed("BiocParallel")
  path <- write_h5ad(stage_two_cells()$counts)
  on.exit(unlink(path))
  annotate <- function() {
    predict_quietly(path, stage_two(), BPPARAM = BiocParallel::SerialParam())
  }
  annotate()
  expect_length(ls(opened_job), 0)
  expect_error(with_binding("pass_output", function(...) stop("no"), annotate()),
               class = "canalR_error_chunk")
  expect_length(ls(opened_job), 0)
})

test_that("a call that was stopped goes on with the chunks it has", {
  counts <- stage_two_cells()$counts
  folder <- tempfile()
  on.exit(unlink(folder, recursive = TRUE))
  annotate <- function(...) {
    with_chunks_of(8, values_of(predict_quietly(counts, stage_two(), checkpoint = folder, ...)))
  }
  expected <- values_of(predict_quietly(counts, stage_two()))
  expect_identical(annotate(), expected)
  outputs <- list.files(folder, "^output", full.names = TRUE)
  expect_gt(length(outputs), 2)
  expect_length(list.files(folder, "^input"), 0)
  unlink(outputs[2])
  # What is there is not computed again: a changed chunk shows.
  changed <- read_kept(outputs[1])
  changed$logits[1, ] <- c(50, rep(0, ncol(changed$logits) - 1))
  write_kept(changed, outputs[1])
  again <- annotate()
  expect_identical(again[-1, ], expected[-1, ])
  expect_identical(again$canal_label[1], stage_two()@labels[1])
  expect_true(file.exists(outputs[2]))
})

test_that("chunks whose plan is gone are not taken for others'", {
  cells <- stage_two_cells()$counts
  half <- seq_len(ncol(cells) / 2)
  folder <- tempfile()
  on.exit(unlink(folder, recursive = TRUE))
  annotate <- function(x, ...) values_of(predict_quietly(x, stage_two(), ...))
  annotate(cells[, half], checkpoint = folder)
  unlink(file.path(folder, "plan.rds"))
  expect_refused(annotate(cells[, -half], checkpoint = folder), "checkpoint", "checkpoint")
})

test_that("a folder with anybody else's files in it is refused, and they stay", {
  folder <- tempfile()
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  files <- file.path(folder, c("input-cells.rds", "job.rds", "model.h5"))
  for (file in files) writeLines("precious", file)
  expect_refused(predict_quietly(stage_two_cells()$counts, stage_two(), checkpoint = folder),
                 "checkpoint", "checkpoint")
  expect_setequal(list.files(folder, full.names = TRUE), files)
  for (file in files) expect_identical(readLines(file), "precious")
})

test_that("without a seed the same call gives the same", {
  cells <- stage_two_cells()$counts
  folder <- tempfile()
  on.exit(unlink(folder, recursive = TRUE))
  annotate <- function() {
    set.seed(NULL)
    predict_quietly(cells, stage_two(), novelty = "canal", checkpoint = folder)
  }
  seed_of <- function(x) S4Vectors::metadata(x)$canal$canal$prediction$parameters$seed
  first <- annotate()
  again <- annotate()
  expect_identical(seed_of(again), seed_of(first))
  expect_identical(values_of(again), values_of(first))
})

test_that("a worker that cannot load canalR says so", {
  skip_if_not_installed("BiocParallel")
  skip_on_os("windows")
  # As on a node of a cluster where it is not installed.
  workers <- BiocParallel::bpstart(BiocParallel::SnowParam(1))
  on.exit(BiocParallel::bpstop(workers))
  BiocParallel::bplapply(1, function(i) {
    unloadNamespace("canalR")
    .libPaths(character(), include.site = FALSE)
    Sys.setenv(R_LIBS = "")
  }, BPPARAM = workers)
  expect_error(predict_quietly(stage_two_cells()$counts, stage_two(), BPPARAM = workers),
               "canalR", class = "canalR_error_chunk")
})

test_that("a relative folder serves workers that were started elsewhere", {
  skip_if_not_installed("BiocParallel")
  workers <- BiocParallel::bpstart(BiocParallel::SnowParam(2))
  on.exit(BiocParallel::bpstop(workers))
  elsewhere <- tempfile()
  dir.create(elsewhere)
  before <- setwd(elsewhere)
  on.exit(setwd(before), add = TRUE, after = FALSE)
  counts <- stage_two_cells()$counts
  tasks <- BiocParallel::bptasks(workers)
  expect_identical(values_of(predict_quietly(counts, stage_two(), BPPARAM = workers,
                                             checkpoint = "here")),
                   values_of(predict_quietly(counts, stage_two())))
  # The user's workers are as they were.
  expect_identical(BiocParallel::bptasks(workers), tasks)
})

test_that("every chunk that a worker has done is told", {
  skip_if_not_installed("BiocParallel")
  counts <- stage_two_cells()$counts
  for (workers in some_workers()) {
    told <- NULL
    with_binding("cell_progress", function(name, total, verbose) {
      function(done, total) told <<- rbind(told, c(done, total))
    }, with_chunks_of(8, predict_quietly(counts, stage_two(), BPPARAM = workers)))
    expect_gt(nrow(told), 3)
    expect_true(all(told[, 2] == ncol(counts)))
    expect_true(all(diff(told[, 1]) > 0))
    expect_equal(utils::tail(told[, 1], 1), ncol(counts))
  }
})

test_that("a folder with chunks of another call is refused", {
  counts <- stage_two_cells()$counts
  folder <- tempfile()
  on.exit(unlink(folder, recursive = TRUE))
  predict_quietly(counts, stage_two(), checkpoint = folder)
  others <- counts
  others[1, 1] <- others[1, 1] + 1
  again <- function(x, model, ...) predict_quietly(x, model, checkpoint = folder, ...)
  expect_error(again(others, stage_two()), "chunks of another", class = "canalR_error_checkpoint")
  expect_error(again(counts, stage_one()), class = "canalR_error_checkpoint")
  expect_error(again(counts, stage_two(), novelty = "canal"), class = "canalR_error_checkpoint")
  expect_error(again(counts, stage_two(), min_genes = 0), NA)
  file <- list.files(folder, "^output", full.names = TRUE)[1]
  writeBin(readBin(file, "raw", 40), file)
  expect_error(again(counts, stage_two()), "remove it", class = "canalR_error_file")
  unlink(file)
  expect_error(again(counts, stage_two()), NA)
})

test_that("a chunk that fails once is tried again, and one that goes on failing is named", {
  counts <- stage_two_cells()$counts
  folder <- tempfile()
  on.exit(unlink(folder, recursive = TRUE))
  real <- pass_output
  runs <- 0
  # Annotates where a run fails if fails(its number, its cells).
  annotate <- function(fails) {
    runs <<- 0
    with_binding("pass_output", function(pass, input, ...) {
      runs <<- runs + 1
      if (fails(runs, colnames(input))) stop("the disk is on fire")
      real(pass, input, ...)
    }, with_chunks_of(8, values_of(predict_quietly(counts, stage_two(), checkpoint = folder))))
  }
  last <- utils::tail(colnames(counts), 1)
  expect_error(annotate(function(run, cells) last %in% cells),
               "failed 3 times.* chunk 4 .*disk is on fire.*goes on", class = "canalR_error_chunk")
  expect_length(list.files(folder, "^output"), 3)
  expect_identical(annotate(function(run, cells) run == 1),
                   values_of(predict_quietly(counts, stage_two())))
  # The one chunk that was missing, which failed once more, and nothing else.
  expect_identical(runs, 2)
})

test_that("what went wrong in a worker is told", {
  skip_on_os("windows")
  skip_if_not_installed("BiocParallel")
  counts <- stage_two_cells()$counts
  workers <- BiocParallel::MulticoreParam(2)
  broken <- function(...) stop("no memory in this worker")
  expect_error(
    with_binding("pass_output", broken,
                 with_chunks_of(8, predict_quietly(counts, stage_two(), BPPARAM = workers))),
    "no memory in this worker.*With `checkpoint`", class = "canalR_error_chunk"
  )
})

test_that("a worker that is killed costs its chunk a second try, and no more", {
  skip_on_os("windows")
  skip_if_not_installed("BiocParallel")
  counts <- stage_two_cells()$counts
  expected <- values_of(predict_quietly(counts, stage_two()))
  marker <- tempfile()
  real <- pass_output
  found <- suppressWarnings(with_binding("pass_output", function(...) {
    if (file.exists(marker)) return(real(...))
    file.create(marker)
    tools::pskill(Sys.getpid(), tools::SIGKILL)
  }, with_chunks_of(8, predict_quietly(counts, stage_two(),
                                       BPPARAM = BiocParallel::MulticoreParam(2)))))
  expect_true(file.exists(marker))
  expect_identical(values_of(found), expected)
})

test_that("what is done when the workers are gone is kept", {
  skip_on_os("windows")
  skip_if_not_installed("BiocParallel")
  counts <- stage_two_cells()$counts
  folder <- tempfile()
  on.exit(unlink(folder, recursive = TRUE))
  annotate <- function(workers) {
    with_chunks_of(8, predict_quietly(counts, stage_two(), BPPARAM = workers,
                                      checkpoint = folder))
  }
  workers <- BiocParallel::bpstart(BiocParallel::SnowParam(2))
  processes <- unlist(BiocParallel::bplapply(1:2, function(i) Sys.getpid(), BPPARAM = workers))
  tools::pskill(processes, tools::SIGKILL)
  expect_error(annotate(workers), "goes on from there", class = "canalR_error_chunk")
  # Nobody is left to be told to stop.
  suppressWarnings(try(BiocParallel::bpstop(workers), silent = TRUE))
  expect_identical(values_of(annotate(NULL)), values_of(predict_quietly(counts, stage_two())))
})

test_that("forks compute what this process does", {
  skip_on_os("windows")
  counts <- stage_two_cells()$counts
  expected <- values_of(predict_quietly(counts, stage_two()))
  in_fork <- parallel::mclapply(1:2, function(i) {
    values_of(predict_quietly(counts, stage_two(), num_threads = 3))
  }, mc.cores = 2)
  for (found in in_fork) expect_identical(found, expected)
})

# Of OpenMP's threads that another call has left behind: they are not in the fork.
test_that("nor do forks wait for threads where work is short", {
  skip_on_os("windows")
  config <- canal_config("compact", n_genes = 2, dim = 8, features = 64, head_width = 4)
  drawn <- function() canal_model(config, c("A", "B"), seed = 1)
  cellular_model()
  in_fork <- parallel::mcparallel(drawn())
  found <- parallel::mccollect(in_fork, wait = FALSE, timeout = 60)
  if (is.null(found)) {
    tools::pskill(in_fork$pid, tools::SIGKILL)
    suppressWarnings(parallel::mccollect(in_fork))
  }
  expect_same_model(found[[1]], drawn())
})

test_that("what is kept is what was written, or it is refused", {
  folder <- tempfile()
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  path <- file.path(folder, "kept.rds")
  value <- list(a = 1:3, b = "text")
  write_kept(value, path)
  expect_identical(read_kept(path), value)
  expect_identical(readRDS(path), value)
  bytes <- readBin(path, "raw", file.size(path))
  for (at in seq_along(bytes)) {
    writeBin(replace(bytes, at, xor(bytes[at], as.raw(4))), path)
    expect_error(read_kept(path), "a whole", class = "canalR_error_file")
  }
  for (size in c(0, 10, length(bytes) - 1)) {
    writeBin(utils::head(bytes, size), path)
    expect_error(read_kept(path), "a whole", class = "canalR_error_file")
  }
})

test_that("a pipe in the place of what is kept is refused", {
  skip_on_os("windows")
  skip_if(!nzchar(Sys.which("mkfifo")), "no mkfifo")
  path <- tempfile()
  on.exit(unlink(path))
  system2("mkfifo", shQuote(path))
  # A session that waits for a pipe would never say so.
  text <- in_new_session(
    "result <- tryCatch(canalR:::read_kept(value), canalR_error_file = conditionMessage)", path
  )
  expect_match(text, "`checkpoint`: .* is a pipe or device, not a file")
})

test_that("what killed processes left half written is removed when it is old", {
  folder <- tempfile()
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  names <- c(".canalR-part-1", ".canalR-part-2", "users.file")
  file.create(file.path(folder, names))
  Sys.setFileTime(file.path(folder, names[-2]), Sys.time() - 7200)
  sweep_parts(folder)
  expect_setequal(list.files(folder, all.files = TRUE, no.. = TRUE), names[-1])
})
