# The script inst/scripts/canal, through a shell as a batch job calls it.

script_file <- function() system.file("scripts", "canal", package = "canalR")

# The declarations and the parser, which must not need canalR.
command_line <- function() {
  once("command_line", function() {
    space <- new.env(parent = baseenv())
    for (part in c("options", "parse", "help", "defaults", "output")) {
      sys.source(system.file("command-line", paste0(part, ".R"), package = "canalR"), space)
    }
    space
  })
}

parsed <- function(...) {
  command_line()$parse_call(c(...), command_line()$canal_commands())
}

expect_wrong <- function(..., says) {
  expect_error(parsed(...), says, fixed = TRUE, class = "wrong_call")
}

# A folder with cells of two stages and labels, and what is made of them.
job_folder <- function() {
  once("job_folder", function() {
    folder <- tempfile("job")
    dir.create(folder)
    stages <- list(one = stage_one_cells(), two = stage_two_cells())
    for (name in names(stages)) {
      cells <- stages[[name]]
      file.rename(write_h5ad(cells$counts), file.path(folder, paste0(name, ".h5ad")))
      # The header, the quotes and a cell that is not there are what people's files have.
      table <- data.frame(cell = c(rev(colnames(cells$counts)), "another"),
                          type = c(rev(cells$types), "none"))
      utils::write.csv(table, file.path(folder, paste0(name, ".csv")), row.names = FALSE)
    }
    canal_save(untrained(), file.path(folder, "untrained.h5"))
    saveRDS(stages$two$counts, file.path(folder, "matrix.rds"))
    writeLines(rownames(panc()$counts), file.path(folder, "genes.txt"))
    folder
  })
}

in_job_folder <- function(code) {
  before <- setwd(job_folder())
  on.exit(setwd(before))
  code
}

# Runs the script in the job's folder; returns its status, and stdout and stderr as lines.
canal <- function(...) {
  in_job_folder({
    files <- tempfile(c("out", "log"))
    status <- system2(script_file(), shQuote(c(...)), stdout = files[1], stderr = files[2],
                      env = script_path())
    list(status = status, out = readLines(files[1]), log = readLines(files[2]),
         bytes = readBin(files[2], "raw", 1e6))
  })
}

# The Rscript of the R that runs the tests.
script_path <- function() {
  paste0("PATH=", shQuote(paste(R.home("bin"), Sys.getenv("PATH"), sep = ":")))
}

# The same within this process: status and log.
canal_here <- function(...) {
  in_job_folder({
    log <- utils::capture.output(type = "message", {
      out <- utils::capture.output(status <- run_script(parsed(...)))
    })
    list(status = status, out = out, log = log)
  })
}

expect_status <- function(result, status) {
  expect_identical(as.integer(result$status), as.integer(status), info = paste(result$log,
                                                                               collapse = "\n"))
  invisible(result)
}

job_file <- function(name) file.path(job_folder(), name)

leftovers <- function() list.files(job_folder(), "^\\.", all.files = TRUE, no.. = TRUE)

# What the shell trained, once for all tests.
shell_model <- function() {
  once("shell_model", function() {
    # Whatever the environment says of terminals, a file gets plain lines.
    before <- Sys.getenv("R_CLI_DYNAMIC", NA)
    Sys.setenv(R_CLI_DYNAMIC = "true")
    on.exit({
      if (is.na(before)) Sys.unsetenv("R_CLI_DYNAMIC") else Sys.setenv(R_CLI_DYNAMIC = before)
    })
    canal("train", "--model", "untrained.h5", "--labels", "one.csv", "--labels=two.csv",
          "--epochs", "3", "--seed", "1", "--out", "model.h5", "--verbose", "one.h5ad", "two.h5ad")
  })
}

r_model <- function() {
  once("r_model", function() {
    train_quietly(stage_two_cells(), train_quietly(stage_one_cells(), untrained(), epochs = 3),
                  epochs = 3)
  })
}

test_that("help and version are answered, and wrong calls with 2 and the nearest name", {
  skip_on_os("windows")
  expect_identical(file.access(script_file(), 1), c(0L), ignore_attr = TRUE)
  help <- expect_status(canal("--help"), 0)
  expect_true(all(vapply(names(command_line()$canal_commands()), function(name) {
    any(grepl(paste0("^  ", name), help$out))
  }, NA)))
  expect_true(any(grepl("130 .*SIGINT", help$out)))
  version <- expect_status(canal("--version"), 0)
  expect_identical(version$out, paste("canalR", utils::packageVersion("canalR")))
  wrong <- expect_status(canal("train", "--lables", "x"), 2)
  expect_length(wrong$out, 0)
  expect_match(wrong$log[1], "--lables.*did you mean --labels")
  expect_match(wrong$log[2], "^Usage: canal train")
})

test_that("every command has help within 100 columns that names all of its options", {
  commands <- command_line()$canal_commands()
  for (name in names(commands)) {
    lines <- command_line()$help_text(name, commands)
    expect_lte(max(nchar(lines)), 100)
    for (option in names(commands[[name]]$options)) {
      expect_true(any(startsWith(lines, paste0("  --", option))), info = paste(name, option))
    }
  }
})

test_that("options are the arguments of the R functions, all of them", {
  functions <- list(prepare = canal_prepare, pretrain = canal_pretrain, train = canal_train,
                    predict = canal_predict, predict = cellular_predict,
                    evaluate = canal_evaluate, import = canal_import, export = canal_export)
  # `x` and `path` are inputs, a team's and workers' objects have flags of their own.
  elsewhere <- c("x", "path", "verbose", "...", "BPPARAM")
  commands <- command_line()$canal_commands()
  for (i in seq_along(functions)) {
    options <- commands[[names(functions)[i]]]$options
    arguments <- setdiff(names(formals(functions[[i]])), elsewhere)
    if (names(functions)[i] == "export") arguments <- setdiff(arguments, "model")
    expect_identical(setdiff(gsub("[._]", "-", arguments), names(options)), character(),
                     info = names(functions)[i])
  }
})

test_that("words become options of their kinds", {
  call <- parsed("train", "--model", "compact", "--labels", "celltype", "--out=m.h5",
                 "--batch_size", "8", "--no-oversample", "--cache", "off", "--patience", "Inf",
                 "a.h5ad", "--", "--odd.h5ad")
  expect_identical(call$inputs, c("a.h5ad", "--odd.h5ad"))
  expect_identical(call$options[c("batch-size", "oversample", "cache", "patience")],
                   list(`batch-size` = 8, oversample = FALSE, cache = "off", patience = Inf))
  base <- c("train", "--model", "m", "--labels", "l", "--out", "o")
  expect_wrong(base, says = "CELLS is missing")
  expect_wrong(base[1:5], "c", says = "--out is missing")
  expect_wrong(base, "c", "--epochs", "1.5", says = "--epochs must be a whole number")
  expect_wrong(base, "c", "--epochs", "1", "--epochs", "2", says = "--epochs is given twice")
  expect_wrong(base, "c", "--trainable", "some", says = "one of all, stage, head")
  expect_wrong(base, "c", "--seed", says = "--seed needs a value")
  expect_wrong(base, "c", "--seed", "--quiet", says = "--seed needs a value")
  expect_wrong(base, "c", "--new", says = "either --model or --new")
  expect_wrong(base, "c", "--vocabulary", "v", says = "--vocabulary needs --new")
  expect_wrong(base, "--labels", "l", "c", says = "2 times --labels for 1 input:")
  expect_wrong(base, "c", "--quiet", "--verbose", says = "exclude each other")
  expect_wrong(replace(base, 7, "-"), "c", says = "not written to stdout")
  expect_wrong("predict", "--model", "m", "--out", "o.csv", "a", "b", says = "2 inputs")
  expect_wrong("predict", "--model", "m", "--out", "o.csv", "a", "--probabilities", "assay",
               says = "needs an .rds")
  expect_wrong(says = "no command")
  expect_wrong("trian", says = "did you mean train?")
})

