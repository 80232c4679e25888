# What is wrong with the libraries underneath, told once per R session, where a network is first
# made.
# A slow BLAS makes everything many times slower, and nothing else would tell: Debian installs the
# reference BLAS with R. Two LibTorch libraries in one process share what each believes its own.

session <- new.env(parent = emptyenv())

tell_libraries <- function(device = "cpu") {
  tell_slow_blas(device)
  if (isTRUE(session$libtorch_looked_at)) return(invisible())
  session$libtorch_looked_at <- TRUE
  warn_two_libtorch(cpp_loaded_libtorch())
}

warn_two_libtorch <- function(files) {
  if (length(files) < 2) return(invisible())
  warning(canal_condition("warning", "libtorch", paste0(
    "This R session has loaded more than one LibTorch: ", some_of(files), ".\n",
    "If R crashes or numbers look wrong, run canalR without the other (R's torch package, say), ",
    "or install canalR with LIBTORCH_HOME set to the other's folder: both then share one."
  ), NULL))
}

tell_slow_blas <- function(device = "cpu") {
  if (device != "cpu" || isTRUE(session$blas_looked_at)) return(invisible())
  session$blas_looked_at <- TRUE
  report <- cpp_blas_report()
  if (report$slow) canal_inform("slow_blas", slow_blas_text(report))
}

slow_blas_text <- function(report) {
  library <- normalizePath(report$library, mustWork = FALSE)
  sprintf("LibTorch runs on a slow BLAS%s (%.1f GFLOP/s on one core; OpenBLAS: over 100).\n%s",
          if (nzchar(library)) paste0(", ", library) else "", report$gflops, blas_fix(library))
}

# Debian and Ubuntu choose among BLAS libraries by a link whose name ends in the architecture.
blas_fix <- function(library) {
  layout <- "^(/usr)?/lib/([^/]+-linux-gnu[^/]*)/.*"
  if (!grepl(layout, library)) return("Install OpenBLAS, for R and LibTorch to use.")
  sprintf("To mend: apt-get install libopenblas0-openmp; or update-alternatives --config %s",
          paste0("libblas.so.3-", sub(layout, "\\2", library)))
}
