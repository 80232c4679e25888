# What a choice does to annotation, on two streams of real data: pancreas by technology (ductal and
# delta cells arrive late) and blood (cells sorted by FACS, then 10x with types of its own).
#
#   Rscript bench/streams.R --compare start   [--folder DATA] [--seeds 5] [--cells 150] [--output F]
#   Rscript bench/streams.R --compare genes     new_genes 0, 100, 300 with 300 genes at first
#   Rscript bench/streams.R --compare models --models a.h5,b.h5
#   Rscript bench/streams.R --compare dropped     shares of dropped tokens
#   Rscript bench/streams.R --compare outside     data most of whose genes the vocabulary lacks
#   Rscript bench/streams.R --compare baselines
#
# DATA has pbmc_facs.h5ad and pbmc3k.h5ad; without it, pancreas alone. `--cells`: of each blood
# stage; every seed draws others. Prints a row per choice and stream: means over the seeds.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))
source(file.path(here, "blood.R"))
suppressPackageStartupMessages(library(SingleCellExperiment))
asked <- parse_options(list(compare = "start", folder = "", seeds = 5, cells = 150, models = "",
                            output = ""))

pancreas_stream <- function() {
  cells <- canal_read_h5ad(system.file("extdata", "panc8_small.h5ad", package = "canalR"))
  technology <- as.character(cells$batch)
  late <- cells$celltype %in% c("ductal", "delta")
  list(genes = rownames(cells),
       stages = list(cells[, technology == "indrop" & !late], cells[, technology == "celseq"],
                     cells[, technology == "celseq2"]),
       tests = list(smartseq2 = cells[, technology == "smartseq2"],
                    fluidigmc1 = cells[, technology == "fluidigmc1"]))
}

# Cells to train on, and 600 others to test on: few labelled cells vary much, so every seed has its
# own.
blood_stream <- function(data, count, seed) {
  parts <- lapply(data, function(x) {
    set.seed(seed)
    order <- sample.int(ncol(x))
    list(train = x[, order[seq_len(count)]], test = x[, order[2000 + 1:600]])
  })
  list(genes = union(rownames(data$facs), rownames(data$pbmc3k)),
       stages = lapply(parts, `[[`, "train"), tests = lapply(parts, `[[`, "test"))
}

# Accuracy on the tests after each stage, and on the types that the first stage has and has not.
run_stream <- function(stream, model, seed, ...) {
  old <- unique(stream$stages[[1]]$celltype)
  after <- numeric()
  for (stage in stream$stages) {
    model <- suppressWarnings(canal_train(stage, "celltype", model, seed = seed, verbose = FALSE,
                                          ...))
    right <- lapply(stream$tests, function(test) {
      called <- suppressWarnings(canal_predict(test, model, verbose = FALSE))
      data.frame(right = called$canal_label == called$celltype, old = called$celltype %in% old)
    })
    after <- c(after, mean(vapply(right, function(r) mean(r$right, na.rm = TRUE), 0)))
  }
  all <- do.call(rbind, right)
  final <- vapply(right, function(r) mean(r$right, na.rm = TRUE), 0)
  c(setNames(after, paste0("after_", seq_along(after))), final,
    known_at_first = mean(all$right[all$old], na.rm = TRUE),
    come_later = mean(all$right[!all$old], na.rm = TRUE),
    forgetting = utils::tail(canal_stream(model)$forgetting, 1))
}

report <- function(what, name, runs) {
  means <- rowMeans(runs)
  line <- sprintf("| %s | %s | %s |", name, what,
                  paste(sprintf("%s %.3f", names(means), means), collapse = " | "))
  cat(line, "\n", sep = "")
  if (nzchar(asked$output)) cat(line, "\n", sep = "", file = asked$output, append = TRUE)
}

# The stream with other names for all genes but so many: a vocabulary that does not know them.
renamed <- function(stream, known) {
  set.seed(known)
  other <- setdiff(stream$genes, sample(stream$genes, known))
  rename <- function(x) {
    rownames(x)[rownames(x) %in% other] <- paste0("x", intersect(rownames(x), other))
    x
  }
  list(genes = rownames(rename(stream$stages[[1]])), stages = lapply(stream$stages, rename),
       tests = lapply(stream$tests, rename))
}

# start(seed, stream): the model that a stream begins with.
each_seed <- function(what, name, stream_of, start, ...) {
  report(what, name, sapply(seq_len(asked$seeds), function(seed) {
    stream <- stream_of(seed)
    run_stream(stream, start(seed, stream), seed, ...)
  }))
}

untrained <- function(...) {
  function(seed, stream) canal_model(canal_config("compact", ...), stream$genes, seed = seed)
}

# Trained on the cells of all stages at once.
baselines <- function(name, stream_of) {
  runs <- lapply(seq_len(asked$seeds), function(seed) {
    stream <- stream_of(seed)
    results <- lapply(stream$tests, canal_compare, truth = "celltype", train = stream$stages,
                      train_labels = "celltype", seed = seed, verbose = FALSE)
    vapply(results, function(r) setNames(r$accuracy, r$method), numeric(nrow(results[[1]])))
  })
  for (method in rownames(runs[[1]])) {
    tests <- sapply(runs, function(run) run[method, ])
    report(paste("joint", method), name, rbind(mean = colMeans(tests), tests))
  }
}

pancreas <- pancreas_stream()
streams <- list(pancreas = function(seed) pancreas)
if (nzchar(asked$folder)) {
  blood <- blood_data(asked$folder)
  streams$blood <- function(seed) blood_stream(blood, asked$cells, seed)
}
for (name in names(streams)) {
  stream <- streams[[name]]
  switch(asked$compare,
    start = {
      each_seed("untrained", name, stream, untrained())
      each_seed("canal_pretrained(\"compact\")", name, stream,
                function(seed, stream) canal_pretrained("compact"))
    },
    genes = for (count in c(0, 100, 300)) {
      each_seed(sprintf("new_genes = %d", count), name, stream, untrained(n_genes = 300),
                new_genes = count)
    },
    models = for (file in strsplit(asked$models, ",")[[1]]) {
      each_seed(file, name, stream, function(seed, stream) canal_load(file))
    },
    dropped = for (share in c(0.3, 0.5, 0.7)) {
      each_seed(sprintf("dropped_tokens = %g", share), name, stream, function(seed, stream) {
        model <- canal_pretrained("compact")
        model@config$dropped_tokens <- share
        model
      })
    },
    outside = if (name == "pancreas") for (known in c(50, 200)) {
      of_seed <- function(seed) renamed(stream(seed), known)
      what <- sprintf("%d of its genes in the vocabulary", known)
      each_seed(paste("untrained,", what), name, of_seed, untrained())
      each_seed(paste("compact,", what), name, of_seed,
                function(seed, stream) canal_pretrained("compact"))
    },
    baselines = baselines(name, stream),
    stop("--compare: start, genes, models, dropped, outside or baselines")
  )
}
