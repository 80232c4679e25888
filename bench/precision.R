# What bfloat16 products change: the same models asked in both precisions, and the same stream of
# pancreas data trained in both, with frozen layers from stage 2 on.
#
#   Rscript bench/precision.R [--seeds 5] [--threads T]
#
# The last line is `labels_equal X`, the share of cells that get the same label.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))
suppressPackageStartupMessages(library(SingleCellExperiment))

pancreas <- canal_read_h5ad(system.file("extdata", "panc8_small.h5ad", package = "canalR"))
technology <- as.character(pancreas$batch)
stages <- lapply(c("indrop", "celseq", "celseq2"), function(name) pancreas[, technology == name])
test <- pancreas[, technology %in% c("smartseq2", "fluidigmc1")]

# Copies of the test cells of which 30 to 100 % of the transcripts were caught: many cells that a
# model has not seen, unsure ones among them.
thinned <- function(cells, copies) {
  values <- counts(cells)
  parts <- lapply(seq_len(copies), function(i) {
    part <- values
    part@x <- as.numeric(stats::rbinom(length(part@x), round(part@x), stats::runif(1, 0.3, 1)))
    colnames(part) <- paste0(colnames(values), "_", i)
    Matrix::drop0(part)
  })
  do.call(cbind, parts)
}

train_stream <- function(precision, seed) {
  config <- canal_config("compact", depth = 4, new_genes = 0)
  model <- canal_model(config, rownames(pancreas), seed = seed)
  for (i in seq_along(stages)) {
    model <- canal_train(stages[[i]], "celltype", model, seed = seed, verbose = FALSE,
                         trainable = if (i == 1) "all" else "stage", precision = precision,
                         num_threads = asked$threads)
  }
  model
}

ask <- function(model, cells, precision) {
  suppressMessages(canal_predict(cells, model, precision = precision, verbose = FALSE,
                                 num_threads = asked$threads))
}

accuracy <- function(model, precision) {
  mean(ask(model, test, precision)$canal_label == test$celltype)
}

validation <- function(model) model@history[[length(model@history)]]$best_accuracy

compare <- function(seed) {
  exact <- train_stream("float32", seed)
  fast <- train_stream("auto", seed)
  a <- ask(exact, many, "float32")
  b <- ask(exact, many, "auto")
  stopifnot(identical(is.na(a$canal_label), is.na(b$canal_label)))
  labelled <- !is.na(a$canal_label)  # enough genes were left
  a <- a[labelled, ]
  b <- b[labelled, ]
  data.frame(seed = seed, cells = nrow(a), labels_equal = mean(a$canal_label == b$canal_label),
             confidence_apart = max(abs(a$canal_confidence - b$canal_confidence)),
             validation_float32 = validation(exact), validation_auto = validation(fast),
             test_float32 = accuracy(exact, "float32"), test_auto = accuracy(fast, "auto"))
}

asked <- parse_options(list(seeds = 5, threads = canalR:::cpp_runtime_info()$cores))
set.seed(1)
many <- thinned(test, 50)
cat("Machine:", machine_text(), "\n")
cat(sprintf("Work: %d test cells, %d thinned copies of them; auto is %s, float32 is %s\n", ncol(test),
            ncol(many), kernels("auto"), kernels("float32")))
table <- do.call(rbind, lapply(seq_len(asked$seeds), compare))
print(table, digits = 4, row.names = FALSE)
cat("Means: ", paste(names(table)[-1], format(colMeans(table[-1]), digits = 4, scientific = FALSE)), "", sep = "\n  ")
cat("labels_equal", format(mean(table$labels_equal), digits = 6), "\n")
