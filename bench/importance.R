# Whether attention points at the genes that biologists know: a model is trained on labelled cells,
# canal_gene_importance() is asked for each type, and it is told how high known markers rank.
#
#   Rscript bench/importance.R [--file x.h5ad] [--tissue pancreas|blood] [--batch technology]
#                              [--seeds 3] [--plot importance.png]
#
# Without --file the package's own pancreas cells. Of a marker the percentile among the model's
# genes is told (1 is the highest rank, 0.5 what chance gives) by share, by lift and, beside them,
# by plain expression: the mean log expression in the type's cells over that of the other types.
# The last line is `lift_percentile X`, the mean over markers and seeds.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))

markers <- list(
  pancreas = list(
    alpha = c("GCG", "TTR", "CHGB", "TM4SF4", "LOXL4", "IRX2", "GC"),
    beta = c("INS", "IAPP", "MAFA", "ADCYAP1", "DLK1", "NPTX2", "HADH"),
    delta = c("SST", "RBP4", "LEPR", "HHEX", "PCSK1"),
    acinar = c("PRSS1", "CPA1", "REG1A", "CTRB1", "PNLIP", "CELA3A"),
    ductal = c("KRT19", "SPP1", "CFTR", "MMP7", "ANXA4"),
    endothelial = c("PECAM1", "PLVAP", "ESAM", "VWF", "KDR")
  ),
  blood = list(
    "B" = c("MS4A1", "CD79A", "CD79B", "CD74", "HLA-DRA"),
    "NK" = c("GNLY", "NKG7", "GZMB", "PRF1", "FGFBP2"),
    "CD14+ Mono" = c("CD14", "LYZ", "S100A8", "S100A9"),
    "FCGR3A+ Mono" = c("FCGR3A", "MS4A7", "LST1"),
    "CD8 T" = c("CD8A", "CD8B", "GZMK", "CCL5"),
    "Memory CD4 T" = c("IL7R", "LTB", "S100A4"),
    "Naive CD4 T" = c("CCR7", "IL7R", "LDHB"),
    "DC" = c("FCER1A", "CST3", "CLEC10A"),
    "Platelet" = c("PPBP", "PF4", "GNG11")
  )
)

# Mean log2 expression of every gene in the cells of each type over that in the other types.
expression_contrast <- function(counts, types) {
  size <- Matrix::colSums(counts)
  counts@x <- log2(1 + counts@x * rep(1e4 / size, diff(counts@p)))
  means <- vapply(sort(unique(types)), function(type) {
    Matrix::rowMeans(counts[, types == type, drop = FALSE])
  }, numeric(nrow(counts)))
  means - (rowSums(means) - means) / max(1, ncol(means) - 1)
}

percentile <- function(values) {
  (rank(values) - 1) / (length(values) - 1)
}

# A row per type and known marker that the model reads.
rank_markers <- function(importance, contrast, known) {
  share <- as.matrix(importance)
  lift <- as.matrix(importance, "lift")
  rows <- lapply(intersect(names(known), colnames(share)), function(type) {
    genes <- intersect(known[[type]], rownames(share))
    if (!length(genes)) return(NULL)
    of <- function(values) percentile(values[rownames(share), type])[genes]
    place <- rank(-lift[, type])[genes]
    data.frame(type = type, gene = genes, share = of(share), lift = of(lift),
               lift_rank = place, expression = of(contrast))
  })
  do.call(rbind, rows)
}

asked <- parse_options(list(file = "", tissue = "pancreas", batch = "", seeds = 3, plot = ""))
if (!nzchar(asked$file)) {
  asked$file <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
}
cells <- canalR:::cells_of(asked$file)
chosen <- if (nzchar(asked$batch)) cells$obs$batch == asked$batch else TRUE
counts <- cells$counts[, chosen]
types <- as.character(cells$obs$celltype[chosen])
cat("Machine:", machine_text(), "\n")
cat(sprintf("Work: %d cells, %d genes of %s\n", ncol(counts), nrow(counts), basename(asked$file)))

contrast <- expression_contrast(counts, types)
runs <- lapply(seq_len(asked$seeds), function(seed) {
  model <- canal_model(canal_config("compact"), rownames(counts), seed = seed)
  model <- canal_train(counts, types, model, seed = seed, verbose = FALSE)
  seconds <- seconds_of(
    importance <- canal_gene_importance(counts, model, by = types, verbose = FALSE)
  )
  record <- model@history[[1]]
  cat(sprintf("seed %d: validation accuracy %.3f; importance %.4f s per cell\n", seed,
              record$best_accuracy, seconds / ncol(counts)))
  list(importance = importance, ranks = rank_markers(importance, contrast,
                                                     markers[[asked$tissue]]))
})

cat("\nThe last seed:\n")
print(runs[[asked$seeds]]$importance, n = 10)
ranks <- do.call(rbind, lapply(runs, `[[`, "ranks"))
by_gene <- stats::aggregate(cbind(share, lift, lift_rank, expression) ~ type + gene, ranks, mean)
cat("\nKnown markers among the model's genes, mean percentile over seeds (rank for lift):\n")
print(by_gene[order(by_gene$type, -by_gene$lift), ], digits = 3, row.names = FALSE)
by_type <- stats::aggregate(cbind(share, lift, expression) ~ type, ranks, mean)
cat("\nBy type:\n")
print(by_type, digits = 3, row.names = FALSE)
overlap <- Reduce(intersect, lapply(runs, function(run) {
  top <- run$importance[run$importance$rank <= 20, ]
  paste(top$type, top$gene)
}))
cat(sprintf("\nOf 20 genes a type, %.1f are the same for all %d seeds.\n",
            length(overlap) / length(unique(types)), asked$seeds))
if (nzchar(asked$plot)) {
  ggplot2::ggsave(asked$plot, plot(runs[[asked$seeds]]$importance), width = 10, height = 7,
                  dpi = 110)
}
cat("share_percentile", format(mean(ranks$share), digits = 3), "\n")
cat("expression_percentile", format(mean(ranks$expression), digits = 3), "\n")
cat("lift_percentile", format(mean(ranks$lift), digits = 3), "\n")
