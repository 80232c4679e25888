# Options that other packages set for the time of a call before they have arranged to set them back:
# SingleR the first; irlba, which Seurat and uwot call, the second. Ctrl-C between the two would
# leave them so.
lent_options <- c("DelayedArray.auto.BPPARAM", "warn")

# The value of `code`, which calls such packages.
keep_lent_options <- function(code) {
  before <- stats::setNames(lapply(lent_options, getOption), lent_options)
  on.exit(options(before))
  code
}
