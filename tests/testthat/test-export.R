exported <- function(model, ending, ...) {
  path <- tempfile(fileext = paste0(".", ending))
  canal_export(model, path, ..., verbose = FALSE)
  path
}

reimported <- function(model, ending, ...) {
  path <- exported(model, ending)
  on.exit(unlink(path))
  canal_import(path, ..., verbose = FALSE)
}

# Values that a float32 holds in unusual ways; the network is not run on them.
odd_model <- function() {
  model <- untrained()
  odd <- c(-0, 2^-149, 2^-126, 3.4028234663852886e38, 1 / 3)
  bytes <- writeBin(odd, raw(), size = 4, endian = "little")
  model@weights$norm.weight[seq_along(bytes)] <- bytes
  model
}

test_that("both forms give every model back, bit for bit", {
  models <- list(untrained(), stage_two(), golden_model("pretrained.pth"),
                 golden_model("canal_stage2_start.pth"), odd_model())
  for (model in models) {
    for (ending in c("pth", "safetensors")) {
      again <- reimported(model, ending)
      expect_identical(again@weights, model@weights)
      expect_identical(again@labels, model@labels)
      expect_identical(again@genes, model@genes)
      expect_identical(again@vocabulary, model@vocabulary)
      expect_identical(again@config, model@config)
      expect_identical(again@provenance[c("pretrained", "positions")],
                       model@provenance[c("pretrained", "positions")])
    }
  }
})

test_that("settings survive that JSON has no word for, and names that need escapes", {
  model <- stage_two()
  model@config$patience <- Inf
  model@config$lambda <- 1 / 3
  model@labels[1:2] <- c("T \"helper\" \\ 1\n", "\u03b2-Zelle")
  for (ending in c("pth", "safetensors")) {
    again <- reimported(model, ending)
    expect_identical(again@config, model@config)
    expect_identical(again@labels, model@labels)
  }
})

test_that("a re-imported model annotates as before", {
  cells <- stage_two_cells()
  before <- predict_quietly(cells$counts, stage_two())
  after <- predict_quietly(cells$counts, reimported(stage_two(), "safetensors"))
  expect_identical(as.data.frame(after), as.data.frame(before))
})

test_that("what is given wins over what the file says", {
  config <- canal_config("scbert", epochs = 7)
  again <- reimported(untrained(), "pth", config = config, positions = "fixed")
  expect_identical(again@config$epochs, 7)
  expect_identical(again@provenance$positions, "fixed")
  symbols <- paste0("S", seq_along(stage_two()@genes))
  whole <- paste0("S", seq_along(stage_two()@vocabulary$genes))
  places <- match(stage_two()@genes, stage_two()@vocabulary$genes)
  for (ending in c("pth", "safetensors")) {
    expect_identical(reimported(stage_two(), ending, vocabulary = symbols)@genes, symbols)
    expect_identical(reimported(stage_two(), ending, vocabulary = whole)@genes, whole[places])
  }
})

test_that("what is not in the file is told", {
  path <- tempfile(fileext = ".pt")
  on.exit(unlink(path))
  expect_message(canal_export(stage_two(), path), "example bank.*2 stages.*canal_save",
                 class = "canalR_message_export")
  text <- capture_messages(canal_export(untrained(), path))
  expect_match(text, "parameters")
  expect_no_match(text, "Not in the file")
  expect_identical(withVisible(canal_export(untrained(), path, verbose = FALSE)),
                   list(value = path, visible = FALSE))
})

test_that("the ending or `format` decides the form", {
  start_of <- function(path) readBin(path, "raw", 9)
  zip <- as.raw(c(0x50, 0x4b, 0x03, 0x04))
  for (ending in c("pth", "pt", "PTH")) {
    expect_identical(start_of(exported(untrained(), ending))[1:4], zip)
  }
  expect_identical(start_of(exported(untrained(), "safetensors"))[9], charToRaw("{"))
  expect_identical(start_of(exported(untrained(), "pth", format = "safetensors"))[9],
                   charToRaw("{"))
  # And the content decides what is read.
  misnamed <- exported(untrained(), "bin", format = "safetensors")
  expect_identical(canal_import(misnamed, verbose = FALSE)@weights, untrained()@weights)
})

