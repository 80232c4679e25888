# A query in chunks of cells, each a piece of work of its own: for a worker of BiocParallel, which
# is given paths, or for this process. What a chunk gives is kept in a file, so that a job that was
# stopped goes on where it was.
#
# A folder holds plan.rds (whose cells, in which chunks), job.rds (the pass, and where the cells
# are), model.h5, seed.rds (what was drawn with afterwards, where nobody gave one), and per chunk
# input-<plan>-00001.rds (what the network reads, where the cells lie in this process' memory alone)
# and output-<plan>-00001.rds.

check_workers <- function(BPPARAM) {
  if (is.null(BPPARAM)) return(invisible())
  if (!methods::is(BPPARAM, "BiocParallelParam")) {
    canal_abort("argument", "BPPARAM", "a BiocParallelParam, or NULL", describe_value(BPPARAM),
                "BiocParallel::MulticoreParam(4) makes one, say.")
  }
  need_package("BiocParallel", "BPPARAM", "which shares work out")
}

run_in_chunks <- function(source, kept, model, pass, settings) {
  folder <- settings$checkpoint
  temporary <- is.null(folder)
  if (temporary) {
    folder <- tempfile("canalR-chunks-")
    dir.create(folder)
    on.exit(unlink(folder, recursive = TRUE))
  }
  # The model and perhaps the counts would stay in memory otherwise.
  on.exit(close_job(), add = TRUE)
  plan <- chunk_plan(folder, source, kept, model, pass, settings)
  todo <- unfinished_chunks(folder, plan)
  if (length(todo)) {
    job <- write_job(folder, plan, source, kept, model, pass, settings)
    run_chunks(folder, job, todo, source, settings)
  }
  # Those of a run that was killed, too.
  sweep_parts(folder)
  unlink(chunk_file(folder, plan, "input", seq_along(plan$blocks)))
  firsts <- vapply(plan$blocks, `[[`, 0, 1)
  collected_outputs(plan$blocks, kept, function(block, cells, done, following) {
    read_kept(chunk_file(folder, plan, "output", match(block[1], firsts)))
  })
}

# `blocks` of cells, a list of first and last one; `id`, which files of these very chunks are named
# by. Chunks of an earlier run of the same call stay, whatever the number of workers is now.
chunk_plan <- function(folder, source, kept, model, pass, settings) {
  path <- file.path(folder, "plan.rds")
  # A folder of this call's own needs no proof that it is of the same cells.
  identity <- if (!is.null(settings$checkpoint)) chunk_identity(source, kept, model, pass)
  if (file.exists(path)) {
    plan <- read_kept(path)
    if (identical(plan$identity, identity)) {
      canal_inform("resume", sprintf("Going on with the chunks in %s.", folder), settings$verbose)
      return(plan)
    }
    abort_folder(folder, "with chunks of another")
  }
  # Whatever lies there may have the names of our files.
  others <- setdiff(list.files(folder, all.files = TRUE, no.. = TRUE),
                    list.files(folder, part_pattern, all.files = TRUE))
  if (length(others)) {
    abort_folder(folder, sprintf("which has other files in it (%s)", some_of(others)))
  }
  size <- min(most_chunk, ceiling(length(source$cells) / (4 * worker_count(settings$workers))))
  blocks <- unlist(lapply(source$blocks, function(block) {
    cells <- block[2] - block[1] + 1
    lapply(cell_blocks(cells, max(least_chunk, min(size, cells))), `+`, block[1] - 1)
  }), recursive = FALSE)
  has_cells <- vapply(blocks, function(block) any(kept >= block[1] & kept <= block[2]), NA)
  plan <- list(identity = identity, blocks = blocks[has_cells])
  plan$id <- cpp_digest(serialize(plan, NULL))
  write_kept(plan, path)
  plan
}

# The seed of a query. Where none is given, the first call's that came to an end in the folder, so
# that the same call gives the same.
kept_seed <- function(seed, folder) {
  if (!is.null(seed) || is.null(folder) || !file.exists(file.path(folder, "plan.rds"))) {
    return(resolve_seed(seed))
  }
  path <- file.path(folder, "seed.rds")
  if (!file.exists(path)) write_kept(resolve_seed(NULL), path)
  read_kept(path)
}

abort_folder <- function(folder, got) {
  canal_abort("checkpoint", "checkpoint", "an empty folder, or one of this very call",
              sprintf("\"%s\", %s", folder, got),
              "Another model, other cells or other settings need a folder of their own.",
              call = NULL)
}

# Fewer cells are not worth a worker's way; the work on more would be long to lose, and to wait for
# when the call is interrupted.
least_chunk <- 32
most_chunk <- 2000

# A worker that is lost may take what it had with it twice: BiocParallel hears of it late.
chunk_attempts <- 3

worker_count <- function(workers) if (is.null(workers)) 1 else BiocParallel::bpnworkers(workers)

