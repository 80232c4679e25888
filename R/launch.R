# A team on this machine: R processes that canal_launch() starts, watches and ends.

#' Run a function in several processes on this machine
#'
#' Starts `n` R processes that form a team, calls the function in each, and gives back what they
#' returned. If one fails or dies, all others are ended, and so they are by Ctrl-C or the end of
#' this session.
#'
#' Every process starts with the library paths of this one and with canalR attached, and with
#' nothing else: no profile, no variables of the workspace. The function travels with the
#' environment it was made in, unless that is the workspace.
#'
#' @param n Processes, 1 to 100.
#' @param worker `function(team, ...)`, called with the process's [canal_team()] and `args`; or the
#'   path of an R script, which finds `team` and `args` as variables and whose last value counts.
#' @param args A list of further arguments, the same for all.
#' @param num_threads Threads of each process, 1 or more: what `num_threads = NULL` means in it
#'   (`OMP_NUM_THREADS`). `NULL`: the processes share out this machine's cores.
#' @param timeout Seconds, as in [canal_team()].
#' @param logs A folder for the output of the processes, `rank-0.log` and so on; made if it is not
#'   there. By default a temporary one that stays until this session ends.
#' @param verbose `TRUE` shows progress and says what is done; `FALSE` does neither. Warnings come
#'   either way. Shown is the output of rank 0, as it comes.
#'
#' @return A list of what the workers returned, in the order of their ranks, with the attribute
#'   `logs`, the folder.
#' @section Errors: `canalR_error_argument` for values that cannot be, `canalR_error_file` for a
#'   folder that cannot be made; `canalR_error_team` if a worker failed, with its rank, its message
#'   and the end of its output in the text, and `rank` and `logs` as fields, or if canalR was built
#'   without Gloo and `n` is more than 1.
#' @source Processes start as `torchrun` starts them (PyTorch, Elastic launch): by the environment
#'   variables `RANK`, `WORLD_SIZE`, `MASTER_ADDR` and `MASTER_PORT`.
#' @examplesIf .Platform$OS.type == "unix" && nzchar(canalR:::cpp_team_backend())
#' greet <- function(team, word) paste(word, "from rank", team$rank, "of", team$size)
#' canal_launch(2, greet, list(word = "Hello"))
#' @export
canal_launch <- function(n, worker, args = list(), num_threads = NULL, timeout = 600,
                         logs = tempfile("canal-logs-"), verbose = TRUE) {
  check_launch(n, worker, args, num_threads)
  check_number(timeout, "timeout", 0.1, 1e6)
  check_flag(verbose, "verbose")
  launch <- new_launch(n, worker, args, timeout, check_logs(logs))
  threads <- num_threads %||% max(1, cpp_runtime_info()$cores %/% n)
  pipes <- list()
  on.exit(end_launch(launch, pipes))
  for (rank in seq_len(n) - 1) {
    pipes[[rank + 1]] <- pipe(worker_command(launch, rank, threads), "w")
  }
  structure(watch_workers(launch, verbose), logs = launch$logs)
}

check_launch <- function(n, worker, args, num_threads) {
  check_number(n, "n", 1, 100, whole = TRUE)
  is_script <- is.character(worker) && length(worker) == 1L && file.exists(worker)
  if (!is.function(worker) && !is_script) {
    canal_abort("argument", "worker", "a function, or the path of an R script",
                describe_value(worker))
  }
  if (!is.list(args)) {
    canal_abort("argument", "args", "a list", describe_value(args))
  }
  thread_count(num_threads)
  if (n > 1 && !nzchar(cpp_team_backend())) {
    canal_abort("team", "n", "1, as this canalR was built without Gloo", describe_value(n),
                "Install Gloo's headers (Debian, Ubuntu: libgloo-dev), then canalR again.")
  }
  if (.Platform$OS.type != "unix") {
    canal_abort("team", "n", "a Unix system", .Platform$OS.type)
  }
}

