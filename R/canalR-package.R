#' canalR: continual cell-type annotation of single-cell RNA-seq
#'
#' Train on a labelled data set with [canal_train()], go on training the same model on the next one,
#' and annotate unlabelled cells with [canal_predict()]; labels land in your own Seurat or
#' SingleCellExperiment object.
#'
#' @section If it is slow: `num_threads = NULL` uses every core this process may run on, or as many
#' threads as the environment variable `OMP_NUM_THREADS` says. OpenMP's threads spin while they
#' wait. Beside another busy program, or a BLAS with a pool of threads of its own
#' (`libopenblas0-pthread`), they take the cores from those that work, and everything becomes many
#' times slower. Set the environment variable `OMP_WAIT_POLICY=passive` before R starts (it is read
#' only then), prefer OpenBLAS' OpenMP build (Debian and Ubuntu: `libopenblas0-openmp`), or take
#' fewer threads.
#'
#' Once per session, when a network is first made, canalR says with a message of class
#' `canalR_message_slow_blas` if LibTorch runs on a slow BLAS such as Debian's reference BLAS, and
#' how to get a fast one.
#'
#' @useDynLib canalR, .registration = TRUE
#' @importFrom Rcpp evalCpp
#' @import methods
#' @importFrom stats setNames
#' @keywords internal
"_PACKAGE"
