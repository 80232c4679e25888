# The one declaration of the subcommands and options of inst/scripts/canal: command line, --help and
# the checks of a job file all go by it. Base R only, as it is read without canalR's being loaded.
#
# Options are named as the arguments of the R functions (`assay.type` is --assay-type), whose
# defaults hold where an option is not given. A test compares both.

# kind: "flag" (--name or --no-name), "text", "number", "whole" (number). value: what --help calls
# it. choices: the only values; words: values beside numbers. many: may be given several times.
# file: "in", "out", "folder" (an output that goes on from what is there), or "column" where a
# column of the cells may be meant, too. endings: of the name of an output, where they say what is
# written. default: of options that no R function has. like: the function and the argument whose
# default holds where none of the command's has one of this name. unlike: where it is not given the
# script does otherwise than R, which its help tells.
option <- function(kind, value, help, choices = NULL, words = NULL, many = FALSE, needed = FALSE,
                   file = "", endings = NULL, default = NULL, like = NULL, unlike = FALSE) {
  if (!is.null(choices)) value <- paste(choices, collapse = "|")
  list(kind = kind, value = value, help = help, choices = choices, words = words, many = many,
       needed = needed, file = file, endings = endings, default = default, like = like,
       unlike = unlike)
}

flag <- function(help, ...) option("flag", "", help, ...)
text <- function(value, help, ...) option("text", value, help, ...)
file_in <- function(value, help, ...) text(value, help, file = "in", ...)
file_out <- function(value, help, ...) text(value, help, file = "out", ...)
folder_out <- function(help) text("DIR", help, file = "folder")
whole <- function(help, ...) option("whole", "N", help, ...)
number <- function(help, ...) option("number", "X", help, ...)

# Those that several commands have.
shared_options <- function() {
  list(
    out = file_out("FILE", "The result, whose ending says what is written.", needed = TRUE),
    force = flag("Replace outputs that are there."),
    model = file_in("MODEL", paste(
      "\"compact\" (the model in the package), one in canalR's cache, a file of canal_save()",
      "(.h5), or a checkpoint (.pth, .safetensors)."
    )),
    `assay-type` = text("NAME", paste(
      "Assay, layer or matrix of the input that holds the raw counts. Of a Seurat object, a layer",
      "of the default assay, or an assay, whose counts are read then."
    ), like = c("canal_predict", "assay.type")),
    `min-genes` = whole("Leave out cells with fewer detected genes."),
    seed = whole("Seed of everything random."),
    `num-threads` = whole("Threads; every core that the process may use where it is not given."),
    device = text("", "Where the network is computed.", choices = c("cpu", "cuda")),
    precision = text("", "Numbers that products are computed with.",
                     choices = c("auto", "float32", "bfloat16")),
    prefix = text("NAME", "What the names of all result columns start with."),
    config = text("SETTINGS", paste(
      "Hyper-parameters: \"compact\" or \"scbert\", then entries to change:",
      "compact,n_genes=500,depth=3 (see ?canal_config)."
    ), like = c("canal_config", "preset")),
    vocabulary = file_in("FILE", paste(
      "The genes: a text file with a gene symbol per line, a vocabulary or symbols in an .rds, or",
      "a model, whose genes are taken."
    )),
    positions = file_in("FILE",
                        "The genes' vectors (gene2vec): .npy, or text in word2vec's format."),
    team = flag("Train with the other processes that srun, mpirun or torchrun started.")
  )
}

# options: a list with `out`.
with_endings <- function(options, endings) {
  options$out$endings <- endings
  options
}

# Of the trainings of both kinds.
training_options <- function() {
  list(
    epochs = whole("The most epochs."),
    `batch-size` = whole("Cells of a mini-batch."),
    accumulation = whole("Mini-batches per step of the optimiser."),
    `learning-rate` = number("Highest learning rate of the schedule."),
    `clip-norm` = number("Longest gradient of a step; 0: no limit."),
    patience = number("Stop after so many validations without getting better."),
    validation = number("Share of the cells held out, 0 to 0.9."),
    `redraw-interval` = whole("Batches between two draws of random features; 0 keeps them."),
    checkpoint = folder_out(paste(
      "Keep the state of the training there after every epoch. The same call, made again after the",
      "job was stopped in whatever way, goes on from it."
    ))
  )
}