# What makes a query this very one: model, settings and all counts.
chunk_identity <- function(source, kept, model, pass) {
  counts <- vapply(source$blocks, function(block) {
    cpp_digest(serialize(source$read(block), NULL))
  }, "")
  cpp_digest(serialize(list(as.character(utils::packageVersion("canalR")), model@provenance$id,
                            unclass(pass), source$cells, kept, counts), NULL))
}

chunk_file <- function(folder, plan, kind, number) {
  file.path(folder, sprintf("%s-%s-%05d.rds", kind, plan$id, number))
}

# An output is there whole or not at all.
unfinished_chunks <- function(folder, plan) {
  which(!file.exists(chunk_file(folder, plan, "output", seq_along(plan$blocks))))
}

# With a digest at the end. What a full disk does not take is lost when a connection closes, of
# which R does not always tell; so the size is looked at.
write_kept <- function(value, path, argument = "checkpoint") {
  replace_whole(path, argument, function(part) {
    bytes <- serialize(value, NULL)
    bytes <- c(bytes, kept_end(bytes))
    warnings_stop(writeBin(bytes, part))
    if (!identical(file.size(part), as.numeric(length(bytes)))) stop("not all of it was written")
  })
}

# Damage is told before R makes objects of it, which could end the session.
read_kept <- function(path, argument = "checkpoint") {
  tryCatch({
    cpp_check_regular_file(path)
    bytes <- readBin(path, "raw", file.size(path))
    size <- length(bytes) - length(kept_end(raw()))
    value <- utils::head(bytes, max(size, 0))
    if (!identical(bytes, c(value, kept_end(value)))) stop("it does not hold what was written")
    unserialize(value)
  }, error = function(error) {
    pass_on_memory(error)
    canal_abort("file", argument, sprintf("a whole %s", path), conditionMessage(error),
                "Where it is damaged, remove it: the same call makes it again.", call = NULL)
  })
}

# readRDS() passes over what comes after a value.
kept_end <- function(bytes) charToRaw(paste0("\ncanalR digest ", cpp_digest(bytes), "\n"))

# What a worker needs: paths, and plain values.
write_job <- function(folder, plan, source, kept, model, pass, settings) {
  canal_save(model, file.path(folder, "model.h5"))
  place <- source$place
  if (!is.null(place)) place$path <- normalizePath(place$path)
  cells <- lapply(plan$blocks, function(block) kept[kept >= block[1] & kept <= block[2]])
  job <- list(pass = pass, plan = plan, cells = cells, place = place,
              threads = worker_threads(settings))
  job$id <- cpp_digest(serialize(list(job, model@provenance$id, call_mark()), NULL))
  write_kept(job, file.path(folder, "job.rds"))
  job
}

# What no other call has, whoever makes it: two may be of the same cells, file and model, and their
# counts differ nevertheless. It moves no random numbers: R draws names of files with others, and
# the folder of those is the session's own.
call_mark <- function() list(tempfile(""), Sys.getpid(), as.numeric(Sys.time()))

# Sockets share the cores of this machine, and a job of a cluster has its own. In a fork the engine
# takes one thread, whatever it is told.
worker_threads <- function(settings) {
  workers <- settings$workers
  local <- methods::is(workers, "SnowParam") && !methods::is(workers, "MulticoreParam")
  if (settings$threads_given || !local) return(settings$threads)
  as.integer(max(1, floor(cpp_runtime_info()$cores / worker_count(workers))))
}

run_chunks <- function(folder, job, todo, source, settings) {
  if (is.null(source$place)) write_inputs(folder, job, todo, source, settings$threads)
  on.exit(unlink(chunk_file(folder, job$plan, "input", todo)))
  if (!is.null(settings$workers)) {
    workers <- as.integer(worker_count(settings$workers))
    canal_inform("chunks", sprintf(
      "%d %s of cells for %d %s.", length(todo), ngettext(length(todo), "chunk", "chunks"),
      workers, ngettext(workers, "worker", "workers")
    ), settings$verbose)
  }
  # A worker that is lost, or a file system that fails for once, must not cost the whole.
  for (attempt in seq_len(chunk_attempts)) {
    problems <- run_on_workers(folder, job, todo, settings)
    left <- unfinished_chunks(folder, job$plan)
    if (!length(left)) return(invisible())
    problems <- problems[match(left, todo)]
    todo <- left
  }
  abort_chunks(job, todo, problems, source$cells, settings$checkpoint)
}

write_inputs <- function(folder, job, todo, source, threads) {
  for (number in todo) {
    block <- job$plan$blocks[[number]]
    cells <- job$cells[[number]] - block[1] + 1
    write_kept(pass_input(job$pass, source$read(block), cells, threads),
               chunk_file(folder, job$plan, "input", number))
  }
}

