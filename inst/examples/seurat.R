library(canalR)
file <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
pancreas <- canal_read_h5ad(file, as = "Seurat")
first <- pancreas[, pancreas$batch == "indrop"]
second <- pancreas[, pancreas$batch == "celseq"]
query <- pancreas[, pancreas$batch == "fluidigmc1"]

model <- canal_pretrained("compact")
model <- canal_train(first, "celltype", model, seed = 1)
model <- canal_train(second, "celltype", model, seed = 1)
query <- canal_predict(query, model)
table(query$canal_label, query$celltype)
