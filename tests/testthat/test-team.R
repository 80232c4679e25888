# Teams of R processes. Starting one takes a second or more, so a launch tests several things.

skip_without_gloo <- function() {
  skip_if_not(nzchar(cpp_team_backend()), "canalR was built without Gloo")
}

# Every variable that a starting program sets, but for those given.
with_launcher <- function(variables, code) {
  names <- c(unlist(launchers), "MASTER_ADDR", "MASTER_PORT", "OMPI_COMM_WORLD_LOCAL_SIZE",
             "MPI_LOCALNRANKS", "SLURM_JOB_NODELIST")
  before <- Sys.getenv(names, unset = NA, names = TRUE)
  put <- function(variables) {
    Sys.unsetenv(names)
    if (length(variables)) do.call(Sys.setenv, as.list(variables))
  }
  on.exit(put(before[!is.na(before)]))
  put(variables)
  code
}

expect_place <- function(variables, rank, size, address = NULL) {
  with_launcher(variables, {
    expect_identical(rank_and_size(NULL, NULL), list(rank = rank, size = size))
    if (!is.null(address)) expect_identical(default_address(size), address)
  })
}

# The processes that canal_launch() started, by their number, that are still there.
still_there <- function(pids) {
  Filter(function(pid) tools::pskill(pid, 0), pids)
}

test_that("a starting program says who a worker is and where the first one listens", {
  expect_place(c(RANK = 1, WORLD_SIZE = 4, MASTER_ADDR = "node3", SLURM_PROCID = 0,
                 SLURM_NTASKS = 2), 1, 4, "node3")
  expect_place(c(OMPI_COMM_WORLD_RANK = 2, OMPI_COMM_WORLD_SIZE = 3, SLURM_PROCID = 0,
                 SLURM_NTASKS = 1, OMPI_COMM_WORLD_LOCAL_SIZE = 3), 2, 3, "127.0.0.1")
  expect_place(c(PMI_RANK = 0, PMI_SIZE = 2, MPI_LOCALNRANKS = 2), 0, 2, "127.0.0.1")
  expect_place(c(SLURM_PROCID = 7, SLURM_NTASKS = 8, SLURM_JOB_NODELIST = "node[07-09,12],x3"),
               7, 8, "node07")
  # Half of what one program sets is not mixed with another's.
  expect_place(c(RANK = 5, SLURM_PROCID = 1, SLURM_NTASKS = 2, SLURM_JOB_NODELIST = "a,b"),
               1, 2, "a")
})

test_that("the first of Slurm's nodes is found in its ways of writing them", {
  expect_identical(first_node("node1"), "node1")
  expect_identical(first_node("node1,node2"), "node1")
  expect_identical(first_node("n[3,5-9]"), "n3")
  expect_identical(first_node("n[003-900].site,m1"), "n003.site")
})

test_that("what cannot be is refused", {
  with_launcher(character(), {
    expect_refused(canal_team(size = 2), "argument", "rank")
    expect_refused(canal_team(rank = 0), "argument", "size")
    expect_refused(canal_team(rank = 0, size = 2), "argument", "address")
    expect_refused(canal_team("", rank = 0, size = 2), "argument", "address")
    expect_refused(canal_team(rank = 1, size = 1), "argument", "rank")
    expect_refused(canal_team(rank = 0, size = 1.5), "argument", "size")
    expect_refused(canal_team(rank = 0, size = 1, port = 0), "argument", "port")
    expect_refused(canal_team(rank = 0, size = 1, timeout = -1), "argument", "timeout")
    expect_refused(canal_leave(list()), "argument", "team")
  })
  with_launcher(c(RANK = "x", WORLD_SIZE = 2, MASTER_PORT = 29500, MASTER_ADDR = "a"), {
    expect_refused(canal_team(), "argument", "rank")
  })
  expect_refused(canal_launch(0, identity), "argument", "n")
  expect_refused(canal_launch(1, "no-such-file.R"), "argument", "worker")
  expect_refused(canal_launch(1, identity, args = 3), "argument", "args")
  expect_refused(canal_launch(1, identity, num_threads = 0), "argument", "num_threads")
})

