# A query in chunks of cells, each a piece of work of its own: for a worker of BiocParallel, which
# is given paths, or for this process. What a chunk gives is kept in a file, so that a job that was
# stopped goes on where it was.
#
# A folder holds plan.rds (whose cells, in which chunks), job.rds (the pass, and where the cells
# are), model.h5, and per chunk input-00001.rds (what the network reads, where the cells lie in this
# process' memory alone) and output-00001.rds.

check_workers <- function(BPPARAM, call) {
  if (is.null(BPPARAM)) return(invisible())
  if (!methods::is(BPPARAM, "BiocParallelParam")) {
    canal_abort("argument", "BPPARAM", "a BiocParallelParam, or NULL", describe_value(BPPARAM),
                "BiocParallel::MulticoreParam(4) makes one, say.", call = call)
  }
  need_package("BiocParallel", "BPPARAM", "which shares work out")
}

run_in_chunks <- function(source, kept, model, pass, settings) {
  folder <- settings$checkpoint
  temporary <- is.null(folder)
  folder <- if (temporary) tempfile("canalR-chunks-") else checkpoint_folder(folder)
  if (temporary) {
    dir.create(folder)
    on.exit(unlink(folder, recursive = TRUE))
  }
  plan <- chunk_plan(folder, source, kept, model, pass, settings)
  todo <- unfinished_chunks(folder, plan)
  if (length(todo)) {
    job <- write_job(folder, plan, source, kept, model, pass, settings)
    run_chunks(folder, job, todo, source, settings)
  }
  firsts <- vapply(plan, `[[`, 0, 1)
  collected_outputs(plan, kept, function(block, cells, done, following) {
    read_kept(chunk_file(folder, "output", match(block[1], firsts)))
  })
}

# Chunks are blocks of cells: a list of first and last one. Those of an earlier run of the same call
# stay as they were, whatever the number of workers is now.
chunk_plan <- function(folder, source, kept, model, pass, settings) {
  path <- file.path(folder, "plan.rds")
  # A folder of this call's own needs no proof that it is of the same cells.
  identity <- if (!is.null(settings$checkpoint)) chunk_identity(source, kept, model, pass)
  if (file.exists(path)) {
    plan <- read_kept(path)
    if (identical(plan$identity, identity)) {
      canal_inform("resume", sprintf("Going on with the chunks in %s.", folder), settings$verbose)
      return(plan$blocks)
    }
    canal_abort("checkpoint", "checkpoint", "an empty folder, or one of this very call",
                sprintf("\"%s\", with chunks of another", folder),
                "Another model, other cells or other settings need a folder of their own.",
                call = NULL)
  }
  size <- ceiling(length(source$cells) / (4 * worker_count(settings$workers)))
  blocks <- unlist(lapply(source$blocks, function(block) {
    cells <- block[2] - block[1] + 1
    lapply(cell_blocks(cells, max(least_chunk, min(size, cells))), `+`, block[1] - 1)
  }), recursive = FALSE)
  has_cells <- vapply(blocks, function(block) any(kept >= block[1] & kept <= block[2]), NA)
  plan <- list(identity = identity, blocks = blocks[has_cells])
  write_kept(plan, path)
  plan$blocks
}

# Fewer cells are not worth a worker's way.
least_chunk <- 32

worker_count <- function(workers) if (is.null(workers)) 1 else BiocParallel::bpnworkers(workers)

# What makes a query this very one: model, settings and all counts.
chunk_identity <- function(source, kept, model, pass) {
  counts <- vapply(source$blocks, function(block) {
    cpp_digest(serialize(source$read(block), NULL))
  }, "")
  cpp_digest(serialize(list(as.character(utils::packageVersion("canalR")), model@provenance$id,
                            unclass(pass), source$cells, kept, counts), NULL))
}

chunk_file <- function(folder, kind, number) {
  file.path(folder, sprintf("%s-%05d.rds", kind, number))
}

