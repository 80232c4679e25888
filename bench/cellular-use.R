# What CELLULAR's embedding, classifier and novelty are worth on real data, on cells that were not
# trained on: pancreas by technology, and blood (cells sorted by FACS, and 10x).
#
#   Rscript bench/cellular-use.R [--folder DATA] [--seeds 3] [--cells 600] [--what all] [--data all]
#
# DATA has pbmc_facs.h5ad and pbmc3k.h5ad; without it, pancreas alone. Half of each batch (of blood,
# of `--cells` cells of each) is trained on. `--what`: integration, classifier, novelty or all;
# `--data`: pancreas, blood or all.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))
source(file.path(here, "blood.R"))
suppressPackageStartupMessages(library(SingleCellExperiment))
asked <- parse_options(list(folder = "", seeds = 3, cells = 600, what = "all", data = "all"))

# ---- Data ----------------------------------------------------------------------------------------

# Both halves of some cells of every batch.
halves <- function(parts, seed, count = Inf) {
  parts <- lapply(parts, function(x) {
    set.seed(seed)
    chosen <- sample.int(ncol(x), min(count, ncol(x)))
    split(chosen, seq_along(chosen) %% 2)
  }) |> Map(f = function(cells, x) list(train = x[, cells[[1]]], test = x[, cells[[2]]]), parts)
  list(train = joined(lapply(parts, `[[`, "train")), test = joined(lapply(parts, `[[`, "test")))
}

# One object, its batches in `batch`; genes that all have.
joined <- function(parts) {
  cells <- canal_merge(parts, genes = "intersection", verbose = FALSE)
  cells$batch <- as.character(cells$source)
  cells
}

pancreas_parts <- function() {
  cells <- canal_read_h5ad(system.file("extdata", "panc8_small.h5ad", package = "canalR"))
  lapply(split(seq_len(ncol(cells)), cells$batch), function(some) cells[, some])
}

# ---- Embeddings ----------------------------------------------------------------------------------

pca_of <- function(cells, components = 30) {
  values <- cellular_normalize(counts(cells), verbose = FALSE)
  set.seed(1)
  genes <- colnames(canal_prepare(counts(cells), rownames(cells), n_genes = 2000, min_genes = 0,
                                  verbose = FALSE))
  irlba::prcomp_irlba(t(values[genes, ]), components)$x
}

embeddings <- function(data, cellular, seed) {
  test <- data$test
  pca <- pca_of(test)
  found <- list(
    PCA = pca,
    CANAL = reducedDim(canal_embed(test, canal_of(data$train, seed), verbose = FALSE), "CANAL"),
    CELLULAR = reducedDim(cellular_embed(test, cellular, verbose = FALSE), "CELLULAR")
  )
  if (requireNamespace("harmony", quietly = TRUE)) {
    found$Harmony <- harmony::RunHarmony(pca, as.data.frame(colData(test)), "batch",
                                         verbose = FALSE)
  }
  found
}

# A stream with a stage for every batch.
canal_of <- function(train, seed) {
  model <- canal_pretrained("compact")
  for (batch in unique(train$batch)) {
    model <- suppressWarnings(canal_train(train[, train$batch == batch], "celltype", model,
                                          seed = seed, verbose = FALSE))
  }
  model
}

cellular_of <- function(train, seed, ...) {
  suppressWarnings(cellular_train(train, "celltype", "batch", classifier = TRUE, seed = seed,
                                  verbose = FALSE, ...))
}

# ---- Measures ------------------------------------------------------------------------------------

# Share of cells whose `k` nearest cells of other batches are mostly of their type.
knn_accuracy <- function(distance, types, batches, k = 15) {
  right <- vapply(seq_along(types), function(i) {
    others <- which(batches != batches[i])
    near <- types[others[order(distance[i, others])][seq_len(min(k, length(others)))]]
    names(which.max(table(near))) == types[i]
  }, NA)
  # A type that no other batch has cannot be found there.
  there <- rowSums(table(types, batches) > 0)[types] > 1
  mean(right[there])
}

