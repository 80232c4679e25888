# Writes a random network of full size to a file, for predict.R: making it takes memory that
# annotation does not.
#
#   Rscript bench/make_model.R --tokens 1001 --file model.h5
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))

asked <- parse_options(list(tokens = 1001, file = "model.h5"))
set.seed(1)
canal_save(random_classifier(asked$tokens, paste("type", 1:8)), asked$file)
