# A slow BLAS makes everything many times slower, and nothing else would tell: Debian installs the
# reference BLAS with R.

session <- new.env(parent = emptyenv())

# Says once per R session that LibTorch runs on a slow BLAS. Called where a network is first made.
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