general_options <- function() {
  list(
    job = file_in("FILE", paste(
      "Take options from a file of lines \"name: value\". What the command line has comes first."
    )),
    quiet = flag("Log warnings and errors only."),
    verbose = flag("Log versions, options and times, too.", unlike = TRUE),
    help = flag("Show this help.")
  )
}

# summary: for `canal --help`. functions: those of R whose arguments the options are. inputs: what
# they are called, the fewest and the most. note: what --help says below the options. to_stdout: the
# formats of --out that may go to "-". check(options, inputs): what is wrong with the call, or NULL.
command <- function(summary, functions, inputs, fewest, most, options, note = NULL,
                    to_stdout = NULL, check = function(options, inputs) NULL) {
  if (length(functions)) {
    summary <- sprintf("%s (%s).", sub("[.]$", "", summary), paste(functions, collapse = ", "))
  }
  list(summary = summary, functions = functions, inputs = inputs, fewest = fewest, most = most,
       options = c(options, general_options()), note = note, to_stdout = to_stdout, check = check)
}

# A list of commands by name.
canal_commands <- function() {
  list(prepare = prepare_command(), pretrain = pretrain_command(), train = train_command(),
       predict = predict_command(), evaluate = evaluate_command(), import = import_command(),
       export = export_command(), info = info_command())
}

cells_note <- paste(
  "Cells are paths that canalR's functions take (.h5ad; Cell Ranger's, see ?canal_read_10x), or an",
  ".rds with a Seurat object, a SingleCellExperiment or a matrix (genes x cells), with raw counts."
)

labels_note <- paste(
  "A file of labels (.csv or .tsv) has a row per cell: its name, then its label. A first row that",
  "names no cell is taken for a header; cells that are not in the input are passed over."
)

prepare_command <- function() {
  shared <- shared_options()
  command(
    "Turn counts into tokens.", "canal_prepare", "CELLS", 1, 1,
    c(with_endings(shared["out"], c("rds", "csv", "tsv")), list(
      vocabulary = replace(shared$vocabulary, "needed", TRUE),
      `n-genes` = whole("How many variable genes to choose, or \"all\".", words = "all"),
      genes = file_in("FILE", "The genes to take, in this order: a text file, a gene per line."),
      `target-sum` = number("The total that each cell is normalised to."),
      `n-bins` = whole("The highest token, 1 to 254.")
    ), shared[c("min-genes", "assay-type", "num-threads", "force")]),
    paste(cells_note, "--out is an .rds, which 'canal train' and 'canal predict' take as input, or",
          "a table of cells x genes (.csv, .tsv, or \"-\" for stdout). For 'canal predict',",
          "--vocabulary is the trained model, whose genes and bins are taken then."),
    to_stdout = "csv"
  )
}

pretrain_command <- function() {
  shared <- shared_options()
  command(
    "Pre-train a network on unlabelled cells.", "canal_pretrain", "CELLS", 1, Inf,
    c(shared["out"], list(vocabulary = replace(shared$vocabulary, "needed", TRUE)),
      shared[c("positions", "config")], training_options(), list(
        masked = number("Share of a cell's tokens above 0 that are predicted."),
        replaced = number("Probability that such a token is hidden."),
        zeros = number("Tokens 0 that are predicted as well, for each of the others."),
        balance = flag("Give each kind of token the same weight."),
        memory = number("Bytes that tokens may take; more are prepared anew in every epoch.")
      ), shared[c("seed", "num-threads", "device", "precision", "team", "min-genes", "assay-type",
                  "force")]),
    paste(cells_note, "--vocabulary with an untrained model (.h5) goes on with its pre-training.",
          "--out is a file of canal_save() (.h5).")
  )
}

