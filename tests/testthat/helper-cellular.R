# Small CELLULAR models, made once for all test files.

cellular_cells <- function() {
  once("cellular_cells", function() {
    parts <- list(panc_cells("indrop"), panc_cells("celseq2"))
    list(counts = do.call(cbind, lapply(parts, `[[`, "counts")),
         types = unlist(lapply(parts, `[[`, "types")),
         batches = rep(c("indrop", "celseq2"), vapply(parts, function(p) ncol(p$counts), 0L)))
  })
}

# suppressed: types that are in one batch only.
embedding_of <- function(..., batch = cellular_cells()$batches, epochs = 4, seed = 1,
                         verbose = FALSE) {
  cells <- cellular_cells()
  suppressWarnings(
    cellular_train(cells$counts, cells$types, batch, latent_dim = 8, n_genes = 60,
                   epochs = epochs, batch_size = 32, warm_up = 1, seed = seed, verbose = verbose,
                   ...),
    classes = "canalR_warning_batch"
  )
}

cellular_model <- function() {
  once("cellular_model", function() {
    cells <- cellular_cells()
    cellular_classifier(cells$counts, cells$types, embedding_of(epochs = 25, learning_rate = 5e-3),
                        hidden = 16, learning_rate = 2e-2, epochs = 40, batch_size = 16, seed = 1,
                        verbose = FALSE)
  })
}
