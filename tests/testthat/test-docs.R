# The help pages of the installed package: that nothing is left unsaid.

pages <- tools::Rd_db("canalR")

tags_of <- function(page) vapply(page, function(part) attr(part, "Rd_tag"), "")
text_of <- function(part) trimws(paste(unlist(part), collapse = ""))
parts_of <- function(page, tag) unclass(page)[tags_of(page) == tag]
aliases_of <- function(page) vapply(parts_of(page, "\\alias"), text_of, "")
sections_of <- function(page) {
  vapply(parts_of(page, "\\section"), function(part) text_of(part[[1]]), "")
}

# Functions of the package's own that are exported (methods export their generics, too), and the
# page of each by its file's name.
exported <- Filter(function(name) {
  value <- get(name, asNamespace("canalR"))
  is.function(value) && identical(environment(value), asNamespace("canalR"))
}, getNamespaceExports("canalR"))
page_of <- function(name) {
  found <- names(pages)[vapply(pages, function(page) name %in% aliases_of(page), NA)]
  expect_length(found, 1)
  found
}

# What is said of each argument, named by the argument; those that share an item have one each.
arguments_of <- function(page) {
  items <- unlist(parts_of(page, "\\arguments"), recursive = FALSE)
  items <- Filter(function(part) identical(attr(part, "Rd_tag"), "\\item"), items)
  said <- lapply(items, function(item) {
    # `...` is \dots in Rd, which has no text of its own.
    names <- strsplit(gsub("\\s", "", text_of(item[[1]])), ",")[[1]]
    stats::setNames(rep(gsub("\\s+", " ", text_of(item[[2]])), max(1, length(names))),
                    if (length(names)) names else "...")
  })
  unlist(said)
}

# Which conditions a function may raise is more than its code tells; that it raises any is seen by a
# call of canal_abort() or its like in what it calls.
raises <- function(name, seen = character()) {
  namespace <- asNamespace("canalR")
  todo <- name
  while (length(todo)) {
    called <- all.names(body(get(todo[1], namespace)), unique = TRUE)
    if (any(c("canal_abort", "canal_warn", "about_argument") %in% called)) return(TRUE)
    seen <- c(seen, todo[1])
    own <- Filter(function(one) {
      exists(one, namespace, mode = "function", inherits = FALSE) && !startsWith(one, "cpp_")
    }, setdiff(called, seen))
    todo <- union(todo[-1], own)
  }
  FALSE
}

test_that("every exported function has a page with a value and an example that runs", {
  expect_gt(length(exported), 30)
  for (name in exported) {
    page <- pages[[page_of(name)]]
    expect_true("\\value" %in% tags_of(page), info = name)
    examples <- parts_of(page, "\\examples")
    expect_length(examples, 1)
    kept_from_running <- vapply(unlist(examples, recursive = FALSE), function(part) {
      attr(part, "Rd_tag") %in% c("\\dontrun", "\\donttest")
    }, NA)
    expect_false(any(kept_from_running), info = name)
    expect_match(text_of(examples), name, fixed = TRUE)
    expect_no_match(text_of(examples), "canalR:::(?!cpp_team_backend)", perl = TRUE)
  }
})

test_that("every argument is described", {
  for (name in exported) {
    said <- arguments_of(pages[[page_of(name)]])
    lacking <- setdiff(names(formals(name, envir = asNamespace("canalR"))), c(names(said), "..."))
    expect_identical(lacking, character(), info = name)
  }
  for (file in names(pages)) expect_true(all(nzchar(arguments_of(pages[[file]]))), info = file)
})

test_that("functions that raise conditions say which", {
  for (name in exported) {
    if (!raises(name)) next
    page <- pages[[page_of(name)]]
    expect_true(any(grepl("^Errors", sections_of(page))), info = name)
  }
  expect_true(raises("canal_predict"))
  expect_false(raises("thousands"))
})

test_that("functions name their source", {
  for (name in exported) {
    tags <- tags_of(pages[[page_of(name)]])
    expect_true(any(c("\\source", "\\references") %in% tags), info = name)
  }
})

test_that("arguments of one name are described alike", {
  alike <- c(
    num_threads = "Threads", seed = "One whole number, 0 or more; NULL takes one",
    verbose = "TRUE shows progress and says what is done; FALSE does neither.",
    assay.type = "Name of the"
  )
  for (file in names(pages)) {
    if (startsWith(file, "canal_plot_")) next
    said <- arguments_of(pages[[file]])
    for (name in intersect(names(alike), names(said))) {
      expect_true(startsWith(said[[name]], alike[[name]]), info = paste(file, name))
    }
  }
})