test_that("a job file has the options, and the command line comes first", {
  file <- tempfile(fileext = ".txt")
  writeLines(c("# a job", "model: compact", "labels: one.csv", "  two.csv", "out: m.h5", "",
               "batch_size: 8", "oversample: no", "seed: 1", "input: a b.h5ad", "  c.h5ad"), file)
  call <- parsed("train", "--job", file, "--seed", "2")
  expect_identical(call$inputs, c("a b.h5ad", "c.h5ad"))
  expect_identical(call$options[c("labels", "batch-size", "oversample", "seed", "out")],
                   list(labels = c("one.csv", "two.csv"), `batch-size` = 8, oversample = FALSE,
                        seed = 2, out = "m.h5"))
  expect_identical(parsed("train", "--job", file, "x", "y")$inputs, c("x", "y"))
  refused <- function(lines, says) {
    writeLines(lines, file)
    expect_wrong("train", "--job", file, says = says)
  }
  refused("epocs: 3", "unknown name \"epocs\"; did you mean epochs?")
  refused("epochs: many", "--epochs must be a whole number")
  refused(c("seed: 1", "seed: 2"), "\"seed\" is there twice")
  refused("epochs 3", "a line must be")
  refused("job: other", "unknown name \"job\"")
  expect_wrong("train", "--job", "/nowhere/job", says = "cannot be read")
})

test_that("stages of files are those of the R calls, and the log is plain lines with times", {
  skip_on_os("windows")
  result <- expect_status(shell_model(), 0)
  expect_length(result$out, 0)
  expect_false(any(result$bytes %in% as.raw(c(0x1b, 0x0d))))
  expect_match(result$log, "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} INFO ")
  expect_true(any(grepl("Stage 2: ", result$log)))
  model <- canal_load(job_file("model.h5"))
  expect_identical(model@weights, r_model()@weights)
  expect_identical(model@labels, r_model()@labels)
  expect_identical(model@bank, r_model()@bank)
})

test_that("predictions are those of the R call, as a table and as an object", {
  skip_on_os("windows")
  expect_status(shell_model(), 0)
  result <- expect_status(canal("predict", "--model", "model.h5", "--out", "-", "--novelty",
                                "canal", "--seed", "1", "--top-k", "2", "--embedding", "e.rds",
                                "--quiet", "--clusters", "two.csv", "--probabilities", "columns",
                                "two.h5ad"), 0)
  expect_length(result$log, 0)
  cells <- stage_two_cells()
  expected <- as.data.frame(predict_quietly(cells$counts, r_model(), novelty = "canal", seed = 1,
                                            top_k = 2, clusters = cells$types,
                                            probabilities = "columns"), optional = TRUE)
  table <- utils::read.csv(text = result$out, row.names = 1, check.names = FALSE,
                           colClasses = c(canal_reason = "character"))
  expect_equal(table, expected, tolerance = 1e-14)
  expect_identical(readRDS(job_file("e.rds")),
                   `rownames<-`(canal_embed(cells$counts, r_model(), verbose = FALSE)$embedding,
                                colnames(cells$counts)))
})

test_that("a file of cells becomes a SingleCellExperiment with labels in it", {
  skip_if_not_installed("SingleCellExperiment")
  skip_on_os("windows")
  expect_status(shell_model(), 0)
  expect_status(canal_here("predict", "--model", "model.h5", "--out", "labelled.rds", "two.h5ad"),
                0)
  labelled <- readRDS(job_file("labelled.rds"))
  expect_s4_class(labelled, "SingleCellExperiment")
  cells <- stage_two_cells()
  expect_identical(labelled$canal_label, predict_quietly(cells$counts, r_model())$canal_label)
  expect_equal(SummarizedExperiment::assay(labelled, "counts"), sparse(cells$counts))
  expect_status(canal_here("predict", "--model", "model.h5", "--out", "table.tsv", "matrix.rds"),
                0)
  result <- expect_status(canal_here("evaluate", "--truth", "two.csv", "--format", "csv", "--what",
                                     "overall", "table.tsv"), 0)
  truth <- canal_evaluate(labelled$canal_label, cells$types)
  expect_equal(utils::read.csv(text = result$out)$accuracy, truth$accuracy)
})

test_that("10x folders and files are annotated, and Seurat objects keep what they have", {
  skip_if_not_installed("Seurat")
  skip_on_os("windows")
  expect_status(shell_model(), 0)
  counts <- stage_two_cells()$counts
  expected <- predict_quietly(counts, r_model())
  for (path in c(write_10x(counts, version = 3), write_10x_h5(counts))) {
    expect_status(canal_here("predict", "--model", "model.h5", "--out", "10x.csv", "--force", path),
                  0)
    table <- utils::read.csv(job_file("10x.csv"))
    expect_identical(table$cell, rownames(expected))
    expect_identical(table$canal_label, expected$canal_label)
    unlink(path, recursive = TRUE)
  }
  seurat <- Seurat::CreateSeuratObject(counts)
  seurat$mine <- seq_len(ncol(seurat))
  saveRDS(seurat, job_file("seurat.rds"))
  expect_status(canal_here("predict", "--model", "model.h5", "--out", "seurat-2.rds", "seurat.rds"),
                0)
  labelled <- readRDS(job_file("seurat-2.rds"))
  expect_s4_class(labelled, "Seurat")
  expect_identical(unname(labelled$canal_label), expected$canal_label)
  expect_identical(labelled$mine, seurat$mine)
})

test_that("an evaluation is drawn where a picture is asked for", {
  skip_if_not_installed("ggplot2")
  skip_on_os("windows")
  expect_status(shell_model(), 0)
  expect_status(canal_here("predict", "--model", "model.h5", "--out", "drawn.csv", "two.h5ad"), 0)
  # Of letters that PDF's usual fonts have not.
  tables <- lapply(c("two.csv", "drawn.csv"), function(file) {
    text <- readLines(job_file(file), encoding = "UTF-8")
    writeLines(enc2utf8(gsub("alpha", "\u03b3\u03b4 T", text)), job_file(paste0("greek-", file)),
               useBytes = TRUE)
  })
  for (picture in c("drawn.png", "drawn.pdf", if (capabilities("cairo")) "drawn.svg")) {
    result <- expect_status(canal_here("evaluate", "--truth", "greek-two.csv", "--plot", picture,
                                       "greek-drawn.csv"), 0)
    expect_match(result$out, "accuracy", all = FALSE)
    expect_gt(file.size(job_file(picture)), 2000)
  }
  expect_identical(readBin(job_file("drawn.png"), "raw", 4)[2:4], charToRaw("PNG"))
  expect_identical(readBin(job_file("drawn.pdf"), "raw", 4), charToRaw("%PDF"))
})

