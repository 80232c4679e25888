# Annotation with the published network at full size: logits of random cells.
#
#   Rscript bench/predict.R [--tokens 1001] [--cells 14] [--threads T] [--precision auto]
#                           [--repeat 3]
#
# Tokens are genes + 1. The last line is `seconds_per_cell X`.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))

asked <- network_options(cells = 14, `repeat` = 3)
set.seed(1)
model <- saved_classifier(asked$tokens)
tokens <- random_tokens(asked$cells, model)
annotate <- function() {
  logits <<- canal_forward(tokens, model, "logits", num_threads = asked$threads,
                           precision = asked$precision)
}
seconds <- median_seconds(annotate, asked$`repeat`)
stopifnot(identical(dim(logits), c(as.integer(asked$cells), 8L)), all(is.finite(logits)))

cat("Machine:", machine_text(), "\n")
cat(sprintf("Work: logits of %d cells of %d tokens, %d threads, precision %s (%s), median of %d\n",
            asked$cells, asked$tokens, asked$threads, asked$precision, kernels(asked$precision),
            asked$`repeat`))
tell_result(seconds / asked$cells)
