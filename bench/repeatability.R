# How far other kernels and precisions lead: the demo's stream trained with each that this CPU has,
# beside the plain LibTorch. What training makes of rounding, not what one prediction differs by,
# which tests/testthat/test-repeatability.R bounds. And how many cells become unassigned, or are no
# longer, when they come in another order.
#
#   Rscript bench/repeatability.R
#
# A row for each kernel and precision: the largest difference of a confidence, and how many of 200
# labels differ. `labels_by_order` are the most that differ between the cells as they are and in ten
# other orders, and the last line is `labels_that_differ N`, over all kernels and precisions.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))

pancreas <- canal_read_h5ad(system.file("extdata", "panc8_small.h5ad", package = "canalR"))
of <- function(batch, without = character()) {
  pancreas[, pancreas$batch == batch & !pancreas$celltype %in% without]
}
query <- pancreas[, pancreas$batch %in% c("smartseq2", "fluidigmc1")]

trained <- function(precision) {
  model <- canal_pretrained("compact")
  for (stage in list(of("indrop", c("ductal", "delta")), of("celseq"), of("celseq2"))) {
    model <- canal_train(stage, "celltype", model, seed = 1, precision = precision, verbose = FALSE)
  }
  model
}

annotated <- function(kernels, precision) {
  Sys.setenv(CANALR_KERNELS = kernels)
  on.exit(Sys.setenv(CANALR_KERNELS = ""))
  model <- trained(precision)
  canal_predict(query, model, precision = precision, verbose = FALSE)
}

# Some kernels only multiply bfloat16 numbers, others only float32.
try_annotated <- function(kernels, precision) {
  tryCatch(annotated(kernels, precision), canalR_error_input = function(error) NULL)
}

plain <- annotated("libtorch", "float32")
cat(sprintf("%-14s %-9s %12s %7s\n", "kernels", "precision", "confidence", "labels"))
labels <- 0
for (kernels in canalR:::cpp_runtime_info()$kernels) {
  for (precision in c("float32", "bfloat16")) {
    found <- try_annotated(kernels, precision)
    if (is.null(found)) next
    differ <- sum(found$canal_label != plain$canal_label)
    labels <- labels + differ
    cat(sprintf("%-14s %-9s %12.1e %7d\n", kernels, precision,
                max(abs(found$canal_confidence - plain$canal_confidence)), differ))
  }
}

# The threshold of CANAL's novelty comes from mixtures that are drawn in the cells' order.
model <- trained("float32")
novel <- function(cells) {
  canal_predict(cells, model, novelty = "canal", seed = 1, verbose = FALSE)[, colnames(query)]
}
as_they_are <- novel(query)
by_order <- vapply(1:10, function(seed) {
  set.seed(seed)
  sum(novel(query[, sample(ncol(query))])$canal_label != as_they_are$canal_label)
}, 0)
cat(sprintf("labels_by_order %d\n", max(by_order)))
cat(sprintf("labels_that_differ %d\n", labels))
