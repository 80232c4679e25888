# A Python that has a module. Debian's is not always the first in the PATH.
python_with <- function(module) {
  for (python in unique(c("/usr/bin/python3", Sys.which("python3")))) {
    status <- suppressWarnings(
      system2(python, c("-c", shQuote(paste("import", module))), stdout = FALSE, stderr = FALSE)
    )
    if (nzchar(python) && identical(status, 0L)) return(python)
  }
  testthat::skip(paste("no Python with", module))
}
