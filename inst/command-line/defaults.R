# The defaults that --help shows. They stand in the R functions, which are not there before canalR
# is loaded, and, made from them, in the usage of their help pages, which is read here.

# For help_text(). command: of options.R, or NULL.
command_defaults <- function(command, folder) {
  like <- lapply(command$options, function(option) option$like[1])
  functions <- unique(c(command$functions, unlist(like)))
  if (length(functions)) r_defaults(functions, folder) else list()
}

# A list of functions by name, each a list of defaults (R's expressions) by the argument. folder:
# of the package, installed or a clone's inst/. Functions without a help page are left out, as all
# are where canalR was installed without them.
r_defaults <- function(functions, folder) {
  usages <- unlist(lapply(help_pages(functions, folder), usage_calls))
  names(usages) <- vapply(usages, function(call) as.character(call[[1]])[1], "")
  lapply(usages[intersect(functions, names(usages))], function(call) {
    arguments <- as.list(call)[-1]
    arguments[nzchar(names(arguments))]
  })
}

help_pages <- function(functions, folder) {
  names <- paste0(functions, ".Rd")
  if (file.exists(file.path(folder, "help", paste0(basename(folder), ".rdx")))) {
    pages <- tools::Rd_db(basename(folder), lib.loc = dirname(folder))
    return(pages[intersect(names, names(pages))])
  }
  files <- file.path(dirname(folder), "man", names)
  lapply(files[file.exists(files)], tools::parse_Rd)
}

# The calls in a page's usage.
usage_calls <- function(page) {
  tags <- vapply(page, function(part) attr(part, "Rd_tag"), "")
  as.list(parse(text = paste(unlist(page[tags == "\\usage"]), collapse = ""), keep.source = FALSE))
}
