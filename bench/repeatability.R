# How far other kernels and precisions lead: the demo's stream trained with each that this CPU has,
# beside the plain LibTorch. What training makes of rounding, not what one prediction differs by,
# which tests/testthat/test-repeatability.R bounds.
#
#   Rscript bench/repeatability.R
#
# A row for each: the largest difference of a confidence, and how many of 200 labels differ. The
# last line is `labels_that_differ N`, over all rows.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))

pancreas <- canal_read_h5ad(system.file("extdata", "panc8_small.h5ad", package = "canalR"))
of <- function(batch, without = character()) {
  pancreas[, pancreas$batch == batch & !pancreas$celltype %in% without]
}
query <- pancreas[, pancreas$batch %in% c("smartseq2", "fluidigmc1")]

annotated <- function(kernels, precision) {
  Sys.setenv(CANALR_KERNELS = kernels)
  on.exit(Sys.setenv(CANALR_KERNELS = ""))
  model <- canal_pretrained("compact")
  for (stage in list(of("indrop", c("ductal", "delta")), of("celseq"), of("celseq2"))) {
    model <- canal_train(stage, "celltype", model, seed = 1, precision = precision, verbose = FALSE)
  }
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
cat(sprintf("labels_that_differ %d\n", labels))