# An output is there whole or not at all.
unfinished_chunks <- function(folder, plan) {
  which(!file.exists(chunk_file(folder, "output", seq_along(plan))))
}

# Whole or not at all.
write_kept <- function(value, path) {
  part <- tempfile(".part-", dirname(path))
  on.exit(unlink(part))
  tryCatch({
    saveRDS(value, part, compress = FALSE)
    if (!file.rename(part, path)) stop("it could not be renamed")
  }, error = function(error) {
    canal_abort("file", "checkpoint", sprintf("room for %s", path), conditionMessage(error),
                call = NULL)
  })
}

read_kept <- function(path) {
  tryCatch(readRDS(path), error = function(error) {
    canal_abort("file", "checkpoint", sprintf("a whole %s", path), conditionMessage(error),
                "Empty the folder to begin anew.", call = NULL)
  })
}

# What a worker needs: paths, and plain values.
write_job <- function(folder, plan, source, kept, model, pass, settings) {
  canal_save(model, file.path(folder, "model.h5"))
  place <- source$place
  if (!is.null(place)) place$path <- normalizePath(place$path)
  cells <- lapply(plan, function(block) kept[kept >= block[1] & kept <= block[2]])
  job <- list(pass = pass, plan = plan, cells = cells, place = place,
              threads = worker_threads(settings))
  job$id <- cpp_digest(serialize(list(job, model@provenance$id), NULL))
  write_kept(job, file.path(folder, "job.rds"))
  job
}

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
  on.exit(unlink(chunk_file(folder, "input", todo)))
  # A worker that is lost, or a file system that fails for once, must not cost the whole.
  for (attempt in 1:2) {
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
    block <- job$plan[[number]]
    cells <- job$cells[[number]] - block[1] + 1
    write_kept(pass_input(job$pass, source$read(block), cells, threads),
               chunk_file(folder, "input", number))
  }
}

# For each chunk `NULL`, or what went wrong.
run_on_workers <- function(folder, job, todo, settings) {
  workers <- settings$workers
  if (is.null(workers)) {
    progress <- cell_progress(settings$activity, sum(lengths(job$cells[todo])), settings$verbose)
    done <- c(0, cumsum(lengths(job$cells[todo])))
    return(lapply(seq_along(todo), function(i) {
      run_chunk(todo[i], folder, shifted_progress(progress, done[i]))
    }))
  }
  # BiocParallel moves the user's random numbers on, and gives up where a worker is gone: what the
  # others have done is in the folder.
  tryCatch(
    keep_random_stream(BiocParallel::bptry(BiocParallel::bplapply(
      todo, run_chunk, folder = folder, BPPARAM = workers
    ))),
    error = function(error) rep(list(conditionMessage(error)), length(todo))
  )
}

# The last job that this process was given, opened.
opened_job <- new.env(parent = emptyenv())

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
      read_kept(chunk_file(folder, "input", number))
    } else {
      block <- job$plan[[number]]
      pass_input(job$pass, open$source$read(block), job$cells[[number]] - block[1] + 1,
                 job$threads)
    }
    output <- pass_output(job$pass, input, open$model, job$threads, progress)
    write_kept(output, chunk_file(folder, "output", number))
    NULL
  }, error = conditionMessage)
}

abort_chunks <- function(job, todo, problems, cells, checkpoint) {
  block <- job$plan[[todo[1]]]
  said <- unlist(problems[1])
  canal_abort("chunk", "x", sprintf("all of %d chunks of cells done", length(job$plan)),
              sprintf("%d that failed twice; the first is chunk %d (cells %g to %g, from %s): %s",
                      length(todo), todo[1], block[1], block[2], cells[block[1]],
                      if (is.character(said)) said[1] else "its worker was lost"),
              if (is.null(checkpoint)) {
                "With `checkpoint` a folder, finished chunks are kept, and the next call goes on."
              } else {
                "Finished chunks are kept: the same call goes on from there."
              }, call = NULL)
}
