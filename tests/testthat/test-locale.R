# Where a session writes numbers with a comma, files still have points.

with_decimal_comma <- function(code) {
  folder <- tempfile()
  dir.create(folder)
  before <- Sys.getenv("LOCPATH", NA)
  on.exit({
    Sys.setlocale("LC_NUMERIC", "C")
    if (is.na(before)) Sys.unsetenv("LOCPATH") else Sys.setenv(LOCPATH = before)
    unlink(folder, recursive = TRUE)
  })
  skip_if_not(nzchar(Sys.which("localedef")), "localedef")
  suppressWarnings(system2("localedef", c("-i", "de_DE", "-f", "UTF-8",
                                          file.path(folder, "de_DE.UTF-8")),
                           stdout = FALSE, stderr = FALSE))
  Sys.setenv(LOCPATH = folder)
  changed <- suppressWarnings(Sys.setlocale("LC_NUMERIC", "de_DE.UTF-8"))
  skip_if_not(nzchar(changed), "a locale of a language that writes numbers with a comma")
  expect_identical(Sys.localeconv()[["decimal_point"]], ",")
  force(code)
}

test_that("files are written and read with points, whatever the locale", {
  model <- stage_one()
  files <- tempfile(c("here", "there"), fileext = ".safetensors")
  words <- tempfile(fileext = ".txt")
  on.exit(unlink(c(files, words)))
  writeLines("GENE1 0.5 -1.25e-1", words)
  canal_export(model, files[1], verbose = FALSE)
  with_decimal_comma({
    canal_export(model, files[2], verbose = FALSE)
    expect_identical(cpp_read_word2vec(words)$table[1, ], c(0.5, -0.125))
    imported <- canal_import(files[1], verbose = FALSE)
  })
  expect_identical(readBin(files[2], "raw", file.size(files[2])),
                   readBin(files[1], "raw", file.size(files[1])))
  expect_identical(imported@config, canal_import(files[2], verbose = FALSE)@config)
})