test_that("one worker is a team that needs nobody", {
  team <- canal_team(rank = 0, size = 1)
  expect_s3_class(team, "canal_team")
  expect_output(print(team), "^<canal_team> rank 0 of 1, alone; 0 B sent$")
  expect_identical(cpp_team_sum(team$pointer, c(1, 2), FALSE), c(1, 2))
  canal_leave(team)
  expect_error(cpp_team_sum(team$pointer, 1, FALSE), "has left", class = "canalR_error_team")
})

test_that("a team of another session is told", {
  path <- tempfile(fileext = ".rds")
  on.exit(unlink(path))
  saveRDS(canal_team(rank = 0, size = 1), path)
  expect_error(canal_leave(readRDS(path)), "another R session", class = "canalR_error_team")
  expect_error(print(readRDS(path)), "another R session", class = "canalR_error_team")
})

test_that("more than one worker need Gloo", {
  skip_if(nzchar(cpp_team_backend()), "canalR was built with Gloo")
  expect_error(canal_team("127.0.0.1", rank = 0, size = 2), "libgloo-dev",
               class = "canalR_error_team")
  expect_error(canal_launch(2, identity), "libgloo-dev", class = "canalR_error_team")
})

test_that("a worker that nobody joins ends by its timeout", {
  skip_without_gloo()
  expect_error(canal_team("127.0.0.1", cpp_free_port(), 0, 2, timeout = 0.3), "Only 1 of 2",
               class = "canalR_error_team")
})

test_that("the workers of a launch add up, and see what they were given", {
  skip_without_gloo()
  add <- function(team, numbers) {
    cat("rank", team$rank, "is here\n")
    sums <- canalR:::cpp_team_sum(team$pointer, numbers * (team$rank + 1), FALSE)
    bytes <- canalR:::cpp_team_broadcast(team$pointer, as.raw(rep(team$rank, 3)), 1)
    list(sums = sums, bytes = bytes, pid = Sys.getpid(), shown = capture.output(print(team)),
         paths = .libPaths(), environment = Sys.getenv(c("OMP_NUM_THREADS", "OMP_WAIT_POLICY")),
         attached = "package:canalR" %in% search())
  }
  logs <- tempfile("logs")
  dir.create(logs)
  writeLines("mine", file.path(logs, "rank-notes.log"))
  output <- capture.output({
    results <- canal_launch(3, add, list(c(0.1, 0.7)), num_threads = 1, logs = logs)
  })
  expect_length(results, 3)
  expect_identical(output, "rank 0 is here")
  expect_identical(readLines(file.path(logs, "rank-notes.log")), "mine")
  expect_identical(readLines(file.path(logs, "rank-2.log")), "rank 2 is here")
  expect_identical(attr(results, "logs"), normalizePath(logs))
  for (rank in 0:2) {
    result <- results[[rank + 1]]
    expect_equal(result$sums, 6 * c(0.1, 0.7))
    expect_identical(result$sums, results[[1]]$sums)
    expect_identical(result$bytes, as.raw(c(1, 1, 1)))
    expect_match(result$shown, sprintf("^<canal_team> rank %d of 3, at 127.0.0.1:.*B sent$", rank))
    expect_false(grepl("; 0 B", result$shown))
    expect_identical(result$paths, .libPaths())
    expect_identical(unname(result$environment), c("1", "passive"))
    expect_true(result$attached)
  }
  expect_length(still_there(vapply(results, `[[`, 0L, "pid")), 0)
})

test_that("a worker may print any bytes", {
  log <- tempfile()
  on.exit(unlink(log))
  writeBin(c(charToRaw("a"), as.raw(0), charToRaw("b\nnot yet a line")), log)
  expect_identical(capture.output(shown <- show_log(log, 0)), "ab")
  expect_identical(shown, 4)
})

test_that("a script is a worker too", {
  script <- tempfile(fileext = ".R")
  on.exit(unlink(script))
  writeLines(c("total <- canalR:::cpp_team_sum(team$pointer, args$values, TRUE)", "total + 1"),
             script)
  results <- canal_launch(1, script, list(values = c(1, 2)), verbose = FALSE)
  expect_identical(results[[1]], c(2, 3))
})

# Every worker writes down its process before it goes on.
launch_failing <- function(code) {
  folder <- tempfile("pids")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  worker <- function(team, folder, code) {
    writeLines(as.character(Sys.getpid()), file.path(folder, team$rank))
    canalR:::cpp_team_sum(team$pointer, 1, FALSE)
    if (team$rank == 1) eval(code)
    canalR:::cpp_team_sum(team$pointer, 1, FALSE)
  }
  environment(worker) <- globalenv()
  start <- Sys.time()
  error <- tryCatch(canal_launch(2, worker, list(folder, code), timeout = 60, verbose = FALSE),
                    error = identity)
  pids <- as.integer(vapply(file.path(folder, 0:1), readLines, ""))
  list(error = error, pids = pids, seconds = as.numeric(Sys.time() - start, units = "secs"))
}