check_logs <- function(logs) {
  logs <- check_text_path(logs, "logs")
  if (!dir.exists(logs) && !dir.create(logs, showWarnings = FALSE, recursive = TRUE)) {
    canal_abort("file", "logs", "a folder that can be made", logs)
  }
  unlink(list.files(logs, "^rank-[0-9]+[.]log$", full.names = TRUE))
  normalizePath(logs)
}

# The processes and this one talk through files in a folder: `task.rds` for all; for every rank
# `N.status`, its exit status, and `N.rds`, what it returned, as write_kept() has it. `N.tmp` is its
# temporary folder, as R does not remove its own when it is killed.
new_launch <- function(n, worker, args, timeout, logs) {
  folder <- tempfile("canal-launch-")
  dir.create(folder)
  port <- cpp_free_port()
  if (is.character(worker)) worker <- normalizePath(worker)
  task <- list(worker = worker, args = args, size = n, port = port, timeout = timeout,
               library_paths = .libPaths())
  tryCatch(save_checked_rds(task, file.path(folder, "task.rds")), error = function(error) {
    pass_on_memory(error)
    canal_abort("file", "args", sprintf("room for them and `worker` in %s", folder),
                conditionMessage(error))
  })
  list(folder = folder, logs = logs, size = n, port = port)
}

launch_file <- function(launch, rank, kind) file.path(launch$folder, sprintf("%d.%s", rank, kind))

log_file <- function(launch, rank) file.path(launch$logs, sprintf("rank-%d.log", rank))

# ---- One process ---------------------------------------------------------------------------------

# A shell that waits for the process and writes down its status. Its input is a pipe from here that
# nothing is written to: when it closes, because this session closes it or has ended, however that
# came about, the process is killed.
supervisor <- '
trap "" INT
exec 3<&0 2> /dev/null
"$RSCRIPT" --vanilla -e "$CODE" < /dev/null > "$LOG" 2>&1 3<&- &
process=$!
( read -r _ <&3; kill -9 $process ) < /dev/null > /dev/null 2>&1 &
watcher=$!
wait $process
status=$?
kill $watcher
wait $watcher
echo $status > "$STATUS.part"
mv "$STATUS.part" "$STATUS"
'

worker_command <- function(launch, rank, threads) {
  temporary <- launch_file(launch, rank, "tmp")
  dir.create(temporary)
  # There before it is written to: a disk may have no room for one more file by then, and who waits
  # for it would wait for good. It holds nothing where the disk has no room for the number.
  file.create(launch_file(launch, rank, "status.part"))
  code <- sprintf(".libPaths(readRDS(%s)$library_paths); canalR:::run_worker(%s, %d)",
                  deparse1(file.path(launch$folder, "task.rds")), deparse1(launch$folder), rank)
  variables <- c(
    RSCRIPT = file.path(R.home("bin"), "Rscript"), CODE = code, LOG = log_file(launch, rank),
    STATUS = launch_file(launch, rank, "status"), TMPDIR = temporary,
    R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep),
    MASTER_ADDR = "127.0.0.1", MASTER_PORT = launch$port, RANK = rank, WORLD_SIZE = launch$size,
    LOCAL_RANK = rank, LOCAL_WORLD_SIZE = launch$size,
    OMP_NUM_THREADS = threads, OMP_WAIT_POLICY = "passive"
  )
  paste0("export ", paste0(names(variables), "=", shQuote(variables), collapse = " "), supervisor)
}

# What a process does. Its result is written whole or not at all.
run_worker <- function(folder, rank) {
  options(warn = 1)
  task <- readRDS(file.path(folder, "task.rds"))
  suppressPackageStartupMessages(requireNamespace("methods"))
  attachNamespace("canalR")
  outcome <- tryCatch({
    team <- canal_team("127.0.0.1", task$port, rank, task$size, task$timeout)
    value <- do_task(task, team)
    canal_leave(team)
    list(value = value)
  }, error = function(error) {
    message("Error: ", conditionMessage(error))
    list(error = conditionMessage(error), class = class(error))
  })
  write_kept(outcome, file.path(folder, sprintf("%d.rds", rank)), "worker")
  quit(save = "no", status = if (is.null(outcome$error)) 0L else 1L)
}