test_that("workers and kept chunks give the same table", {
  skip_if_not_installed("BiocParallel")
  skip_on_os("windows")
  expect_status(shell_model(), 0)
  shared <- function(run, out) {
    expect_status(run("predict", "--model", "model.h5", "--out", out, "--workers", "2",
                      "--worker-type", "multicore", "--checkpoint", "chunks", "two.h5ad"), 0)
  }
  shared(canal, "shared-1.csv")
  again <- shared(canal_here, "shared-2.csv")
  expect_match(again$log, "Going on with the chunks", all = FALSE)
  one <- expect_status(canal_here("predict", "--model", "model.h5", "--out", "shared-3.csv",
                                  "--workers", "1", "two.h5ad"), 0)
  expect_match(one$log, "[0-9]+ chunks? of cells for 1 worker[.]", all = FALSE)
  expect_status(canal_here("predict", "--model", "model.h5", "--out", "alone.csv", "two.h5ad"), 0)
  expect_identical(readLines(job_file("shared-1.csv")), readLines(job_file("alone.csv")))
  expect_identical(readLines(job_file("shared-2.csv")), readLines(job_file("alone.csv")))
  expect_gt(length(list.files(job_file("chunks/labels"), "^output-")), 1)
})

test_that("evaluation, preparation, information and other formats go by a shell too", {
  skip_on_os("windows")
  expect_status(shell_model(), 0)
  cells <- stage_two_cells()
  predicted <- predict_quietly(cells$counts, r_model())
  utils::write.csv(data.frame(cell = rownames(predicted), canal_label = predicted$canal_label),
                   job_file("predicted.csv"), row.names = FALSE)
  evaluated <- expect_status(canal("evaluate", "--truth", "two.csv", "predicted.csv"), 0)
  expected <- utils::capture.output(print(canal_evaluate(predicted$canal_label, cells$types)))
  expect_identical(evaluated$out, expected)

  info <- expect_status(canal("info", "model.h5", "two.h5ad"), 0)
  expect_true(any(grepl("canalR model .*2 stages", info$out)))
  expect_true(any(grepl(sprintf("cells +%d", ncol(cells$counts)), info$out)))

  expect_status(canal("export", "model.h5", "--out", "model.safetensors"), 0)
  expect_status(canal("import", "model.safetensors", "--out", "imported.h5"), 0)
  expect_identical(canal_load(job_file("imported.h5"))@weights, r_model()@weights)

  expect_status(canal("prepare", "--vocabulary", "genes.txt", "--n-genes", "all", "--min-genes",
                      "0", "--out", "tokens.rds", "matrix.rds"), 0)
  expect_identical(readRDS(job_file("tokens.rds")),
                   canal_prepare(cells$counts, rownames(cells$counts), n_genes = NULL,
                                 min_genes = 0, verbose = FALSE))
})

test_that("pre-training is that of the R call, of several inputs", {
  skip_on_os("windows")
  expect_status(canal("pretrain", "--vocabulary", "genes.txt", "--config",
                      "compact,dim=8,heads=2,head_width=4,features=8", "--epochs", "2", "--seed",
                      "3", "--out", "pretrained.h5", "one.h5ad", "matrix.rds"), 0)
  config <- canal_config("compact", dim = 8, heads = 2, head_width = 4, features = 8)
  expected <- canal_pretrain(list(stage_one_cells()$counts, stage_two_cells()$counts),
                             rownames(panc()$counts), config, epochs = 2, seed = 3,
                             verbose = FALSE)
  expect_identical(canal_load(job_file("pretrained.h5"))@weights, expected@weights)
})

# Shells have what they start in the background ignore SIGINT, as R does from 4.5 on, unless told.
heeding_interrupts <- function() {
  can <- suppressWarnings(system2("env", c("--default-signal=INT", "true"), stderr = FALSE)) == 0
  if (can) "env --default-signal=INT " else ""
}

# Starts a training that would take for ever, sends it a signal when its first state is kept, and
# returns its status and log. Nobody can say in a shell of which process "$!" is but by exec.
stopped_training <- function(signal, ...) {
  names <- c("pid", "status", "stopped.log")
  unlink(job_file(names))
  words <- c("train", "--model", "untrained.h5", "--labels", "one.csv", "--seed", "1", "--out",
             "long.h5", "--checkpoint", "state", "--patience", "1e6", "--epochs", "1000000",
             "one.h5ad")
  shell <- job_file("start.sh")
  writeLines(c(
    paste("cd", shQuote(job_folder())),
    sprintf("%s%s %s %s 2> stopped.log &", heeding_interrupts(), script_path(),
            shQuote(script_file()),
            paste(shQuote(words), collapse = " ")),
    "echo $! > pid.part && mv pid.part pid", "wait $!", "echo $? > status.part",
    "mv status.part status"
  ), shell)
  began <- Sys.time()
  system2("sh", shQuote(shell), wait = FALSE, stdout = FALSE, stderr = FALSE)
  if (!wait_for(job_file("pid"))) stop("the shell did not start")
  state <- job_file("state/stage-1.h5")
  until <- Sys.time() + 60
  while (!isTRUE(file.mtime(state) > began) && Sys.time() < until) Sys.sleep(0.02)
  tools::pskill(as.integer(readLines(job_file("pid"))), signal)
  if (!wait_for(job_file("status"))) stop("the training did not stop")
  list(status = as.integer(readLines(job_file("status"))), log = readLines(job_file("stopped.log")))
}

test_that("SIGINT gives 130 and no model; that and a kill are made good by the same call", {
  skip_on_os("windows")
  interrupted <- expect_status(stopped_training(tools::SIGINT), 130)
  expect_true(any(grepl("interrupted", interrupted$log)))
  expect_false(file.exists(job_file("long.h5")))
  expect_status(stopped_training(tools::SIGKILL), 137)
  expect_false(file.exists(job_file("long.h5")))
  expect_identical(leftovers(), character())
  done <- length(cpp_read_tree(job_file("state/stage-1.h5"), "/", "raw")$run$losses$epoch)
  expect_gt(done, 0)
  resumed <- expect_status(canal("train", "--model", "untrained.h5", "--labels", "one.csv",
                                 "--seed", "1", "--out", "long.h5", "--checkpoint", "state",
                                 "--patience", "1e6", "--epochs", done + 2, "one.h5ad"), 0)
  expect_true(any(grepl(sprintf("Going on after epoch %d", done), resumed$log)))
  whole <- train_quietly(stage_one_cells(), untrained(), epochs = done + 2, patience = 1e6)
  expect_identical(canal_load(job_file("long.h5"))@weights, whole@weights)
})