test_that("a worker's error ends the others and is told with its rank and log", {
  skip_without_gloo()
  result <- launch_failing(quote({
    message("about to fail")
    stop("no such cells")
  }))
  expect_s3_class(result$error, "canalR_error_team")
  expect_match(conditionMessage(result$error),
               "The worker of rank 1 failed: no such cells\n.*\n  about to fail\n  Error: no such")
  expect_identical(result$error$rank, 1)
  expect_true(file.exists(file.path(result$error$logs, "rank-1.log")))
  expect_length(still_there(result$pids), 0)
  expect_lt(result$seconds, 30)
})

test_that("what a worker could not write whole is told as its failure", {
  launch <- list(folder = tempfile("launch"))
  dir.create(launch$folder)
  on.exit(unlink(launch$folder, recursive = TRUE))
  result <- launch_file(launch, 0, "rds")
  expect_null(outcome_of(launch, 0))
  write_kept(list(value = runif(500)), result, "worker")
  writeLines("0", launch_file(launch, 0, "status"))
  expect_length(outcome_of(launch, 0)$value, 500)
  writeBin(utils::head(readBin(result, "raw", 1e6), -1), result)
  expect_match(outcome_of(launch, 0)$error, "not written whole")
  unlink(result)
  expect_match(outcome_of(launch, 0)$error, "R ended with status 0 before")
  # A disk on which the file is and not its line.
  file.create(launch_file(launch, 0, "status"))
  expect_match(outcome_of(launch, 0)$error, "could not be written")
})

test_that("a killed worker ends the others", {
  skip_without_gloo()
  result <- launch_failing(quote(tools::pskill(Sys.getpid(), tools::SIGKILL)))
  expect_s3_class(result$error, "canalR_error_team")
  expect_match(conditionMessage(result$error), "rank 1 failed: it was killed by signal 9")
  expect_length(still_there(result$pids), 0)
  expect_lt(result$seconds, 30)
})

# The workers wait for ever; Ctrl-C comes when both are there, and the session dies later.
interrupted_launch <- '
forever <- function(team, folder) {
  writeLines(as.character(Sys.getpid()), file.path(folder, paste0("worker-", team$rank)))
  Sys.sleep(1e6)
}
workers <- function() {
  as.integer(vapply(file.path(folder, c("worker-0", "worker-1")), readLines, ""))
}
ended <- tryCatch(canal_launch(2, forever, list(folder), verbose = FALSE),
                  interrupt = function(interrupt) "interrupted")
result <- list(ended = ended, alive = sum(vapply(workers(), tools::pskill, NA, signal = 0)),
               now = as.numeric(Sys.time()))
'

test_that("Ctrl-C ends all workers", {
  skip_on_os("windows")
  skip_without_gloo()
  sent <- NULL
  result <- in_new_session(interrupted_launch, NULL, function(file) {
    if (!wait_for(file("worker-0")) || !wait_for(file("worker-1"))) return()
    Sys.sleep(0.5)
    tools::pskill(as.integer(readLines(file("pid"))), tools::SIGINT)
    sent <<- as.numeric(Sys.time())
  })
  expect_identical(result$ended, "interrupted")
  expect_identical(result$alive, 0L)
  expect_lt(result$now - sent, 3)
})

test_that("workers end with the session that started them", {
  skip_on_os("windows")
  skip_without_gloo()
  pids <- NULL
  expect_error(in_new_session(interrupted_launch, NULL, function(file) {
    for (name in c("worker-0", "worker-1")) expect_true(wait_for(file(name)))
    Sys.sleep(0.5)
    pids <<- as.integer(vapply(file(c("worker-0", "worker-1")), readLines, ""))
    tools::pskill(as.integer(readLines(file("pid"))), tools::SIGKILL)
    file.create(file("result.rds"))
  }))
  until <- Sys.time() + 5
  while (length(still_there(pids)) && Sys.time() < until) Sys.sleep(0.05)
  expect_length(still_there(pids), 0)
})
