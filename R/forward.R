#' Raw outputs of the network
#'
#' Runs the network on tokens and returns its numbers as they are.
#'
#' @param tokens A [CanalTokens-class], or an integer matrix of cells x N with values 0 to `n_bins +
#'   1`, where N is the model's number of genes plus one: the published sequence closes with a token
#'   0. That last column may be left out.
#' @param model A [CanalModel-class].
#' @param output What to return: `"logits"` (cells x types), `"embedding"` (cells x `fc2`),
#'   `"manifold"` (cells x `fc1`), `"encodings"` (cells x N x `dim`, after the final norm) or
#'   `"mlm"` (cells x N x tokens, the pre-training head).
#' @param num_threads Threads; `NULL` for every core this process may use, or as many as the
#'   environment variable `OMP_NUM_THREADS` says.
#' @param device `"cpu"`, or `"cuda"` where LibTorch has it.
#' @param precision As in [canal_predict()]; `"float32"` unless said otherwise, as raw numbers are
#'   asked for to be compared.
#'
#' @return A matrix or array with a row per cell.
#' @section Errors: `canalR_error_input` for tokens out of range or an output that the model lacks,
#'   `canalR_error_sizes` for another number of genes.
#' @source scBERT (Yang et al. 2022) and CANAL, Methods; Performer (Choromanski et al. 2021),
#'   section 2.
#' @examples
#' model <- canal_model(canal_config("compact"), c("INS", "GCG", "SST"), seed = 1)
#' tokens <- matrix(c(5L, 0L, 0L, 1L, 4L, 0L), nrow = 2)
#' dim(canal_forward(tokens, model, "encodings"))
#' @export
canal_forward <- function(tokens, model,
                          output = c("logits", "embedding", "manifold", "encodings", "mlm"),
                          num_threads = NULL, device = "cpu", precision = "float32") {
  check_model(model)
  if (missing(output)) output <- output[1]
  check_choice(output, eval(formals(canal_forward)$output), "output")
  compute <- compute_on(device, precision)
  if (is(tokens, "CanalTokens")) check_token_genes(tokens, model, "tokens")
  bytes <- token_bytes(tokens)
  about_argument("tokens", "tokens that this network reads",
                 run_network(bytes, model, output, thread_count(num_threads), compute)[[1]])
}

# Raw genes x cells from whatever holds tokens.
token_bytes <- function(tokens) {
  if (is(tokens, "CanalTokens")) return(tokens@tokens)
  if (!is.matrix(tokens) || !is.numeric(tokens)) {
    canal_abort("argument", "tokens", "CanalTokens or an integer matrix of cells x N",
                describe_value(tokens))
  }
  if (anyNA(tokens) || any(tokens < 0 | tokens > 255 | tokens != round(tokens))) {
    canal_abort("input", "tokens", "whole numbers from 0 to 255", "others",
                "Tokens come from canal_prepare().")
  }
  bytes <- as.raw(t(tokens))
  dim(bytes) <- rev(dim(tokens))
  bytes
}

# Several outputs of one pass. bytes: raw, genes x cells.
run_network <- function(bytes, model, outputs, threads, compute, progress = NULL) {
  cpp_forward(native_network(model, compute), bytes, outputs, threads, progress)
}
