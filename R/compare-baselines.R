# The methods that canal_compare() runs: each takes what comparison_data() makes and returns labels
# for all cells of the query, with a note where there is something to say.

# scikit-learn minimises |w|^2 / 2 + C sum(loss), glmnet lambda |w|^2 / 2 + mean(loss): the same for
# lambda = 1 / (C n).
ridge_lambda <- function(cells, C = 0.1) 1 / (C * cells)

logistic_labels <- function(data) {
  cells <- label_counts(data$types)
  alone <- names(cells)[cells < 2]
  kept <- !data$types %in% alone
  lambda <- ridge_lambda(sum(kept))
  # From strong to weak penalties, each solution starting the next.
  path <- lambda * 10^seq(3, 0, by = -0.25)
  fit <- glmnet::glmnet(Matrix::t(log_normalise(data$train[, kept])), factor(data$types[kept]),
                        family = "multinomial", alpha = 0, lambda = path, standardize = FALSE)
  if (!length(fit$lambda) || min(fit$lambda) > lambda * (1 + 1e-6)) {
    stop("glmnet did not converge at lambda = ", format(lambda, digits = 3))
  }
  values <- Matrix::t(log_normalise(data$query))
  # glmnet drops the dimension of a single row.
  labels <- stats::predict(fit, rbind(values, values[1, ]), s = lambda, type = "class")
  list(labels = unname(labels[seq_len(nrow(values)), 1]),
       note = if (length(alone)) paste("left out types of one cell:", some_of(alone)))
}

# SingleR's Wilcoxon tests are scran's.
singler_labels <- function(data) {
  threads <- if (data$threads) data$threads else cpp_runtime_info()$cores
  found <- SingleR::SingleR(log_normalise(data$query), log_normalise(data$train),
                            labels = data$types, de.method = "wilcox", num.threads = threads)
  list(labels = as.character(found$labels))
}

seurat_labels <- function(data) {
  reference <- seurat_normalised(data$train)
  reference <- Seurat::FindVariableFeatures(reference, nfeatures = min(2000, nrow(data$train)),
                                            verbose = FALSE)
  query <- seurat_normalised(data$query)
  width <- min(30, ncol(data$train) - 1, ncol(data$query) - 1, nrow(data$train) - 1)
  anchors <- Seurat::FindTransferAnchors(reference, query, npcs = width, dims = seq_len(width),
                                         verbose = FALSE)
  near <- min(20, nrow(anchors@anchors) - 1)
  found <- Seurat::TransferData(anchors, data$types, dims = seq_len(width), k.weight = near,
                                verbose = FALSE)
  list(labels = as.character(found$predicted.id))
}

seurat_normalised <- function(counts) {
  rownames(counts) <- seurat_feature_names(rownames(counts))
  Seurat::NormalizeData(SeuratObject::CreateSeuratObject(counts), verbose = FALSE)
}

# Stops where a package is missing, which becomes the note of the method.
with_packages <- function(packages, annotate) {
  function(data) {
    there <- vapply(packages, requireNamespace, NA, quietly = TRUE)
    if (!all(there)) {
      stop("the package ", paste(packages[!there], collapse = " and "), " is not installed")
    }
    annotate(data)
  }
}

baselines <- list(
  logistic = list(annotate = with_packages("glmnet", logistic_labels)),
  SingleR = list(annotate = with_packages(c("SingleR", "scran"), singler_labels)),
  Seurat = list(annotate = with_packages(c("Seurat", "SeuratObject"), seurat_labels))
)