# For each chunk `NULL`, or what went wrong: a text, or an error of its worker.
run_on_workers <- function(folder, job, todo, settings) {
  workers <- settings$workers
  cells <- lengths(job$cells[todo])
  progress <- cell_progress(settings$activity, sum(cells), settings$verbose)
  if (is.null(workers)) {
    done <- c(0, cumsum(cells))
    return(lapply(seq_along(todo), function(i) {
      run_chunk(todo[i], folder, shifted_progress(progress, done[i]))
    }))
  }
  # BiocParallel moves the user's random numbers on, and gives up where a worker is gone: what the
  # others have done is in the folder.
  share_out <- if (methods::is(workers, "BatchtoolsParam")) jobs_of_chunks else hand_out_chunks
  tryCatch(keep_random_stream(share_out(folder, todo, workers, cells, progress)),
           error = function(error) rep(list(error), length(todo)))
}

# A chunk at a time for each worker: it hears of an interrupt when that one is done, and of every
# chunk that is done there is something to tell.
hand_out_chunks <- function(folder, todo, workers, cells, progress) {
  handed <- 0
  following <- function() {
    if (handed == length(todo)) return(NULL)
    handed <<- handed + 1
    list(at = handed, number = todo[handed])
  }
  done <- 0
  told <- function(problems, outcome) {
    # Of a worker that is lost there is an error in its place.
    if (!is.list(outcome) || is.null(outcome$at)) return(problems)
    done <<- done + cells[outcome$at]
    if (!is.null(progress)) progress(done, sum(cells))
    problems[outcome$at] <- list(outcome$problem)
    problems
  }
  problems <- BiocParallel::bptry(BiocParallel::bpiterate(
    following, run_handed_chunk, folder = folder, BPPARAM = workers, REDUCE = told,
    init = vector("list", length(todo)), reduce.in.order = FALSE
  ))
  if (inherits(problems, "error")) return(rep(list(problems), length(todo)))
  # Whose they are is not told.
  errors <- attr(problems, "errors")
  if (length(errors)) problems[lengths(problems) == 0] <- errors[1]
  problems
}

# A worker gets the function without its package, and says whether it can load that.
run_handed_chunk <- function(handed, folder) {
  loadNamespace("canalR")
  list(at = handed$at, problem = run_chunk(handed$number, folder))
}

run_sent_chunk <- function(number, folder) {
  loadNamespace("canalR")
  run_chunk(number, folder)
}

# Jobs of a cluster, as the user made them: batchtools takes all chunks at once.
jobs_of_chunks <- function(folder, todo, workers, cells, progress) {
  BiocParallel::bptry(BiocParallel::bplapply(todo, run_sent_chunk, folder = folder,
                                             BPPARAM = workers))
}

# The last job that this process was given, opened: a worker gets a chunk of it at a time.
opened_job <- new.env(parent = emptyenv())

close_job <- function() rm(list = ls(opened_job), envir = opened_job)

open_job <- function(folder) {
  job <- read_kept(file.path(folder, "job.rds"))
  if (identical(opened_job$id, job$id)) return(opened_job)
  opened_job$id <- NULL
  opened_job$job <- job
  opened_job$model <- canal_load(file.path(folder, "model.h5"))
  opened_job$source <- if (!is.null(job$place)) cell_source(job$place$path, job$place$assay.type)
  opened_job$id <- job$id
  opened_job
}

# What a worker does. What goes wrong is returned: BiocParallel would lose the class and the words.
run_chunk <- function(number, folder, progress = NULL) {
  tryCatch({
    open <- open_job(folder)
    job <- open$job
    input <- if (is.null(open$source)) {
      read_kept(chunk_file(folder, job$plan, "input", number))
    } else {
      block <- job$plan$blocks[[number]]
      pass_input(job$pass, open$source$read(block), job$cells[[number]] - block[1] + 1,
                 job$threads)
    }
    output <- pass_output(job$pass, input, open$model, job$threads, progress)
    write_kept(output, chunk_file(folder, job$plan, "output", number))
    NULL
  }, error = conditionMessage)
}

abort_chunks <- function(job, todo, problems, cells, checkpoint) {
  block <- job$plan$blocks[[todo[1]]]
  said <- problems[[1]]
  if (inherits(said, "error")) said <- paste("its worker:", conditionMessage(said))
  canal_abort("chunk", "x", sprintf("all of %d chunks of cells done", length(job$plan$blocks)),
              sprintf("%d that failed %d times; the first is chunk %d (cells %g to %g, %s ...): %s",
                      length(todo), chunk_attempts, todo[1], block[1], block[2], cells[block[1]],
                      if (is.character(said)) said else "its worker was lost"),
              if (is.null(checkpoint)) {
                "With `checkpoint` a folder, finished chunks are kept, and the next call goes on."
              } else {
                "Finished chunks are kept: the same call goes on from there."
              }, call = NULL)
}
