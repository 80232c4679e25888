slow_report <- function(library = "/usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11.0") {
  list(kind = "unknown", library = library, gflops = 4.8, slow = TRUE)
}

# Runs code as if no network had been made in this session and LibTorch's BLAS were such a one.
with_blas <- function(report, code) {
  looked_at <- session$blas_looked_at
  on.exit(session$blas_looked_at <- looked_at)
  session$blas_looked_at <- FALSE
  with_binding("cpp_blas_report", function() report, code)
}

slow_blas_told <- function(code) {
  told <- 0L
  withCallingHandlers(code, canalR_message_slow_blas = function(message) {
    told <<- told + 1L
    invokeRestart("muffleMessage")
  })
  told
}

test_that("a slow BLAS is told with its file, its speed and the fix", {
  text <- slow_blas_text(slow_report())
  expect_match(text, "/usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11.0", fixed = TRUE)
  expect_match(text, "4.8 GFLOP/s", fixed = TRUE)
  expect_match(text, "apt-get install libopenblas0-openmp", fixed = TRUE)
  expect_match(text, "update-alternatives --config libblas.so.3-x86_64-linux-gnu", fixed = TRUE)
})

test_that("the fix fits the system", {
  expect_match(blas_fix("/lib/aarch64-linux-gnu/blas/libblas.so.3"),
               "libblas.so.3-aarch64-linux-gnu$")
  expect_no_match(blas_fix("/opt/R/lib/libRblas.so"), "apt-get")
  expect_match(slow_blas_text(slow_report("")), "^LibTorch runs on a slow BLAS \\(4.8")
})

test_that("a slow BLAS is told once a session, a fast one never", {
  run_twice <- function() for (i in 1:2) native_network(untrained_copy(), compute_on("cpu", "auto"))
  untrained_copy <- function() with_weights(untrained(), untrained()@weights)
  expect_identical(slow_blas_told(with_blas(slow_report(), run_twice())), 1L)
  fast <- utils::modifyList(slow_report(), list(gflops = 106, slow = FALSE))
  expect_identical(slow_blas_told(with_blas(fast, run_twice())), 0L)
  expect_identical(slow_blas_told(with_blas(slow_report(), tell_slow_blas("cuda"))), 0L)
})

test_that("training tells before its first epoch", {
  watch <- function(...) stop("no epoch is needed")
  told <- slow_blas_told(with_blas(slow_report(), with_binding("cpp_trainer", watch, {
    expect_error(train_quietly(stage_one_cells(), untrained()), "no epoch is needed")
  })))
  expect_identical(told, 1L)
})

test_that("the report says what LibTorch really runs on", {
  report <- cpp_blas_report()
  expect_identical(report$kind, cpp_runtime_info()$blas)
  expect_identical(is.na(report$gflops), report$kind != "unknown")
  if (nzchar(report$library)) expect_true(file.exists(report$library))
})

test_that("Debian's reference BLAS is recognised in a session that runs on it", {
  reference <- Sys.glob("/usr/lib/*-linux-gnu*/blas/libblas.so.3")
  skip_if(length(reference) != 1, "there is no reference BLAS beside the one in use")
  skip_if(cpp_blas_report()$kind == "mkl", "LibTorch brings its own BLAS")
  preloaded <- Sys.getenv("LD_PRELOAD", NA)
  on.exit(if (is.na(preloaded)) Sys.unsetenv("LD_PRELOAD") else Sys.setenv(LD_PRELOAD = preloaded))
  Sys.setenv(LD_PRELOAD = reference)
  seen <- in_new_session(c(
    "told <- character()",
    "withCallingHandlers(for (i in 1:2) {",
    "  model <- canal_model(canal_config('compact'), c('INS', 'GCG', 'SST'), seed = 1)",
    "  canal_forward(matrix(0L, 1, 3), model, 'encodings')",
    "}, canalR_message_slow_blas = function(m) told <<- c(told, conditionMessage(m)))",
    "result <- list(told = told, report = canalR:::cpp_blas_report())"
  ), NULL)
  expect_identical(seen$report$kind, "unknown")
  expect_true(seen$report$slow)
  expect_identical(normalizePath(seen$report$library), normalizePath(reference))
  expect_length(seen$told, 1)
  expect_match(seen$told, normalizePath(reference), fixed = TRUE)
})

test_that("the LibTorch that was linked is found among the loaded libraries", {
  skip_if_not(file.exists("/proc/self/maps"), "libraries are not looked for on this system")
  expect_true(any(grepl("libtorch_cpu", cpp_loaded_libtorch(), fixed = TRUE)))
})

test_that("a second LibTorch in the session is warned of, once", {
  skip_if_not(file.exists("/proc/self/maps"), "libraries are not looked for on this system")
  folder <- tempfile()
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  source <- file.path(folder, "other.c")
  library <- file.path(folder, paste0("libtorch_cpu", .Platform$dynlib.ext))
  writeLines("int other(void) { return 1; }", source)
  built <- system2(file.path(R.home("bin"), "R"),
                   c("CMD", "SHLIB", "-o", shQuote(library), shQuote(source)),
                   stdout = FALSE, stderr = FALSE)
  skip_if(built != 0 || !file.exists(library), "no C compiler")
  dyn.load(library)
  on.exit(dyn.unload(library), add = TRUE, after = FALSE)
  before <- session$libtorch_looked_at
  on.exit(session$libtorch_looked_at <- before, add = TRUE)
  session$libtorch_looked_at <- FALSE
  expect_warning(tell_libraries(), "more than one LibTorch.*libtorch_cpu.*LIBTORCH_HOME",
                 class = "canalR_warning_libtorch")
  expect_silent(tell_libraries())
})
