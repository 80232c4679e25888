# The speed of canalR beside that of a plain PyTorch program of the same network, measured in turn
# on the same machine, every run in a process of its own.
#
#   make bench, or: Rscript bench/table.R [--quick] [--threads T]
#
# Writes bench/results.md; with --quick (fewer tokens and cells, one repeat) it only prints.
# CANALR_PEER names another program than bench/peer_torch.py, with the same options and last line.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))

# ---- What is measured ----------------------------------------------------------------------------

# Both programs held to AVX2: canalR's kernels, LibTorch's own and OpenBLAS'.
avx2_only <- c("CANALR_KERNELS=avx2", "ATEN_CPU_CAPABILITY=avx2", "OPENBLAS_CORETYPE=Haswell")

# A row of the table. cells, repeats: of canalR, then of the peer. wanted: the ratio to reach, or NA.
row <- function(what, tokens, precision, cells, repeats, wanted = NA, env = character()) {
  list(what = what, tokens = tokens, precision = precision, cells = cells, repeats = repeats,
       wanted = wanted, env = env)
}

rows <- function(quick) {
  short <- if (quick) 201 else 1001
  long <- if (quick) 1001 else 16907
  some <- if (quick) c(4, 4) else c(28, 14)
  few <- if (quick) c(2, 1) else c(4, 1)
  often <- if (quick) c(1, 1) else c(5, 3)
  list(
    row("predict", short, "auto", some, often, wanted = 30),
    row("predict", short, "float32", some, often, wanted = 7),
    row("predict", long, "auto", few, c(if (quick) 1 else 3, 1), wanted = 50),
    row("train", short, "float32", c(28, 14), c(if (quick) 1 else 5, often[2]), wanted = 15),
    row("train", short, "auto", c(28, 14), c(if (quick) 1 else 5, often[2]), wanted = 50),
    row("predict", short, "auto", some, often, wanted = 4, env = avx2_only)
  )
}

work_text <- function(row) {
  paste0(if (row$what == "predict") "annotate" else "train a stage, batches of 14", ", ",
         format(row$tokens, big.mark = ","), " tokens, precision ", row$precision,
         if (length(row$env)) ", AVX2 only")
}

# ---- Running it ----------------------------------------------------------------------------------

# The lines a program printed. Its errors go to the terminal.
run <- function(command, arguments, env = character()) {
  cat(">", env, basename(command), arguments, "\n")
  lines <- suppressWarnings(system2(command, shQuote(arguments), stdout = TRUE, env = env))
  if (!is.null(attr(lines, "status")) || !length(lines)) {
    stop("This run failed (its output is above).", call. = FALSE)
  }
  cat(paste0("    ", lines), sep = "\n")
  lines
}

script <- function(name, arguments = character(), env = character()) {
  run(file.path(R.home("bin"), "Rscript"), c(file.path(here, name), arguments), env)
}

as_options <- function(...) {
  values <- c(...)
  c(rbind(paste0("--", names(values)), format(values, trim = TRUE, scientific = FALSE)))
}

seconds_in <- function(lines) {
  last <- utils::tail(lines, 1)
  if (!grepl("^seconds_per_cell [0-9.e+-]+ *$", last)) {
    stop(sprintf("Expected a last line `seconds_per_cell X`; got \"%s\".", last), call. = FALSE)
  }
  as.numeric(sub("^seconds_per_cell", "", last))
}

peak_in <- function(lines) {
  line <- grep("^Peak memory: ", lines, value = TRUE)
  if (length(line)) suppressWarnings(as.numeric(gsub("[^0-9]", "", line[1]))) else NA_real_
}

# A Python that has PyTorch; a distribution's is not always the first in the path.
find_python <- function() {
  for (python in c(Sys.getenv("PYTHON"), Sys.which("python3"), "/usr/bin/python3")) {
    if (!nzchar(python)) next
    if (system2(python, c("-c", shQuote("import torch")), stdout = FALSE, stderr = FALSE) == 0) {
      return(unname(python))
    }
  }
  stop("No python3 with PyTorch: apt-get install python3-torch, or name one in PYTHON.",
       call. = FALSE)
}

# Every distinct work of the peer is done once.
peer_seconds <- local({
  known <- list()
  function(row, threads) {
    arguments <- c(row$what, as_options(tokens = row$tokens, cells = row$cells[2],
                                        threads = threads, `repeat` = row$repeats[2]))
    key <- paste(c(row$env, arguments), collapse = " ")
    if (is.null(known[[key]])) {
      known[[key]] <<- seconds_in(run(python, c(peer, arguments), row$env))
    }
    known[[key]]
  }
})

canalr_lines <- function(row, threads) {
  repeats <- if (row$what == "predict") c(`repeat` = row$repeats[1]) else c(epochs = row$repeats[1])
  options <- as_options(c(tokens = row$tokens, cells = row$cells[1], threads = threads, repeats))
  script(paste0(row$what, ".R"), c(options, "--precision", row$precision), row$env)
}

measure <- function(row, threads) {
  theirs <- peer_seconds(row, threads)
  lines <- canalr_lines(row, threads)
  ours <- seconds_in(lines)
  data.frame(work = work_text(row), peer = theirs, ours = ours, ratio = theirs / ours,
             peak = peak_in(lines), wanted = row$wanted)
}

# ---- Telling it ----------------------------------------------------------------------------------

markdown <- function(table) {
  cell <- function(values, digits) {
    ifelse(is.na(values), "", formatC(values, digits = digits, format = "fg", flag = "#"))
  }
  whole <- function(values) ifelse(is.na(values), "", format(round(values), trim = TRUE))
  c("| work | peer, s per cell | canalR, s per cell | ratio | peak of canalR, MiB | wanted ratio |",
    "|---|---|---|---|---|---|",
    sprintf("| %s | %s | %s | %s | %s | %s |", table$work, cell(table$peer, 3),
            cell(table$ours, 3), cell(table$ratio, 2), whole(table$peak), whole(table$wanted)))
}

# Benchmarks with a table of their own, where they exist, and their options for a trial.
others <- function(quick) {
  trial <- list(prepare.R = c("--cells", "2000", "--repeat", "1"), scale.R = c("--cells", "5000", "--memory", "5000"))
  found <- Filter(function(name) file.exists(file.path(here, name)), names(trial))
  unlist(lapply(found, function(name) {
    c("", sprintf("## bench/%s", name), "", "```", script(name, if (quick) trial[[name]]), "```")
  }))
}

report <- function(table, threads) {
  c("# Measured", "",
    sprintf("By `make bench` on %s, %d threads. Peer: %s. Seconds are medians.",
            trimws(format(Sys.Date(), "%e %B %Y")), threads, basename(peer)), "",
    paste0("Machine: ", machine_text(), "."), "", markdown(table))
}

asked <- parse_options(list(quick = FALSE, threads = canalR:::cpp_runtime_info()$cores))
peer <- Sys.getenv("CANALR_PEER", file.path(here, "peer_torch.py"))
if (!file.exists(peer)) stop(sprintf("CANALR_PEER: no file \"%s\".", peer), call. = FALSE)
python <- find_python()
table <- do.call(rbind, lapply(rows(asked$quick), measure, threads = asked$threads))
text <- report(table, asked$threads)
if (asked$quick) text[3] <- paste("A trial with few tokens and cells.", text[3])
keep <- function(text) if (!asked$quick) writeLines(text, file.path(here, "results.md"))
cat("", text, sep = "\n")
keep(text)  # before a benchmark that comes later can fail
more <- others(asked$quick)
cat(more, sep = "\n")
keep(c(text, more))