test_that("an untrained network that is drawn anew is the same when a run goes on", {
  train <- function(out, epochs) {
    canal_here("train", "--new", "--vocabulary", "genes.txt", "--config",
               "compact,dim=8,heads=2,head_width=4,features=8,warm_up=0", "--labels", "one.csv",
               "--checkpoint", "new-state", "--epochs", epochs, "--out", out, "one.h5ad")
  }
  expect_status(train("new-1.h5", "1"), 0)
  result <- expect_status(train("new-2.h5", "2"), 0)
  expect_true(any(grepl("Going on after epoch 1", result$log)))
})

test_that("what is wrong with the work gives 1, its words as they are, and no output", {
  writeLines("mine", job_file("there.h5"))
  base <- c("train", "--model", "untrained.h5", "--labels", "one.csv", "--epochs", "1")
  fails <- function(..., says) {
    result <- expect_status(canal_here(...), 1)
    expect_true(any(grepl(says, result$log, fixed = TRUE)), info = paste(result$log,
                                                                         collapse = "\n"))
    expect_length(result$out, 0)
  }
  expect_match(expect_status(canal(base, "--out", "there.h5", "one.h5ad"), 2)$log[1],
               "\"there.h5\" is there; --force replaces it")
  expect_identical(readLines(job_file("there.h5")), "mine")
  fails(base, "--out", "no/where.h5", "one.h5ad", says = "`out`: expected a folder")
  fails(base, "--out", "n.h5", "one.h5ad", "none.h5ad", says = "\"none.h5ad\"")
  fails(replace(base, 5, "none.csv"), "--out", "n.h5", "one.h5ad", says = "\"none.csv\"")
  fails(replace(base, 5, "type"), "--out", "n.h5", "one.h5ad", says = "`labels`")
  fails(base, "--out", "n.h5", "two.h5ad", says = "none in \"one.csv\" for")
  fails(replace(base, 3, "none.h5"), "--out", "n.h5", "one.h5ad", says = "`model`")
  fails(base, "--recipe", "canal,epocs=3", "--out", "n.h5", "one.h5ad", says = "epocs")
  fails(replace(base, 7, "0"), "--out", "n.h5", "one.h5ad", says = "`epochs`")
  fails("predict", "--model", "untrained.h5", "--out", "n.csv", "one.h5ad", says = "untrained")
  fails("predict", "--model", "untrained.h5", "--out", "n.csv", "one.h5ad", "--max-missing", "1",
        says = "`max_missing`")
  expect_identical(c(list.files(job_folder(), "^n\\."), leftovers()), character())
})

test_that("--force replaces, a diverged or interrupted training does not", {
  writeLines("mine", job_file("replaced.h5"))
  base <- c("train", "--model", "untrained.h5", "--labels", "one.csv", "--epochs", "1", "--force",
            "--seed", "1", "--out", "replaced.h5", "one.h5ad")
  with_binding("try_epoch", function(...) "diverged", {
    result <- expect_status(canal_here(base), 1)
    expect_true(any(grepl("one that diverged", result$log)))
  })
  with_binding("try_epoch", function(...) "interrupt", expect_status(canal_here(base), 130))
  # Ctrl-C after the last epoch of an input is heard before the next.
  late <- function(...) {
    signalCondition(structure(class = c("canalR_late_interrupt", "condition"),
                              list(message = "", call = NULL)))
  }
  two <- c("train", "--model", "untrained.h5", "--labels", "one.csv", "--epochs", "1", "--force",
           "--seed", "1", "--out", "replaced.h5", "one.h5ad", "one.h5ad")
  with_binding("take_late_interrupt", late, {
    result <- expect_status(canal_here(two), 130)
    expect_false(any(grepl("Input 2 of 2", result$log)))
  })
  expect_identical(readLines(job_file("replaced.h5")), "mine")
  expect_status(canal_here(base), 0)
  expect_identical(canal_load(job_file("replaced.h5"))@weights,
                   train_quietly(stage_one_cells(), untrained(), epochs = 1)@weights)
})

test_that("a table is written whole or not at all, with quotes where they have to be", {
  folder <- tempfile("table")
  dir.create(folder)
  path <- file.path(folder, "t.csv")
  table <- data.frame(cell = c("a", "b"), label = c("T cell, \"CD4\"", NA), x = c(0.1, NA))
  suppressMessages(write_table(table, path, "csv"))
  expect_identical(readLines(path), c("cell,label,x", "a,\"T cell, \"\"CD4\"\"\",0.1", "b,NA,NA"))
  expect_equal(utils::read.csv(path), table)
  expect_error(write_whole(path, function(part) {
    writeLines("half", part)
    stop("no room")
  }), "no room", class = "canalR_error_file")
  expect_identical(list.files(folder, all.files = TRUE, no.. = TRUE), "t.csv")
  expect_equal(utils::read.csv(path), table)
})

test_that("labels of a file are found by cell", {
  cells <- c("c1", "c2", "c3")
  path <- tempfile(fileext = ".tsv")
  x <- matrix(1, 1, 3, dimnames = list("g", cells))
  labels <- function(lines, ...) {
    writeLines(lines, path)
    script_labels(x, path, "labels", ...)
  }
  expect_identical(labels(c("c3\tB", "c1\tA", "c2\tA")), c("A", "A", "B"))
  expect_identical(labels(c("barcode\ttype", "c3\tB", "c1\tA", "c2\tA'")), c("A", "A'", "B"))
  expect_refused(labels(c("c1\tA", "c2\tA")), "labels", "labels")
  expect_identical(labels(c("c1\tA", "c2\tA"), all = FALSE), c("A", "A", NA))
  expect_refused(labels(c("c1\tA", "c2\tA", "c3\tB", "c1\tB")), "labels", "labels")
  expect_refused(labels(c("c1", "c2")), "labels", "labels")
  expect_refused(labels(c("c1\tA", "c2")), "file", "labels")
  expect_refused(labels(c("c1\tA", "c2\tA", "c3\t\"B")), "file", "labels")
  expect_error(labels(c("c1\tA", "c2\tA\xe4", "c3\tB")), "line 2", class = "canalR_error_file")
  expect_identical(script_labels(x, "celltype", "labels"), "celltype")
})

test_that("CELLULAR's models annotate by the same command", {
  model <- cellular_model()
  canal_save(model, job_file("cellular.h5"))
  expect_status(canal_here("predict", "--model", "cellular.h5", "--out", "cellular.csv",
                           "--novelty-threshold", "0", "--embedding", "cellular-e.csv",
                           "two.h5ad"), 0)
  expected <- cellular_predict(stage_two_cells()$counts, model, novelty_threshold = 0,
                               verbose = FALSE)
  expect_identical(utils::read.csv(job_file("cellular.csv"))$cellular_label,
                   expected$cellular_label)
  result <- expect_status(canal_here("predict", "--model", "cellular.h5", "--out", "c.csv",
                                     "--novelty", "canal", "two.h5ad"), 1)
  expect_match(result$log, "models of the other class", all = FALSE)
})