do_task <- function(task, team) {
  if (is.function(task$worker)) return(do.call(task$worker, c(list(team), task$args)))
  variables <- list2env(list(team = team, args = task$args), parent = globalenv())
  source(task$worker, local = variables)$value
}

# ---- All of them ---------------------------------------------------------------------------------

# Returns when all have ended well.
watch_workers <- function(launch, verbose) {
  ranks <- seq_len(launch$size) - 1
  shown <- 0
  states <- vector("list", launch$size)
  repeat {
    # What has come need not be read again.
    pending <- lengths(states) == 0
    states[pending] <- lapply(ranks[pending], outcome_of, launch = launch)
    if (verbose) shown <- show_log(log_file(launch, 0), shown)
    if (any(vapply(states, has_failed, NA))) abort_worker(launch, ranks)
    if (all(lengths(states) > 0)) return(lapply(states, `[[`, "value"))
    Sys.sleep(0.05)
  }
}

# NULL while the process runs; else a list of `value`, or of `error` and its `class`.
outcome_of <- function(launch, rank) {
  status_file <- launch_file(launch, rank, "status")
  if (!file.exists(status_file)) return(NULL)
  result <- launch_file(launch, rank, "rds")
  if (file.exists(result)) return(result_of(result))
  status <- c(as.integer(readLines(status_file)), NA)[1]
  text <- if (is.na(status)) {
    "R ended, with a status that could not be written"
  } else if (status > 128) {
    sprintf("it was killed by signal %d", status - 128L)
  } else {
    sprintf("R ended with status %d", status)
  }
  list(error = paste(text, "before what the function returns was there"), class = "ended")
}

result_of <- function(path) {
  tryCatch(read_kept(path, "worker"), canalR_error = function(error) {
    pass_on_memory(error)
    list(error = "what its function returned was not written whole", class = "ended")
  })
}

has_failed <- function(outcome) !is.null(outcome$error)

# Workers whose team broke up fail because another did: that one has a moment to be heard of.
abort_worker <- function(launch, ranks, patience = 2) {
  until <- Sys.time() + patience
  repeat {
    outcomes <- lapply(ranks, outcome_of, launch = launch)
    failed <- ranks[vapply(outcomes, has_failed, NA)]
    of_itself <- failed[vapply(outcomes[failed + 1], function(outcome) {
      !"canalR_error_team" %in% outcome$class
    }, NA)]
    if (length(of_itself) || Sys.time() > until) break
    Sys.sleep(0.05)
  }
  rank <- c(of_itself, failed)[1]
  condition <- canal_condition("error", "team", worker_text(launch, rank, outcomes[[rank + 1]]),
                               public_call())
  stop(structure(c(unclass(condition), list(rank = rank, logs = launch$logs)),
                 class = class(condition)))
}

worker_text <- function(launch, rank, outcome, most = 10) {
  log <- log_file(launch, rank)
  lines <- utils::tail(readLines(log, warn = FALSE), most)
  paste(c(sprintf("The worker of rank %d failed: %s", rank, outcome$error),
          sprintf("The end of its output (%s):", log), paste0("  ", lines)), collapse = "\n")
}

# Shows what has come since, by whole lines; returns how many bytes are shown.
show_log <- function(path, shown) {
  size <- file.size(path)
  if (is.na(size) || size <= shown) return(shown)
  log <- file(path, "rb")
  on.exit(close(log))
  seek(log, shown)
  bytes <- readBin(log, "raw", size - shown)
  ends <- which(bytes == charToRaw("\n") | bytes == charToRaw("\r"))
  if (!length(ends)) return(shown)
  shown_now <- bytes[seq_len(max(ends))]
  cat(rawToChar(shown_now[shown_now != 0]))
  utils::flush.console()
  shown + max(ends)
}

# Closing a pipe kills its process, if it still runs, and waits for it.
end_launch <- function(launch, pipes) {
  for (worker in pipes) close(worker)
  unlink(launch$folder, recursive = TRUE)
}