train_command <- function() {
  shared <- shared_options()
  command(
    "Train a model, a stage for each input.", "canal_train", "CELLS", 1, Inf,
    c(shared["out"], list(
      labels = text("LABELS", paste(
        "The cells' types: a column of the cells, or a file. Once for all inputs, or once for each",
        "in their order."
      ), many = TRUE, needed = TRUE, file = "column")
    ), shared["model"], list(
      new = flag("Instead of --model: an untrained network of --vocabulary and --config.")
    ), shared[c("vocabulary", "positions", "config")], list(
      recipe = text("SETTINGS", paste(
        "\"canal\", \"scbert\" or \"transanno\", then entries to change: scbert,epochs=20",
        "(see ?canal_recipe). They become the model's."
      ))
    ), training_options(), list(
      lambda = number("Weight of the distillation; 0 turns it off."),
      `bank-size` = whole("Cells in the example bank; 0 turns it off."),
      `new-genes` = whole("The most genes that may join in each of these stages."),
      `label-smoothing` = number("Share of a target spread over all types, 0 to 0.99."),
      oversample = flag("Repeat cells of rarer types until all types have as many."),
      trainable = text("", "Parameters that learn.", choices = c("all", "stage", "head")),
      cache = option("number", "BYTES", "Memory for what frozen layers give, or \"auto\", \"off\".",
                     words = c("auto", "off"))
    ), shared[c("seed", "num-threads", "device", "precision", "team", "min-genes", "assay-type",
                "force")]),
    paste(cells_note, "Or an .rds of 'canal prepare'.", labels_note,
          "--out is a file of canal_save() (.h5)."),
    check = check_train_call
  )
}

check_train_call <- function(options, inputs) {
  new <- isTRUE(options$new)
  only_new <- c(intersect(c("vocabulary", "positions", "config"), names(options)), "")
  count <- length(options$labels)
  first_problem(
    c("give either --model or --new", sprintf("--%s needs --new", only_new[1]),
      "--new needs --vocabulary",
      sprintf("%d times --labels for %d %s: give it once, or once for each", count,
              length(inputs), ngettext(length(inputs), "input", "inputs"))),
    c(new == !is.null(options$model), !new && nzchar(only_new[1]),
      new && is.null(options$vocabulary), !count %in% c(1, length(inputs)))
  )
}

# The first of the texts that is true; NULL where none is.
first_problem <- function(texts, are_true) if (any(are_true)) texts[are_true][1]

predict_command <- function() {
  shared <- shared_options()
  command(
    "Annotate cells.", c("canal_predict", "cellular_predict"), "CELLS", 1, 1,
    c(list(model = replace(shared$model, "needed", TRUE)),
      with_endings(shared["out"], c("csv", "tsv", "rds", "h5ad")), list(
      format = text("", "Of --out, where its name does not tell; csv for \"-\".",
                    choices = c("csv", "tsv", "rds", "h5ad")),
      novelty = text("", "How cells of unknown types are found (CANAL).",
                     choices = c("none", "canal", "threshold")),
      threshold = number("Threshold of the novelty (CANAL)."),
      temperature = number("Temperature of the energy (CANAL)."),
      `novelty-threshold` = number("Cells of a certainty below this are novel (CELLULAR)."),
      `max-missing` = number("Share of the model's genes that may be missing (CELLULAR)."),
      probabilities = text("", "Where the probabilities of all types go; \"assay\" needs an .rds.",
                           choices = c("none", "columns", "assay"))
    ), shared["prefix"], list(
      clusters = text("CLUSTERS", "Clusters that vote: a column of the cells, or a file.",
                      file = "column"),
      `prune-below` = number("<prefix>_pruned is NA where the confidence is below this."),
      `top-k` = whole("Add so many of the most probable types."),
      embedding = file_out("FILE", "Write the embedding, too: .csv, .tsv, or a matrix as .rds.",
                           endings = c("csv", "tsv", "rds")),
      workers = whole("Share the cells out among so many processes (BiocParallel)."),
      `worker-type` = text("", "Processes with cores of their own, or forks of one thread each.",
                           choices = c("snow", "multicore"), default = "snow"),
      checkpoint = folder_out(paste(
        "Keep finished chunks of cells there; the same call, made again, goes on from them."
      ))
    ), shared[c("seed", "num-threads", "device", "precision", "min-genes", "assay-type", "force")]),
    paste(cells_note, "Or, for CANAL's models, an .rds of 'canal prepare --vocabulary MODEL'.",
          "--out is a table with a row per cell (.csv, .tsv, or \"-\" for stdout); an .rds: the",
          "object that came in with the results in it, a SingleCellExperiment for a path, a table",
          "for a matrix or tokens; or, for an .h5ad, an .h5ad: a copy of it with the results in",
          "obs (hdf5r).", labels_note),
    to_stdout = c("csv", "tsv"),
    check = check_predict_call
  )
}