test_that("the template of Slurm jobs becomes a job", {
  skip_if_not_installed("brew")
  resources <- list(ncpus = 4, memory = 2000, walltime = 3600, partition = "long")
  job <- list2env(list(job.name = "j", log.file = "j.log", uri = "j.rds", resources = resources,
                       array.jobs = TRUE, jobs = data.frame(job.id = 1:3)))
  lines <- utils::capture.output(brew::brew(
    system.file("scripts", "slurm.tmpl", package = "canalR"), envir = job
  ))
  expect_true(all(c("#!/bin/bash", "#SBATCH --time=60", "#SBATCH --cpus-per-task=4",
                    "#SBATCH --array=1-3", "#SBATCH --partition=long") %in% lines))
  expect_false(any(grepl("<%", lines, fixed = TRUE)))
})

# A link to Linux' file that is always full, in place of the file that would be written.
on_full_disk <- function(code) {
  skip_if_not(file.exists("/dev/full"), "there is no full disk")
  link <- tempfile()
  file.symlink("/dev/full", link)
  with_binding("part_file", function(...) link, code)
}

test_that("results on a full disk are an error, and the file before stays", {
  folder <- tempfile()
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  connections <- nrow(showConnections())
  table <- data.frame(cell = sprintf("cell-%d", 1:5000), label = "alpha")
  for (name in c("labels.csv", "labels.tsv")) {
    path <- file.path(folder, name)
    writeLines("before", path)
    expect_error(on_full_disk(write_table(table, path, sub(".*[.]", "", name))), "room for",
                 class = "canalR_error_file")
    expect_identical(readLines(path), "before")
  }
  path <- file.path(folder, "kept.rds")
  writeLines("before", path)
  expect_error(on_full_disk(write_kept(table, path)), "room for", class = "canalR_error_file")
  expect_identical(readLines(path), "before")
  # No connection is left, which R would close once more.
  expect_identical(nrow(showConnections()), connections)
  invisible(gc())
})

test_that("a list of genes in another encoding is refused", {
  path <- tempfile(fileext = ".txt")
  on.exit(unlink(path))
  writeBin(c(charToRaw("INS\nGC"), as.raw(0xe4), charToRaw("G\n")), path)
  expect_error(read_genes(path, "vocabulary"), "line 2", class = "canalR_error_file")
})

test_that("what is no file is not replaced by one, and a link stays one", {
  skip_on_os("windows")
  skip_if(!nzchar(Sys.which("mkfifo")), "no mkfifo")
  folder <- tempfile()
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  place <- function(name) file.path(folder, name)
  system2("mkfifo", shQuote(place("pipe.csv")))
  file.symlink("there.csv", place("link.csv"))
  dir.create(place("folder.csv"))
  write <- function(name) {
    suppressMessages(write_table(data.frame(label = "alpha"), place(name), "csv"))
  }
  expect_error(write("pipe.csv"), "`out`: .* a pipe or device", class = "canalR_error_file")
  expect_error(check_output(place("pipe.csv"), "out"), "pipe", class = "canalR_error_file")
  expect_error(check_output(place("folder.csv"), "plot"), "`plot`: .* is a folder",
               class = "canalR_error_file")
  write("link.csv")
  expect_identical(unname(Sys.readlink(place("link.csv"))), "there.csv")
  expect_identical(readLines(place("there.csv")), c("label", "alpha"))
  expect_identical(sort(list.files(folder, all.files = TRUE, no.. = TRUE)),
                   c("folder.csv", "link.csv", "pipe.csv", "there.csv"))
})