# By type (1: types lie apart) and by batch within types (1: batches lie in one another).
silhouettes <- function(distance, types, batches) {
  width <- function(groups, cells) {
    codes <- as.integer(factor(groups[cells]))
    groups <- length(unique(codes))
    if (groups < 2 || groups >= length(cells)) return(rep(NA_real_, length(cells)))
    cluster::silhouette(codes, dmatrix = distance[cells, cells])[, "sil_width"]
  }
  all <- seq_along(types)
  mixed <- lapply(split(all, types), function(cells) 1 - abs(width(batches, cells)))
  c(types = mean(width(types, all)), batches = mean(unlist(mixed), na.rm = TRUE))
}

integration <- function(data, cellular, seed) {
  keep <- colSums(counts(data$test)) > 0
  sapply(embeddings(data, cellular, seed), function(embedding) {
    whole <- keep & stats::complete.cases(embedding)
    distance <- as.matrix(stats::dist(embedding[whole, ]))
    types <- data$test$celltype[whole]
    batches <- data$test$batch[whole]
    c(knn = knn_accuracy(distance, types, batches), silhouettes(distance, types, batches))
  })
}

# Chance that a novel cell has the higher score; ties count half.
auroc <- function(score, novel) {
  ranks <- rank(score)
  (sum(ranks[novel]) - sum(novel) * (sum(novel) + 1) / 2) / (sum(novel) * sum(!novel))
}

# Each type is left out of the training in turn.
novelty <- function(data, seed) {
  types <- names(which(table(data$test$celltype) >= 10))
  rows <- lapply(types, function(type) {
    model <- cellular_of(data$train[, data$train$celltype != type], seed)
    found <- cellular_predict(data$test, model, verbose = FALSE)
    novel <- found$celltype == type
    called <- found$cellular_label %in% "Unassigned"
    data.frame(type = type, cells = sum(novel), called = sum(called),
               precision = if (any(called)) mean(novel[called]) else NA,
               coverage = mean(called[novel]),
               auroc = auroc(found$cellular_novelty, novel))
  })
  do.call(rbind, rows)
}

# ---- The run -------------------------------------------------------------------------------------

show_table <- function(title, table) {
  cat("\n", title, "\n\n", sep = "")
  cat("|", paste(c("", colnames(table)), collapse = " | "), "|\n")
  cat("|", strrep("---|", ncol(table) + 1), "\n", sep = "")
  for (name in rownames(table)) {
    cat("|", name, "|", paste(format(round(table[name, ], 3), nsmall = 3), collapse = " | "), "|\n")
  }
}

mean_of_runs <- function(runs) Reduce(`+`, runs) / length(runs)

wanted <- function(what) asked$what %in% c("all", what)

parts <- if (asked$data != "blood") list(pancreas = pancreas_parts())
if (nzchar(asked$folder) && asked$data != "pancreas") parts$blood <- blood_data(asked$folder)
for (name in names(parts)) {
  data <- lapply(seq_len(asked$seeds), function(seed) halves(parts[[name]], seed, asked$cells))
  models <- Map(cellular_of, lapply(data, `[[`, "train"), seq_along(data))
  if (wanted("integration")) {
    show_table(paste0(name, ": integration"),
               mean_of_runs(Map(integration, data, models, seq_along(data))) |> t())
  }
  if (wanted("classifier")) {
    runs <- Map(function(data, model, seed) {
      found <- canal_compare(data$test, "celltype", data$train, seed = seed, verbose = FALSE)
      own <- cellular_predict(data$test, model, novelty_threshold = 0, verbose = FALSE)
      evaluation <- canal_evaluate(own$cellular_label, data$test$celltype)
      rbind(as.matrix(found[c("accuracy", "macro_f1")]),
            c(evaluation$accuracy, evaluation$macro_f1)) |>
        `rownames<-`(c(found$method, "CELLULAR"))
    }, data, models, seq_along(data))
    show_table(paste0(name, ": classifier"), mean_of_runs(runs))
  }
  if (wanted("novelty")) {
    runs <- do.call(rbind, Map(novelty, data, seq_along(data)))
    means <- aggregate(runs[-1], runs["type"], mean, na.rm = TRUE)
    show_table(paste0(name, ": novelty, each type left out in turn"),
               `rownames<-`(as.matrix(means[-1]), means$type))
  }
}
