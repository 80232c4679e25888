# Makes the pre-trained model of the package, inst/pretrained/compact.h5, and the numbers and the
# picture of its model card, from unlabelled counts of four public data sets.
#
#   Rscript make-pretrained.R FOLDER [--output FOLDER] [--epochs N] [--seed N] [--threads N]
#                             [--zeros N] [--balance]
#
# FOLDER has panc8_small.h5ad, pbmc3k.h5ad, pbmc_facs.h5ad and kang_pbmc_unlabelled.h5ad. Labels are
# not looked at. It can be stopped and run again: it goes on from its last epoch. `--zeros` and
# `--balance` make the models that the other losses are judged by (see canal_pretrain(), and
# `bench/streams.R --compare models`).
suppressPackageStartupMessages(library(canalR))

given <- commandArgs(trailingOnly = TRUE)
option <- function(name, default) {
  place <- match(paste0("--", name), given)
  if (is.na(place)) default else given[place + 1]
}
folder <- given[1]
output <- option("output", "pretrained")
epochs <- as.integer(option("epochs", "30"))
seed <- as.integer(option("seed", "1"))
threads <- as.integer(option("threads", NA))
zeros <- as.numeric(option("zeros", "0"))
balance <- "--balance" %in% given
dir.create(output, showWarnings = FALSE, recursive = TRUE)

files <- file.path(folder, paste0(c("panc8_small", "pbmc3k", "pbmc_facs", "kang_pbmc_unlabelled"),
                                  ".h5ad"))
cells <- lapply(files, canal_read_h5ad)

# The vocabulary: what varies within a data set is what tells its cells apart, so from each blood
# data set its most variable genes, and all 2,000 of the pancreas cells (their file holds variable
# genes only). Mitochondrial and ribosomal genes vary with the handling of cells and are left out.
technical <- "^(MT-|RP[SL][0-9])"
variable <- function(x, n) {
  genes <- grep(technical, unique(rownames(x)), value = TRUE, invert = TRUE)
  colnames(canal_prepare(x, genes, n_genes = n, verbose = FALSE))
}
genes <- c(rownames(cells[[1]]), unlist(lapply(cells[-1], variable, n = 1000)))
vocabulary <- sort(unique(genes), method = "radix")
cat(length(vocabulary), "genes\n")

config <- canal_config("compact", n_bins = 8, first_cycle = epochs, warm_up = 2,
                       pretrain_epochs = epochs)
model <- canal_pretrain(cells, vocabulary, config, seed = seed, checkpoint = output, zeros = zeros,
                        balance = balance, num_threads = if (!is.na(threads)) threads)
# Stages have a schedule of their own, and a network that has seen many cells needs less imitation
# of shallower ones (`bench/streams.R --compare dropped`).
model@config$first_cycle <- canal_config("compact")$first_cycle
model@config$warm_up <- canal_config("compact")$warm_up
model@config$dropped_tokens <- 0.3
# Types that come later have markers of their own, and a vocabulary this size has vectors for them.
model@config$n_genes <- 2000
model@provenance$pretraining$data <- basename(files)
canal_save(model, file.path(output, "compact.h5"))

losses <- canal_pretraining(model)
write.csv(losses, file.path(output, "compact-losses.csv"), row.names = FALSE, quote = FALSE)
print(losses, digits = 3)

# From epoch 3 on: the first two are of another scale.
long <- with(losses[losses$epoch > 2, ], data.frame(
  epoch = rep(epoch, 4), measure = rep(c("loss", "masked accuracy"), each = 2 * length(epoch)),
  cells = rep(rep(c("trained on", "held out"), each = length(epoch)), 2),
  value = c(loss, validation_loss, accuracy, validation_accuracy)
))
library(ggplot2)
curves <- ggplot(long, aes(epoch, value, colour = cells)) +
  geom_line() +
  facet_wrap(~ measure, scales = "free_y") +
  scale_colour_manual(values = c("held out" = "#D55E00", "trained on" = "#0072B2")) +
  labs(x = "epoch", y = NULL, colour = NULL) +
  theme_bw() +
  theme(legend.position = "bottom")
ggsave(file.path(output, "compact-losses.png"), curves, width = 6.5, height = 3, dpi = 110)
cat(sprintf("%s: %.2f MB\n", file.path(output, "compact.h5"),
            file.size(file.path(output, "compact.h5")) / 1e6))