test_that("pipes are refused where files are read", {
  skip_on_os("windows")
  skip_if(!nzchar(Sys.which("mkfifo")), "no mkfifo")
  path <- tempfile(fileext = ".csv")
  on.exit(unlink(path))
  system2("mkfifo", shQuote(path))
  # A session that waits for a pipe would never say so.
  found <- in_new_session("
    refused <- function(read) {
      tryCatch(read(value, 'labels'), canalR_error_file = conditionMessage)
    }
    result <- vapply(list(canalR:::read_genes, canalR:::read_rds,
                          function(...) canalR:::read_table(..., header = FALSE)), refused, '')
  ", path)
  expect_match(found, "`labels`: .* is a pipe or device, not a file")
})

test_that("labels in any script come through the C locale", {
  skip_on_os("windows")
  cells <- stage_one_cells()
  names <- c("\u03b1 cell", "\u7d30\u80de, \"b\"", "\u00e9")
  cells$types <- names[match(cells$types, unique(cells$types)) %% 3 + 1]
  files <- tempfile(c("model", "cells", "labels"), fileext = c(".h5", ".rds", ".csv"))
  on.exit(unlink(files))
  model <- train_quietly(cells, untrained(), epochs = 1)
  canal_save(model, files[1])
  saveRDS(cells$counts, files[2])
  status <- system2(script_file(), shQuote(c("predict", "--model", files[1], "--out", files[3],
                                             "--quiet", files[2])),
                    env = c(script_path(), "LC_ALL=C"), stdout = FALSE, stderr = FALSE)
  expect_identical(status, 0L)
  found <- utils::read.csv(files[3], encoding = "UTF-8")
  expect_identical(found$canal_label, predict_quietly(cells$counts, model)$canal_label)
})

# Runs lines of bash in the job's folder, where `canal` is the script; returns what they print.
in_bash <- function(...) {
  skip_on_os("windows")
  skip_if(!nzchar(Sys.which("bash")), "there is no bash")
  file <- tempfile(fileext = ".sh")
  on.exit(unlink(file))
  writeLines(c(paste("cd", shQuote(job_folder())), paste("export", script_path()),
               sprintf("canal() { %s \"$@\"; }", shQuote(script_file())), ...), file)
  system2("bash", shQuote(file), stdout = TRUE, stderr = TRUE)
}

test_that("a reader that closes stdout early ends nothing with an error", {
  # It is closed before the first byte is written.
  statuses <- function(call) {
    in_bash("mkfifo wait", sprintf("{ read < wait; %s; echo \"status $?\" >&2; } | true &", call),
            "sleep 0.3; echo go > wait; wait $!; rm wait")
  }
  for (call in c("canal train --help", "canal --version", "canal info untrained.h5 one.h5ad",
                 "canal prepare --vocabulary genes.txt --quiet --out - one.h5ad")) {
    expect_identical(statuses(call), "status 0", info = call)
  }
  # What else there is to do is done, and a log that nobody reads stops nothing.
  expect_status(shell_model(), 0)
  unlink(job_file("closed.rds"))
  expect_identical(statuses(paste("canal predict --model model.h5 --quiet --out -",
                                  "--embedding closed.rds two.h5ad")), "status 0")
  expect_identical(dim(readRDS(job_file("closed.rds")))[1], ncol(stage_two_cells()$counts))
  log_closed <- "{ canal export --out closed.pth --force model.h5 2>&3; echo $?; } 3> >(true)"
  expect_identical(in_bash(log_closed), "0")
  expect_gt(file.size(job_file("closed.pth")), 1000)
})

test_that("other errors than a closed pipe are errors", {
  expect_error(to_stdout(stop("another")), "another")
})

test_that("\"-\" is a file for --out of tables alone", {
  predict <- c("predict", "--model", "m.h5", "a.h5ad")
  expect_wrong(predict, "--out", "-", "--format", "rds", says = "\"-\" takes csv, tsv")
  expect_identical(parsed(predict, "--out", "-", "--format", "tsv")$options$out, "-")
  expect_wrong(predict, "--out", "o.csv", "--embedding", "-", says = "--embedding cannot be")
  expect_wrong(predict, "--out", "o.csv", "--checkpoint", "-", says = "--checkpoint cannot be")
  expect_wrong(replace(predict, 3, "-"), "--out", "o.csv", says = "--model cannot be")
  expect_wrong(replace(predict, 4, "-"), "--out", "o.csv", says = "stdin is not read")
  for (command in c("pretrain", "import", "export")) {
    expect_wrong(command, "--vocabulary"[command != "export"], "v"[command != "export"], "--out",
                 "-", "a", says = "a model is not written to stdout")
  }
  expect_wrong("evaluate", "--truth", "t", "--plot", "-", "p.csv", says = "--plot cannot be")
  expect_wrong("prepare", "--out", "o.rds", "--vocabulary", "-", "a",
               says = "--vocabulary cannot be")
  expect_status(canal("predict", "--out", "-", "--format", "rds", "--model", "compact", "one.h5ad"),
                2)
  expect_false(file.exists(job_file("-")))
})

test_that("what is read is not replaced, whatever its path is written like", {
  folder <- tempfile("files")
  dir.create(file.path(folder, "10x"), recursive = TRUE)
  on.exit(unlink(folder, recursive = TRUE))
  before <- setwd(folder)
  on.exit(setwd(before), add = TRUE, after = FALSE)
  file.create("a.rds", "m.h5", "t.csv", "10x/barcodes.tsv", "10x/mine.tsv")
  expect_wrong("predict", "--model", "m.h5", "--out", "./a.rds", "--force", "a.rds",
               says = "--out and an input are one file, \"./a.rds\"")
  expect_wrong("predict", "--model", "m.h5", "--out", "o.rds", "--embedding",
               file.path(folder, "a.rds"), "--force", "a.rds", says = "--embedding and an input")
  expect_wrong("predict", "--model", "m.h5", "--out", "o.csv", "--embedding", "10x/../o.csv",
               "a.rds", says = "--embedding and --out are one file")
  expect_wrong("predict", "--model", "m.h5", "--out", "10x/barcodes.tsv", "--force", "10x",
               says = "--out and an input are one file")
  expect_identical(parsed("predict", "--model", "m.h5", "--out", "10x/mine.tsv", "--force",
                          "10x")$inputs, "10x")
  train <- c("train", "--model", "m.h5", "--labels", "t.csv", "a.rds", "--force", "--out")
  expect_wrong(train, "10x/../m.h5", says = "--out and --model are one file")
  expect_wrong(train, "t.csv", says = "--out and --labels are one file")
  expect_wrong(train, "state", "--checkpoint", "state", says = "--checkpoint and --out are one")
  expect_wrong("evaluate", "--truth", "t.csv", "--out", "t.csv", "--force", "a.rds",
               says = "--out and --truth are one file")
  expect_wrong("export", "--out", "m.h5", "m.h5", says = "--out and an input are one file")
  expect_wrong("import", "--out", "m.h5", "m.h5", says = "--out and an input are one file")
  expect_wrong("prepare", "--vocabulary", "t.csv", "--out", "t.csv", "a.rds",
               says = "--out and --vocabulary are one file")
  skip_on_os("windows")
  file.symlink("m.h5", "link.h5")
  expect_wrong(train, "link.h5", says = "--out and --model are one file")
})

test_that("outputs of no known kind, or that are there, are wrong calls", {
  folder <- tempfile("files")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  before <- setwd(folder)
  on.exit(setwd(before), add = TRUE, after = FALSE)
  predict <- c("predict", "--model", "m.h5", "a.h5ad")
  expect_wrong(predict, "--out", "o.xls",
               says = "--out must end in .csv, .tsv, .rds, .h5ad, not \"o.xls\"")
  expect_wrong(predict, "--out", "csv.d/o", says = "--out must end in")
  expect_wrong(predict, "--out", "o.csv", "--embedding", "e.h5ad", says = "--embedding must end in")
  expect_wrong("predict", "--model", "m.h5", "a.rds", "--out", "o.h5ad",
               says = "an .h5ad as --out needs an .h5ad as input")
  expect_wrong(predict, "--out", "o.h5ad", "--probabilities", "assay", says = "needs an .rds")
  expect_wrong("prepare", "--vocabulary", "v", "a", "--out", "o.h5ad", says = "--out must end in")
  expect_wrong("evaluate", "--truth", "t", "p.csv", "--out", "o.png", says = "--out must end in")
  expect_wrong("export", "m.h5", "--out", "o.h5", says = "--out must end in")
  for (out in c("o.CSV", "o.tsv", "o.rds", "o.h5ad")) {
    expect_identical(parsed(predict, "--out", out)$options$out, out)
  }
  expect_identical(parsed(predict, "--out", "o.xls", "--format", "csv")$options$format, "csv")
  # What a training goes on from, and a folder, which is no file, are not replaced.
  file.create("o.csv", "p.png")
  dir.create("state")
  expect_wrong(predict, "--out", "o.csv", says = "--out: \"o.csv\" is there; --force replaces it")
  expect_wrong("evaluate", "--truth", "t", "p.csv", "--plot", "p.png", says = "--plot: \"p.png\"")
  expect_identical(parsed(predict, "--out", "o.csv", "--force")$options$out, "o.csv")
  expect_identical(parsed(predict, "--out", "n.csv", "--checkpoint", "state")$options$checkpoint,
                   "state")
})

test_that("tokens that were prepared for the model are annotated", {
  skip_on_os("windows")
  expect_status(shell_model(), 0)
  prepare <- function(vocabulary, out) {
    expect_status(canal_here("prepare", "--vocabulary", vocabulary, "--out", out, "matrix.rds"), 0)
  }
  prepare("model.h5", "for-model.rds")
  expect_status(canal_here("predict", "--model", "model.h5", "--out", "by-tokens.csv",
                           "--embedding", "by-tokens-e.rds", "for-model.rds"), 0)
  cells <- stage_two_cells()
  expect_identical(utils::read.csv(job_file("by-tokens.csv"))$canal_label,
                   predict_quietly(cells$counts, r_model())$canal_label)
  expect_identical(unname(readRDS(job_file("by-tokens-e.rds"))),
                   unname(canal_embed(cells$counts, r_model(), verbose = FALSE)$embedding))
  prepare("genes.txt", "others.rds")
  result <- expect_status(canal_here("predict", "--model", "model.h5", "--out", "o.csv",
                                     "others.rds"), 1)
  expect_match(result$log, "Prepare the cells with canal_prepare\\(x, model\\)", all = FALSE)
})

test_that("an .h5ad comes back as a copy with the results in obs", {
  skip_if_not_installed("hdf5r")
  skip_on_os("windows")
  expect_status(shell_model(), 0)
  input <- job_file("obs.h5ad")
  file.rename(h5ad_with_obs(stage_two_cells()), input)
  before <- tools::md5sum(input)
  result <- expect_status(canal("predict", "--model", "model.h5", "--out", "labelled.h5ad",
                                "--top-k", "1", "--probabilities", "columns", "obs.h5ad"), 0)
  expect_match(result$log, "Wrote labelled.h5ad", all = FALSE)
  expect_identical(tools::md5sum(input), before)
  expected <- as.data.frame(predict_quietly(input, r_model(), top_k = 1,
                                            probabilities = "columns"), optional = TRUE)
  obs <- any_cells(job_file("labelled.h5ad"))$obs
  expect_identical(names(obs), c("depth", "type", names(expected)))
  for (name in names(expected)) expect_identical(c(obs[[name]]), expected[[name]], info = name)
  expect_identical(obs$type, any_cells(input)$obs$type)
  expect_identical(cells_of(job_file("labelled.h5ad"))$counts, cells_of(input)$counts)
  # Nothing of anybody else's is replaced, which is known before the work.
  again <- c("predict", "--model", "model.h5", "labelled.h5ad", "--out", "twice.h5ad")
  refused <- expect_status(canal_here(again), 1)
  expect_match(refused$log, "obs has canal_label, .*--prefix", all = FALSE)
  expect_status(canal_here(again, "--prefix", "second"), 0)
  expect_true(all(c("canal_label", "second_label") %in%
                    names(any_cells(job_file("twice.h5ad"))$obs)))
  old <- expect_status(canal_here("predict", "--model", "model.h5", "--out", "old-2.h5ad",
                                  "two.h5ad"), 1)
  expect_match(old$log, "version 0.8 or later", all = FALSE)
  expect_identical(leftovers(), character())
})

test_that("Python's anndata reads the labelled copy, missing texts and any names included", {
  skip_if_not_installed("hdf5r")
  python <- python_with("anndata")
  input <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
  before <- any_cells(input)
  n <- ncol(before$counts)
  columns <- data.frame(canal_label = rep(c("\u03b1 cell", NA, "b, c"), length.out = n),
                        canal_confidence = replace(seq_len(n) / n, 2, NA),
                        canal_reason = NA_character_,
                        canal_many = sprintf("type %d", seq_len(n) %% 150))
  path <- tempfile(fileext = ".h5ad")
  table <- tempfile(fileext = ".csv")
  on.exit(unlink(c(path, table)))
  suppressMessages(write_h5ad_copy(input, columns, path))
  status <- system2(python, c("-c", shQuote(paste(
    "import sys, anndata; data = anndata.read_h5ad(sys.argv[1]);",
    "assert all(str(data.obs[c].dtype) == 'category' for c in ('canal_label', 'canal_reason'));",
    "data.obs.to_csv(sys.argv[2])"
  )), shQuote(c(path, table))), env = "PYTHONIOENCODING=utf-8")
  expect_identical(status, 0L)
  read <- utils::read.csv(table, row.names = 1, na.strings = "", encoding = "UTF-8")
  expect_identical(rownames(read), colnames(before$counts))
  expect_identical(names(read), c(names(before$obs), names(columns)))
  expect_identical(read$celltype, before$obs$celltype)
  expect_identical(read$canal_label, columns$canal_label)
  expect_equal(read$canal_confidence, columns$canal_confidence, tolerance = 1e-15)
  expect_true(all(is.na(read$canal_reason)))
  expect_identical(read$canal_many, columns$canal_many)
})

test_that("room for the labelled copy is taken before HDF5 needs it, and what is left given back", {
  skip_if_not_installed("hdf5r")
  input <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
  cells <- ncol(any_cells(input)$counts)
  many_types <- sprintf("a type with a long name, the %dth of as many as there are cells", 1:cells)
  for (columns in list(data.frame(one = 1:cells), data.frame(types = many_types, rare = "b"),
                       as.data.frame(matrix(rep_len(1:3 / 3, cells * 200), cells)))) {
    path <- tempfile(fileext = ".h5ad")
    suppressMessages(write_h5ad_copy(input, columns, path))
    expect_lt(file.size(path) - file.size(input), h5ad_room(columns) / 2)
    expect_true(all(names(columns) %in% names(any_cells(path)$obs)))
    # Where there is no room HDF5 never comes to know of it.
    lost <- tempfile(fileext = ".h5ad")
    expect_error(with_binding("append_zeros", function(...) NULL,
                              suppressMessages(write_h5ad_copy(input, columns, lost))),
                 "room for .*the disk is full", class = "canalR_error_file")
    expect_false(file.exists(lost))
    unlink(path)
  }
})

test_that("names that HDF5 has no room for are told before the work", {
  skip_if_not_installed("hdf5r")
  input <- h5ad_with_obs(stage_two_cells())
  on.exit(unlink(input))
  expect_refused(check_h5ad_copy(input, "canal_prob_T/NK"), "argument", "probabilities")
  expect_refused(check_h5ad_copy(input, "depth"), "argument", "prefix")
  expect_refused(check_h5ad_copy(tenx_file("version_3"), "a"), "file", "x")
})

test_that("predictions under any prefix are evaluated", {
  skip_on_os("windows")
  cells <- stage_two_cells()
  labels <- rev(cells$types)
  write <- function(...) {
    table <- data.frame(cell = colnames(cells$counts), ..., check.names = FALSE)
    utils::write.csv(table, job_file("prefixed.csv"), row.names = FALSE)
  }
  evaluate <- function(...) {
    canal_here("evaluate", "--what", "overall", "--format", "csv", ..., "prefixed.csv")
  }
  accuracy <- canal_evaluate(labels, cells$types)$accuracy
  write(mine_label = labels, true_label = cells$types)
  result <- expect_status(evaluate("--truth", "true_label"), 0)
  expect_equal(utils::read.csv(text = result$out)$accuracy, accuracy)
  expect_match(result$log, " INFO The predicted labels are those of the column mine_label",
               all = FALSE)
  result <- expect_status(evaluate("--truth", "two.csv"), 1)
  expect_match(result$log, "mine_label, true_label.*--predicted")
  result <- expect_status(evaluate("--truth", "two.csv", "--predicted", "mine_label"), 0)
  expect_equal(utils::read.csv(text = result$out)$accuracy, accuracy)
  write(mine = labels)
  expect_match(expect_status(evaluate("--truth", "two.csv"), 1)$log, "are mine\\. --predicted")
  expect_match(expect_status(canal_here("evaluate", "--truth", "t", "one.h5ad"), 1)$log,
               "a table .*one.h5ad")
})

test_that("a model that is not there is told so, without a word of what the script has not", {
  predict <- function(model) {
    expect_status(canal_here("predict", "--model", model, "--out", "n.csv", "one.h5ad"), 1)$log
  }
  for (model in c("nomodel.h5", "nomodel", "no/model.h5", "nomodel.pth")) {
    log <- predict(model)
    expect_length(log, 1)
    expect_match(log, sprintf("ERROR `model`: .*\"%s\", which is not there", model))
    expect_match(log, "Paths start from the working directory", fixed = TRUE)
    expect_false(grepl("url", log))
  }
  log <- predict("matrix.rds")
  expect_match(log, "`model`: .*matrix.rds, which is none or damaged: .*[^.][.]$")
  log <- expect_status(canal_here("prepare", "--vocabulary", "none.h5", "--out", "n.rds",
                                  "one.h5ad"), 1)$log
  expect_match(log, "ERROR `vocabulary`: .*\"none.h5\", which is not there")
})

# Of cells with another assay as the default one, whose counts are others.
assays_object <- function(counts) {
  seurat <- Seurat::CreateSeuratObject(counts)
  other <- counts[seq_len(10), ]
  suppressWarnings(seurat[["other"]] <- SeuratObject::CreateAssayObject(data = as.matrix(other)))
  SeuratObject::DefaultAssay(seurat) <- "other"
  seurat
}

test_that("--assay-type may name an assay of a Seurat object", {
  skip_if_not_installed("Seurat")
  skip_on_os("windows")
  expect_status(shell_model(), 0)
  cells <- stage_two_cells()
  saveRDS(assays_object(cells$counts), job_file("assays.rds"))
  call <- c("predict", "--model", "model.h5", "--force", "assays.rds", "--out")
  result <- expect_status(canal_here(call, "assays-2.rds"), 1)
  expect_match(result$log, "choose one with --assay-type RNA", all = FALSE)
  expect_status(canal_here(call, "assays-2.rds", "--assay-type", "RNA", "--embedding",
                           "assays-e.rds"), 0)
  labelled <- readRDS(job_file("assays-2.rds"))
  expected <- predict_quietly(cells$counts, r_model())
  expect_identical(unname(labelled$canal_label), expected$canal_label)
  expect_identical(SeuratObject::DefaultAssay(labelled), "other")
  expect_equal(unname(readRDS(job_file("assays-e.rds"))),
               unname(canal_embed(cells$counts, r_model(), verbose = FALSE)$embedding))
  info <- expect_status(canal_here("info", "--assay-type", "RNA", "assays.rds"), 0)
  expect_match(info$out, sprintf("genes +%d", nrow(cells$counts)), all = FALSE)
  prepare <- function(out, ...) {
    expect_status(canal_here("prepare", "--vocabulary", "genes.txt", "--force", "--out", out, ...),
                  0)
    readRDS(job_file(out))
  }
  expect_identical(prepare("assays-t.rds", "--assay-type", "RNA", "assays.rds"),
                   prepare("assays-t.rds", "matrix.rds"))
  saveRDS(stage_one_cells()$counts, job_file("first.rds"))
  pretrain <- function(out, ...) {
    expect_status(canal_here("pretrain", "--vocabulary", "genes.txt", "--config",
                             "compact,dim=8,heads=2,head_width=4,features=8", "--epochs", "1",
                             "--seed", "3", "--force", "--out", out, "first.rds", ...), 0)
    canal_load(job_file(out))@weights
  }
  expect_identical(pretrain("assays-p.h5", "--assay-type", "RNA", "assays.rds"),
                   pretrain("assays-p.h5", "matrix.rds"))
  train <- function(out, ...) {
    expect_status(canal_here("train", "--model", "untrained.h5", "--labels", "two.csv", "--epochs",
                             "1", "--seed", "1", "--force", "--out", out, ...), 0)
    canal_load(job_file(out))@weights
  }
  expect_identical(train("assays-m.h5", "--assay-type", "RNA", "assays.rds"),
                   train("assays-m.h5", "matrix.rds"))
})

test_that("the log has a line per event, with time and level", {
  log <- function(code, ...) {
    with_binding("script_work", function(command) function(call) code(), {
      canal_here("info", ..., "one.h5ad")
    })
  }
  time <- "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} "
  result <- expect_status(log(function() {
    warning("two\nlines")
    canal_warn("batch", "x", "this", "that", "A hint.", call = NULL)
    message("said")
    stop("what\n  stopped it")
  }, "--verbose"), 1)
  expect_match(result$log, paste0(time, "(INFO|WARNING|ERROR) "))
  expect_identical(sub(time, "", result$log[-(1:2)]),
                   c("WARNING two lines", "WARNING `x`: expected this; got that. A hint.",
                     "INFO said", "ERROR what stopped it"))
  result <- log(function() {
    message("said")
    warning("warned")
    canal_abort("file", "x", "this", "that", "A hint.", call = NULL)
  }, "--quiet")
  expect_identical(sub(time, "", result$log),
                   c("WARNING warned", "ERROR `x`: expected this; got that. A hint."))
  result <- expect_status(log(function() stop(interrupted())), 130)
  expect_match(result$log, paste0(time, "ERROR Interrupted"))
})

test_that("help says of a command what is true of it", {
  commands <- command_line()$canal_commands()
  for (name in names(commands)) {
    lines <- command_line()$help_text(name, commands)
    expect_identical(any(grepl("130 .*--checkpoint", lines)),
                     "checkpoint" %in% names(commands[[name]]$options), info = name)
    expect_identical(any(grepl("closed early", lines)),
                     name %in% c("prepare", "predict", "evaluate", "info"), info = name)
  }
})

test_that("help gives the defaults of the R functions", {
  folder <- system.file(package = "canalR")
  skip_if_not(file.exists(file.path(folder, "help", "canalR.rdx")), "there are no help pages")
  commands <- command_line()$canal_commands()
  for (name in names(commands)) {
    read <- command_line()$command_defaults(commands[[name]], folder)
    expect_true(all(commands[[name]]$functions %in% names(read)), info = name)
    for (f in names(read)) {
      true <- as.list(formals(get(f)))
      true <- true[nzchar(as.character(true))]
      expect_identical(read[[f]], true, info = f)
    }
  }
  said <- function(command, option) {
    declared <- commands[[command]]
    command_line()$default_sentence(option, declared$options[[option]], declared,
                                    command_line()$command_defaults(declared, folder))
  }
  expect_identical(said("prepare", "n-genes"), sprintf(" Default: %d.",
                                                       formals(canal_prepare)$n_genes))
  expect_identical(said("predict", "prefix"),
                   " Default: canal (canal_predict), cellular (cellular_predict).")
  expect_identical(said("predict", "novelty"), " Default: none.")
  expect_identical(said("train", "epochs"), " Default: that of the model.")
  expect_identical(said("train", "config"),
                   sprintf(" Default: %s.", eval(formals(canal_config)$preset)[1]))
  expect_identical(said("pretrain", "balance"), " Default: no.")
  expect_identical(said("info", "assay-type"), sprintf(" Default: %s.",
                                                       formals(canal_predict)$assay.type))
  expect_identical(said("import", "config"), "")
  expect_identical(said("evaluate", "predicted"), "")
  expect_identical(said("train", "verbose"), "")
  # What the script has of its own is what it works with.
  call <- parsed("evaluate", "--truth", "t", "p.csv")
  expect_identical(call$options[c("out", "what")], list(out = "-", what = "types"))
  expect_identical(said("evaluate", "what"), " Default: types.")
  skip_on_os("windows")
  expect_match(expect_status(canal("prepare", "--help"), 0)$out, "Default: ", all = FALSE)
})