check_predict_call <- function(options, inputs) {
  ending <- function(path) tolower(sub("^.*\\.", "", path))
  format <- c(options$format, ending(options$out))[1]
  first_problem(
    c("--probabilities assay needs an .rds as --out", "--worker-type needs --workers",
      "an .h5ad as --out needs an .h5ad as input"),
    c(identical(options$probabilities, "assay") && format != "rds",
      !is.null(options$`worker-type`) && is.null(options$workers),
      format == "h5ad" && ending(inputs) != "h5ad")
  )
}

evaluate_command <- function() {
  shared <- shared_options()
  command(
    "Compare predicted labels with the truth.", "canal_evaluate", "PREDICTIONS", 1, 1,
    c(list(
      truth = text("LABELS", "The true types: a column of the predictions (or --cells), or a file.",
                   needed = TRUE, file = "column"),
      cells = file_in("CELLS", "Cells whose column --truth names."),
      predicted = text("COLUMN", paste(
        "The column of predicted labels; where it is not given, the only one whose name ends in",
        "\"_label\"."
      ), unlike = TRUE),
      novel = text("TYPE", "A type that the model did not know.", many = TRUE),
      score = text("COLUMN", "How novel each cell looks; <prefix>_novelty where not given."),
      out = file_out("FILE", "The result; \"-\" is stdout.", default = "-",
                     endings = c("txt", "text", "csv", "tsv")),
      format = text("", "Of --out, where its name does not tell; text for \"-\".",
                    choices = c("text", "csv", "tsv")),
      what = text("", paste(
        "Which table: a row per type, one row with the numbers over all cells, or counts of true x",
        "predicted types."
      ), choices = c("types", "overall", "confusion"), default = "types"),
      plot = file_out("FILE", "Draw the confusion matrix: .png, .pdf or .svg (ggplot2).")
    ), shared["force"]),
    paste("PREDICTIONS are a table of 'canal predict' (.csv, .tsv) or an .rds.", labels_note),
    to_stdout = c("text", "csv", "tsv"),
    check = check_evaluate_call
  )
}

check_evaluate_call <- function(options, inputs) {
  if (is.null(options$plot) || grepl("\\.(png|pdf|svg)$", options$plot, TRUE)) return(NULL)
  "--plot must end in .png, .pdf or .svg"
}

import_command <- function() {
  shared <- shared_options()
  command(
    "Read a checkpoint of a Python program.", "canal_import", "CHECKPOINT", 1, 1,
    c(shared[c("out", "vocabulary", "config")], list(
      positions = text("", "Whether the position table learns in later stages.",
                       choices = c("fixed", "learned"))
    ), shared["force"]),
    "CHECKPOINT is a .pth or .safetensors; --out a file of canal_save() (.h5)."
  )
}

export_command <- function() {
  shared <- shared_options()
  command(
    "Write a model for Python.", "canal_export", "MODEL", 1, 1,
    c(with_endings(shared["out"], c("pth", "pt", "safetensors")), list(
      format = text("", "Of --out, where its name does not tell.",
                    choices = c("pth", "safetensors"))
    ), shared["force"])
  )
}

info_command <- function() {
  command("Tell what a model or a file of cells holds.", NULL, "FILE", 1, Inf,
          shared_options()["assay-type"],
          "FILE is a model (see --model of 'canal train --help') or cells. Files are only read.")
}
