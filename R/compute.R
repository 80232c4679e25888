# Where and with what numbers a network is computed: what users say as `device` and `precision`, and
# the kernels that CANALR_KERNELS forces in tests and benchmarks.

precisions <- c("auto", "float32", "bfloat16")

compute_on <- function(device, precision) {
  check_device(device)
  check_choice(precision, precisions, "precision")
  compute <- list(device = device, precision = precision, kernels = Sys.getenv("CANALR_KERNELS"))
  found <- about_argument("precision", "a precision that this machine has", cpp_kernels(compute))
  # Native networks are kept by this name, and results tell it.
  c(compute, list(name = paste(c(device, found), collapse = " ")))
}
