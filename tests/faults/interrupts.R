# Ctrl-C at random moments of every long function: the prompt is there again within a second, what
# comes back is whole, what was given is as it was, no thread or memory is left behind, and options,
# random numbers and the rest of the session's state are as before.
#
#   MALLOC_MMAP_THRESHOLD_=131072 Rscript tests/faults/interrupts.R FOLDER [FUNCTION ...]
#
# The quick form interrupts each once, with less to do, and starts no SNOW workers.
source("tests/faults/common.R")

set.seed(fault_seed)
tries <- times(100, 1)

# The slowest answer, in seconds. The quick run is that of machines which do other work, too.
slowest <- times(1, 5)

# How many MB may be lost by a tenth of the interrupts. What one loses, a copy of a model or of
# cells, the others lose, too; allocators keep tens of MB for good, but now and then: a single
# interrupt, as in the quick run, tells of a large loss only.
most_lost <- times(4, 100)

# Sends SIGINT to this process after so many seconds, and writes down when.
interrupt_after <- function(seconds) {
  note <- tempfile()
  system(sprintf("(sleep %.3f; date +%%s.%%N > %s; kill -INT %d)", seconds, note, Sys.getpid()),
         wait = FALSE)
  note
}

sent_at <- function(note) {
  line <- if (file.exists(note)) readLines(note, warn = FALSE)
  if (length(line)) as.numeric(line) else NA_real_
}

# What came of a call that may be interrupted: its `value`, NULL where it gave none, or its error,
# and when it `ended`. A signal that comes later than its end is waited for.
run_until <- function(work, note) {
  came <- list(value = NULL, ended = NA_real_)
  tryCatch({
    value <- tryCatch(quietly(work()), error = identity)
    came <- list(value = value, ended = as.numeric(Sys.time()))
    while (is.na(sent_at(note))) Sys.sleep(0.01)
    Sys.sleep(0.2)
  }, interrupt = function(interrupt) {
    if (is.na(came$ended)) came$ended <<- as.numeric(Sys.time())
  })
  came
}

threads_now <- function() length(list.files("/proc/self/task"))

# Threads that end take a moment.
threads_settled <- function(allowed) {
  for (i in 1:100) {
    if (threads_now() <= allowed) break
    Sys.sleep(0.02)
  }
  threads_now()
}

megabytes_now <- function() {
  invisible(gc())
  line <- grep("^VmRSS", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

# One interrupt: the seconds until the prompt was there, NA where the call had ended before, and
# what is `odd`.
try_interrupt <- function(case, whole, threads) {
  note <- interrupt_after(stats::runif(1) * whole * 0.95)
  before <- helpers$session_state()
  came <- run_until(case$work, note)
  changed <- changed_session(before)
  late <- came$ended - sent_at(note)
  unlink(note)
  problem <- tryCatch({
    if (inherits(came$value, "error")) stop(came$value)
    quietly(case$check(came$value))
    NULL
  }, error = conditionMessage)
  left <- if (threads_settled(threads) > threads) "threads are left"
  list(seconds = if (isTRUE(late >= 0)) late else NA_real_, odd = c(problem, left, changed))
}

# What an interrupt has left otherwise in the session. What a call loads is loaded by then, and
# connections go when R collects garbage.
changed_session <- function(before) {
  changed <- setdiff(helpers$changed_state(before, helpers$session_state()), "connections")
  if (length(changed)) paste("changed:", paste(changed, collapse = ", "))
}

try_function <- function(name, case) {
  lacking <- Filter(function(package) !requireNamespace(package, quietly = TRUE), case$needs)
  if (length(lacking)) {
    return(add_row("skipped", c(name, rep("", 7), paste("needs", lacking, collapse = ", "))))
  }
  if (!is.null(case$ready)) case$ready()
  timed <- function() system.time(value <<- quietly(case$work()))[["elapsed"]]
  value <- NULL
  # The first call of some loads what the others find.
  whole <- min(timed(), timed())
  quietly(case$check(value))
  rm(value)
  quietly(case$check(NULL))
  Sys.sleep(0.3)
  threads <- threads_now()
  took <- numeric()
  odd <- character()
  megabytes <- megabytes_now()
  # Those that came too late are made up for.
  for (number in seq_len(2 * tries + 8)) {
    came <- try_interrupt(case, whole, threads)
    odd <- c(odd, came$odd)
    if (is.na(came$seconds)) next
    took <- c(took, came$seconds)
    megabytes <- c(megabytes, megabytes_now())
    if (length(took) == tries) break
  }
  report(name, whole, took, megabytes, odd, max(slowest, case$slowest))
}

# megabytes: before the first interrupt and after each. What is lost by a tenth of them: the lowest
# of each tenth is compared with that of the tenth before, and of the second half of these, when
# all that is kept for later is there, the median tells what is lost again and again.
lost_memory <- function(megabytes) {
  n <- length(megabytes)
  if (n < 20) return(megabytes[n] - megabytes[1])
  lowest <- tapply(megabytes, ceiling(seq_len(n) / n * 10), min)
  stats::median(diff(lowest)[5:9])
}

report <- function(name, whole, took, megabytes, odd, slowest) {
  longest <- max(took, 0)
  if (longest > slowest) odd <- c(odd, sprintf("the prompt took more than %g s", slowest))
  lost <- lost_memory(megabytes)
  if (lost > most_lost) odd <- c(odd, sprintf("more than %g MB are lost", most_lost))
  if (!length(took)) odd <- c(odd, "no interrupt came before the end")
  good <- length(odd) == 0
  add_row(if (good) "passed" else "failed", c(
    name, sprintf("%.1f", whole), length(took), sprintf("%.2f", stats::median(took)),
    sprintf("%.2f", longest), sum(took > 1), sprintf("%+.0f", lost),
    sprintf("%+.0f", utils::tail(megabytes, 1) - megabytes[1]),
    paste(unique(odd), collapse = "; ")
  ))
}

source("tests/faults/functions.R")
check_all_exported(names(functions), names(without_case), 9)
for (name in chosen(names(functions))) try_function(name, functions[[name]])

# A worker that BiocParallel was starting waits for somebody who calls it, for good. Others end, if
# not at once.
stop_workers()
for (i in 1:50) {
  waiting <- left_workers()
  if (!length(waiting)) break
  Sys.sleep(0.2)
}
tools::pskill(waiting)

write_results("interrupts", "Ctrl-C at random moments", c(
  "function", "seconds without", "interrupts", "seconds to the prompt: median", "longest",
  "above 1 s", "MB lost by a tenth of them", "MB more after all", "else"
), c(
  sprintf("Every answer must come within %g s (of SNOW workers: 5 s), and no more than %g MB be",
          slowest, most_lost),
  "lost by a tenth of the interrupts, again and again in their second half (by all of them, where",
  "they are fewer than 20). What comes back must be whole, what was given and the session's state",
  "(options, random numbers and so on) as they were, and no thread may stay.",
  sprintf("%d processes of BiocParallel's were left waiting, by Ctrl-C while it started workers.",
          length(waiting)),
  sprintf("Of workers that were started before, %d pairs could not be told to stop after Ctrl-C.",
          length(started$broken))
))
