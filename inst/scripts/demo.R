# The main job on real data: human pancreas by five technologies. Three labelled data sets arrive
# one after another, with types that the first one lacks; two more are annotated.
#
#   Rscript demo.R [--seed N] [--output FOLDER]
suppressPackageStartupMessages({
  library(canalR)
  library(SingleCellExperiment)
})

option <- function(name, default) {
  given <- commandArgs(trailingOnly = TRUE)
  place <- match(paste0("--", name), given)
  if (is.na(place)) default else given[place + 1]
}
seed <- as.integer(option("seed", "1"))
folder <- option("output", "demo-output")
dir.create(folder, showWarnings = FALSE, recursive = TRUE)

pancreas <- canal_read_h5ad(system.file("extdata", "panc8_small.h5ad", package = "canalR"))
technology <- as.character(pancreas$batch)
arrives_late <- pancreas$celltype %in% c("ductal", "delta")
stages <- list(
  indrop = pancreas[, technology == "indrop" & !arrives_late],
  celseq = pancreas[, technology == "celseq"],
  celseq2 = pancreas[, technology == "celseq2"]
)
tests <- list(smartseq2 = pancreas[, technology == "smartseq2"],
              fluidigmc1 = pancreas[, technology == "fluidigmc1"])

cat(sprintf("\nA stream of pancreas cells: %s are learned, %s annotated (seed %d).\n\n",
            paste(names(stages), collapse = ", then "), paste(names(tests), collapse = " and "),
            seed))
started <- proc.time()[["elapsed"]]
model <- canal_pretrained("compact")
for (stage in stages) model <- canal_train(stage, "celltype", model, seed = seed)
training <- proc.time()[["elapsed"]] - started

cat("\n")
stream <- canal_stream(model)
print(stream)

annotate <- function(cells) canal_predict(cells, model, verbose = FALSE)
measure <- function(cells) {
  canal_evaluation(suppressMessages(canal_evaluate(cells, "celltype")))
}
started <- proc.time()[["elapsed"]]
annotated <- lapply(tests, annotate)
prediction <- proc.time()[["elapsed"]] - started
evaluations <- lapply(annotated, measure)
labels <- do.call(rbind, lapply(annotated, function(cells) {
  data.frame(cell = colnames(cells), label = cells$canal_label)
}))
utils::write.csv(labels, file.path(folder, "labels.csv"), row.names = FALSE, quote = FALSE)

measures <- function(name) vapply(evaluations, function(e) e[[name]], numeric(1))
result <- data.frame(cells = vapply(tests, ncol, 0L), accuracy = measures("accuracy"),
                     macro_F1 = measures("macro_f1"), ARI = measures("ari"))
cat("\nAnnotated:\n")
print(round(result, 3))
cat(sprintf("\nMean accuracy %.3f. Training %.1f s, annotation %.1f s.\n", mean(result$accuracy),
            training, prediction))

if (requireNamespace("ggplot2", quietly = TRUE)) {
  save_plot <- function(plot, name, width = 7, height = 5) {
    file <- file.path(folder, name)
    ggplot2::ggsave(file, plot, width = width, height = height, dpi = 120, bg = "white")
    file
  }
  files <- c(save_plot(plot(stream), "accuracy-over-stages.png"),
             vapply(names(evaluations), function(name) {
               save_plot(plot(evaluations[[name]]) + ggplot2::labs(subtitle = name),
                         paste0("confusion-", name, ".png"))
             }, ""))
  cat("\nPlots:", paste0("  ", normalizePath(files)), sep = "\n")
}
canal_save(model, file.path(folder, "pancreas-model.h5"))
cat(sprintf("\nThe labels: %s\nThe model: %s\n",
            normalizePath(file.path(folder, "labels.csv")),
            normalizePath(file.path(folder, "pancreas-model.h5"))))
