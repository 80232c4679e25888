# The golden arrays: those of the package, or another set named by CANALR_GOLDEN.
golden_path <- function(name) {
  folder <- Sys.getenv("CANALR_GOLDEN", testthat::test_path("fixtures", "golden"))
  path <- file.path(folder, name)
  if (endsWith(name, ".pth") && !file.exists(path)) path <- golden_checkpoint(folder, name)
  path
}

# The checkpoints share most of their weights, so they are packed together: a quarter of the size.
golden_checkpoint <- function(folder, name) {
  packed <- file.path(folder, "checkpoints.tar.xz")
  unpacked <- file.path(tempdir(), "golden")
  if (file.exists(packed) && !dir.exists(unpacked)) {
    utils::untar(packed, exdir = unpacked, tar = "internal")
  }
  file.path(unpacked, name)
}