test_that("a file is written whole or not at all", {
  folder <- tempfile("export")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  path <- file.path(folder, "m.pth")
  writeLines("mine", path)
  bad <- untrained()
  bad@labels <- NA_character_
  expect_error(canal_export(bad, path, verbose = FALSE), class = "canalR_error")
  expect_identical(readLines(path), "mine")
  canal_export(untrained(), path, verbose = FALSE)
  expect_identical(list.files(folder), "m.pth")
  expect_error(canal_export(untrained(), file.path(folder, "none", "m.pth")), "`path`",
               class = "canalR_error_file")
})

test_that("arguments are checked", {
  path <- tempfile(fileext = ".pth")
  expect_refused(canal_export(1, path), "argument", "model")
  expect_refused(canal_export(untrained(), 1), "argument", "path")
  expect_refused(canal_export(untrained(), tempfile(fileext = ".h5")), "argument", "path")
  expect_refused(canal_export(untrained(), tempfile()), "argument", "path")
  expect_refused(canal_export(untrained(), path, "onnx"), "argument", "format")
  expect_refused(canal_export(untrained(), path, NULL, FALSE), "argument", "...")
  expect_refused(canal_export(untrained(), path, verbose = NA), "argument", "verbose")
  expect_false(file.exists(path))
})

# Runs tests/testthat/check-export.py, which ends with "ok" or a traceback.
run_python <- function(python, ...) {
  output <- suppressWarnings(
    system2(python, shQuote(c(test_path("check-export.py"), ...)), stdout = TRUE, stderr = TRUE)
  )
  expect_identical(utils::tail(output, 1), "ok", info = paste(output, collapse = "\n"))
}

test_that("PyTorch loads the file into a network of the published names", {
  python <- python_with("torch")
  for (model in list(odd_model(), stage_two(), golden_model("canal_stage1.pth"))) {
    path <- exported(model, "pth")
    safe <- exported(model, "safetensors")
    facts <- tempfile(fileext = ".h5")
    # Names, shapes and bytes on a way of their own: R's raw weights, piece by piece.
    bytes <- tempfile()
    connection <- file(bytes, "wb")
    for (weight in model@weights) writeBin(as.vector(unclass(weight)), connection)
    close(connection)
    lines <- vapply(names(model@weights), function(name) {
      paste(name, paste(attr(model@weights[[name]], "shape"), collapse = " "))
    }, "")
    writeLines(c(lines, "--", model@labels, "--", model@genes, "--", model@vocabulary$genes), facts,
               useBytes = TRUE)
    run_python(python, path, safe, facts, bytes)
    unlink(c(path, safe, facts, bytes))
  }
})

test_that("cells are scaled and labelled alike after a round trip, also where genes have joined", {
  cells <- stage_one_cells()
  later <- stage_two_cells()
  start <- canal_model(small_config(), rownames(cells$counts)[1:120], seed = 1)
  model <- train_quietly(cells, start, new_genes = 10)
  model <- train_quietly(later, model, new_genes = 10)
  expect_lt(scaling_genes(model@vocabulary), length(model@vocabulary$genes))
  for (ending in c("pth", "safetensors")) {
    again <- reimported(model, ending)
    tokens <- function(m) canal_prepare(later$counts, m, verbose = FALSE)@tokens
    expect_identical(tokens(again), tokens(model))
    expect_identical(predict_quietly(later$counts, again)$canal_confidence,
                     predict_quietly(later$counts, model)$canal_confidence)
  }
})

test_that("vectors of genes outside the sequence are told to be left out", {
  genes <- rownames(panc()$counts)
  table <- matrix(rnorm(200 * 8), 200, dimnames = list(genes, NULL))
  model <- canal_model(small_config(), canal_vocabulary(genes, table), seed = 1)
  model <- train_quietly(stage_one_cells(), model)
  expect_message(canal_export(model, tempfile(fileext = ".pth")),
                 "the vectors of 160 genes outside the sequence", class = "canalR_message_export")
})
