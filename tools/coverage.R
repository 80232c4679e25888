# Coverage by lines: coverage.R measure <copy of the package> <folder>, which runs the R tests in
# the copy, and coverage.R tables <folder>, which prints what is in the folder and fails below 90 %.
arguments <- commandArgs(trailingOnly = TRUE)
least <- 90

# Sessions that a test kills leave counts that are cut off.
pass_over_damaged_counts <- function() {
  space <- asNamespace("covr")
  merge <- space$merge_coverage.character
  is_whole <- function(file) !inherits(try(readRDS(file), silent = TRUE), "try-error")
  unlockBinding("merge_coverage.character", space)
  assign("merge_coverage.character", function(x) merge(Filter(is_whole, x)), envir = space)
}

measure <- function(package, folder) {
  pass_over_damaged_counts()
  # -r: none of LibTorch's headers. Only the glue counts: the engine has tests of its own, and
  # counting makes its kernels tens of times slower.
  options(covr.gcov_args = "-r", covr.flags = c(LDFLAGS = "--coverage"))
  cat("$(filter r_%.o,$(OBJECTS)): CXX17FLAGS += -O1 --coverage\n",
      file = file.path(package, "src", "Makevars.in"), append = TRUE)
  # A test that fails is `make test`'s to judge.
  writeLines(c("library(testthat)", "library(canalR)",
               "test_check(\"canalR\", stop_on_failure = FALSE)"),
             file.path(package, "tests", "testthat.R"))
  # Pictures are compared too.
  Sys.setenv(NOT_CRAN = "true")
  coverage <- covr::package_coverage(package, type = "tests", quiet = FALSE)
  lines <- covr::tally_coverage(coverage, by = "line")
  lines <- data.frame(filename = lines$filename, line = lines$line, ran = lines$value > 0)
  lines <- lines[grepl("^(R|src)/", lines$filename), ]
  write_files(lines, file.path(folder, "r.csv"))
  missing <- lines[!lines$ran, ]
  ranges <- vapply(split(missing$line, missing$filename), paste, "", collapse = ",")
  writeLines(paste(names(ranges), ranges), file.path(folder, "r-missing.txt"))
}

# gcovr's columns.
write_files <- function(lines, path) {
  files <- data.frame(
    filename = sort(unique(lines$filename)),
    line_total = as.vector(table(lines$filename)),
    line_covered = as.vector(tapply(lines$ran, lines$filename, sum))
  )
  utils::write.csv(files, path, row.names = FALSE)
}

by_folder <- function(path) {
  files <- utils::read.csv(path)
  folder <- dirname(files$filename)
  sums <- rowsum(files[c("line_total", "line_covered")], folder)
  sums$percent <- round(100 * sums$line_covered / sums$line_total, 1)
  sums
}

total_percent <- function(table) 100 * sum(table$line_covered) / sum(table$line_total)

print_table <- function(title, table) {
  cat("\n", title, "\n", sep = "")
  print(table)
  cat(sprintf("all: %.1f %%\n", total_percent(table)))
  total_percent(table) >= least
}

tables <- function(folder) {
  enough <- TRUE
  engine <- file.path(folder, "engine.csv")
  if (file.exists(engine)) enough <- print_table("Engine, under its tests", by_folder(engine))
  r <- file.path(folder, "r.csv")
  if (file.exists(r)) {
    table <- by_folder(r)
    own <- print_table("R, under the R tests", table["R", ])
    glue <- print_table("Glue, under the R tests", table["src", ])
    enough <- enough && own && glue
  }
  if (!enough) cat("\nBelow", least, "%: see the *-missing.txt in", folder, "\n")
  enough
}

switch(arguments[1],
  measure = measure(arguments[2], arguments[3]),
  tables = quit(status = as.integer(!tables(arguments[2])))
)
