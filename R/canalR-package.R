#' canalR: continual cell-type annotation of single-cell RNA-seq
#'
#' Train on a labelled data set with [canal_train()], go on training the same model on the next one,
#' and annotate unlabelled cells with [canal_predict()]; labels land in your own Seurat or
#' SingleCellExperiment object.
#'
#' @section Threads: `num_threads = NULL` uses every core this process may run on. Programs that
#' spin while they wait fight for those cores: set the environment variable
#' `OMP_WAIT_POLICY=passive` before R starts on a shared machine.
#'
#' @useDynLib canalR, .registration = TRUE
#' @importFrom Rcpp evalCpp
#' @import methods
#' @importFrom S4Vectors DataFrame metadata metadata<-
#' @importFrom stats setNames
#' @importClassesFrom Matrix dgCMatrix
#' @keywords internal
"_PACKAGE"
