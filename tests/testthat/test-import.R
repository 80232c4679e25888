test_that("every size is read from the file", {
  shape <- function(place) dim(golden_array(place))
  model <- golden_model("pretrained.pth")
  sizes <- attr(golden_array("/"), "h5_attributes")
  expect_length(model@genes, sizes$n_genes)
  expect_equal(model@config[c("dim", "depth", "heads", "head_width", "features")],
               list(dim = sizes$dim, depth = sizes$depth, heads = sizes$heads,
                    head_width = sizes$dim_head, features = sizes$nb_features))
  expect_equal(model@config$n_bins, sizes$num_tokens - 2)
  expect_true(model@provenance$pretrained)
  expect_identical(model@labels, character())
  stage <- golden_model("canal_stage1.pth")
  expect_length(stage@genes, shape("stage1/tokens")[2] - 1)
  expect_length(stage@labels, shape("stage1/logits")[2])
  expect_equal(stage@config$fc1, shape("stage1/manifold")[2])
  expect_equal(stage@config$fc2, shape("stage1/embedding")[2])
})

test_that("training settings are kept, network settings are the file's", {
  config <- canal_config("compact", epochs = 7, batch_size = 3, dim = 16)
  model <- golden_model("pretrained.pth", config = config)
  expect_identical(model@config$epochs, 7)
  expect_identical(model@config$batch_size, 3)
  expect_equal(model@config$dim, attr(golden_array("/"), "h5_attributes")$dim)
  expect_s3_class(model@config, "canal_config")
})

test_that("a stage knows its types, and its genes out of the whole vocabulary", {
  places <- golden_array("hvg_index0") + 1
  vocabulary <- paste0("G", seq_len(attr(golden_array("/"), "h5_attributes")$n_genes))
  model <- golden_model("canal_stage1.pth", vocabulary = vocabulary)
  expect_identical(model@genes, vocabulary[places])
  expect_identical(model@vocabulary$genes, vocabulary)
  expect_identical(anyDuplicated(model@labels), 0L)
  chosen <- golden_model("canal_stage1.pth", vocabulary = vocabulary[places])
  expect_identical(chosen@genes, vocabulary[places])
  expect_identical(chosen@vocabulary$genes, vocabulary[places])
  expect_identical(chosen@labels, model@labels)
  nameless <- golden_model("canal_stage1.pth")
  expect_identical(nameless@genes, paste0("gene", seq_along(places)))
  later <- golden_model("canal_stage2_start.pth")
  expect_identical(later@labels[seq_along(model@labels)], model@labels)
})

test_that("what was read and what was skipped is told", {
  expect_message(
    suppressMessages(canal_import(golden_path("canal_stage1.pth")),
                     classes = "canalR_message_import"),
    "example_bank", class = "canalR_message_skipped"
  )
  expect_message(
    suppressMessages(canal_import(golden_path("pretrained.pth")),
                     classes = "canalR_message_skipped"),
    "parameters", class = "canalR_message_import"
  )
  expect_silent(canal_import(golden_path("pretrained.pth"), verbose = FALSE))
})

test_that("an imported model annotates", {
  model <- golden_model("canal_stage1.pth")
  counts <- toy_counts(length(model@genes), 8)
  rownames(counts) <- model@genes
  result <- predict_quietly(counts, model, min_genes = 0)
  expect_true(all(result$canal_label %in% model@labels))
})

test_that("a vocabulary of another length is refused", {
  expect_refused(golden_model("pretrained.pth", vocabulary = c("A", "B")), "sizes", "vocabulary")
  expect_refused(golden_model("canal_stage1.pth", vocabulary = c("A", "B")), "sizes", "vocabulary")
})

test_that("files that are no checkpoint are refused", {
  expect_error(golden_model("none.pth"), class = "canalR_error_file")
  path <- tempfile(fileext = ".pth")
  on.exit(unlink(path))
  for (name in c("pretrained.pth", "pretrained_legacy.pth")) {
    bytes <- readBin(golden_path(name), "raw", file.size(golden_path(name)))
    for (size in c(0, 3, 100, length(bytes) %/% 2, length(bytes) - 1)) {
      writeBin(utils::head(bytes, size), path)
      expect_error(canal_import(path), class = "canalR_error_file")
    }
  }
  writeLines("a plain text", path)
  expect_error(canal_import(path), class = "canalR_error_file")
  expect_error(canal_import(golden_path("reference.h5")), class = "canalR_error_file")
  expect_error(canal_import(golden_path("gene2vec.npy")), class = "canalR_error_file")
})

test_that("arguments are checked", {
  path <- golden_path("pretrained.pth")
  expect_refused(canal_import(path, c("A", "B")), "argument", "...")
  expect_refused(canal_import(1), "argument", "path")
  expect_refused(canal_import(path, config = list(epochs = 3)), "argument", "config")
  expect_refused(canal_import(path, verbose = "no"), "argument", "verbose")
  expect_refused(canal_import(path, vocabulary = 1:3), "argument", "vocabulary")
})

# A pickle that has Python call os.system(command) as it is loaded.
hostile_call <- function(command) {
  length_of <- as.raw(bitwAnd(bitwShiftR(nchar(command), c(0, 8, 16, 24)), 255))
  c(charToRaw("cposix\nsystem\n"), charToRaw("(X"), length_of, charToRaw(command), charToRaw("tR"))
}

find_bytes <- function(needle, bytes) {
  starts <- which(bytes == needle[1])
  starts <- starts[starts + length(needle) - 1 <= length(bytes)]
  starts[vapply(starts, function(at) {
    identical(bytes[at + seq_along(needle) - 1], needle)
  }, NA)]
}

test_that("nothing in a pickle is ever executed", {
  evidence <- tempfile("executed")
  path <- tempfile(fileext = ".pth")
  on.exit(unlink(c(evidence, path)))
  call <- hostile_call(paste("touch", evidence))

  # Alone, in a file.
  writeBin(c(as.raw(c(0x80, 0x02)), call, charToRaw(".")), path)
  expect_error(canal_import(path), class = "canalR_error_file")

  # As one more entry of a checkpoint: its dictionary is the second of the file.
  bytes <- readBin(golden_path("pretrained_legacy.pth"), "raw", 1e8)
  dictionary <- as.raw(c(0x80, 0x02, 0x7d, 0x71, 0x00, 0x28))
  at <- find_bytes(dictionary, bytes)[2] + length(dictionary) - 1
  entry <- c(charToRaw("X"), as.raw(c(4, 0, 0, 0)), charToRaw("evil"), call)
  writeBin(append(bytes, entry, after = at), path)
  expect_message(
    model <- suppressMessages(canal_import(path), classes = "canalR_message_import"),
    "evil", class = "canalR_message_skipped"
  )
  expect_identical(model@weights, golden_model("pretrained_legacy.pth")@weights)
  expect_false(file.exists(evidence))
})

# ---- Banks, prefixes and the other recipes -----------------------------------------------------

fixture_bank <- function(name) test_path("fixtures", sprintf("bank-%s.pth", name))

import_bank <- function(name, ...) canal_import(fixture_bank(name), ..., verbose = FALSE)

# What make-banks.py put into the fixtures, from its formula: genes x cells.
bank_values <- outer(0:4, 0:5, function(gene, cell) ((3 * cell + 5 * gene + 1) %% 7) * 1.25)
bank_cells <- c("beta", "alpha", "beta", "delta", "alpha", "beta")
bank_symbols <- c("INS", "GCG", "SST", "PPY", "GHRL")

expect_bank <- function(model, ranks, stages = rep(1L, 6), info = NULL) {
  expected <- matrix(as.raw(pmin(floor(bank_values), 5)), 5, 6)
  expect_identical(model@bank$tokens, expected, info = info)
  expect_identical(model@bank$entries,
                   data.frame(cell = paste0("cell", 0:5), type = bank_cells, rank = ranks,
                              stage = stages), info = info)
  expect_true(validObject(model))
}

test_that("a pickled AnnData becomes the example bank, whatever its matrix and pandas' version", {
  given <- c(2L, 1L, 1L, 1L, 2L, 3L)
  in_order <- c(1L, 1L, 2L, 1L, 2L, 3L)
  expect_bank(import_bank("csr"), given, info = "csr")
  expect_bank(import_bank("dense"), given, info = "dense")
  expect_bank(import_bank("view"), given, info = "view")
  expect_bank(import_bank("view-genes"), in_order, info = "view-genes")
  expect_bank(import_bank("csc-old"), in_order, c(1L, 1L, 2L, 2L, 1L, 2L), info = "csc-old")
})

test_that("the bank's genes name the model's, and are put in the model's order", {
  expect_identical(import_bank("csr")@genes, bank_symbols)
  expect_identical(import_bank("order")@genes, rev(bank_symbols))
  expect_identical(import_bank("dense")@genes, paste0("gene", 1:5))
  in_order <- c(1L, 1L, 2L, 1L, 2L, 3L)
  # The file lies in the reverse order of the symbols that are given.
  expect_bank(import_bank("order", vocabulary = bank_symbols), in_order)
  expect_bank(import_bank("dense", vocabulary = letters[1:5]), c(2L, 1L, 1L, 1L, 2L, 3L))
})

test_that("the bank is told, and why one is skipped", {
  skipped <- function(name, pattern, ...) {
    messages <- capture_messages(model <- canal_import(fixture_bank(name), ...))
    expect_match(paste(messages, collapse = ""), pattern)
    expect_identical(ncol(model@bank$tokens), 0L)
    expect_identical(model@labels, c("alpha", "beta", "delta"))
  }
  expect_message(
    suppressMessages(canal_import(fixture_bank("csr")), "canalR_message_import"),
    "6 cells of 3 types", class = "canalR_message_bank"
  )
  expect_no_match(paste(capture_messages(canal_import(fixture_bank("csr"))), collapse = ""),
                  "Skipped")
  skipped("unknown", "Skipped example_bank: the model does not know its types gamma")
  skipped("damaged", "Skipped example_bank: it has no matrix X")
  skipped("missing", "no column of its cells holds their types \\(columns read: n\\)")
  skipped("csr", "genes are others than the model's: A, B, C", vocabulary = LETTERS[1:5])
})

test_that("values that are no log2-normalised counts are refused", {
  checkpoint <- cpp_read_checkpoint(fixture_bank("csr"))
  model <- import_bank("csr")
  for (value in c(-1, NaN, Inf)) {
    bad <- checkpoint
    bad$bank$values$x[3] <- value
    expect_match(checkpoint_bank(bad, model)$problem, "negative or not finite")
  }
  bad <- checkpoint
  bad$bank$obs$rank <- c(1, 2, 0.5, 1, 1, 1)
  expect_match(checkpoint_bank(bad, model)$problem, "ranks are not whole numbers from 0.*0.5")
  bad$bank$obs$rank <- NULL
  bad$bank$obs$stage <- c("1", "2", "one", "1", "1", "1")
  expect_match(checkpoint_bank(bad, model)$problem, "stages are not whole numbers from 1.*one")
  bad <- checkpoint
  bad$bank$genes <- bad$bank$genes[-1]
  expect_match(checkpoint_bank(bad, model)$problem, "4 genes and the model 5")
})

test_that("an imported bank takes part in the next stage", {
  model <- import_bank("csr")
  set.seed(1)
  counts <- matrix(rpois(5 * 30, 20), 5, dimnames = list(bank_symbols, paste0("new", 1:30)))
  types <- rep(c("alpha", "gamma"), 15)
  after <- canal_train(counts, types, model, epochs = 1, min_genes = 0, seed = 1, verbose = FALSE,
                       validation = 0)
  expect_setequal(after@labels, c("alpha", "beta", "delta", "gamma"))
  old <- after@bank$entries[after@bank$entries$type %in% c("beta", "delta"), ]
  expect_setequal(old$cell, paste0("cell", c(0, 2, 3, 5)))
})

# A checkpoint of canalR with other names for its weights.
with_names <- function(model, rename) {
  path <- tempfile(fileext = ".safetensors")
  names(model@weights) <- rename(names(model@weights))
  parts <- export_parts(model)
  cpp_write_checkpoint(path, "safetensors", parts)
  path
}

test_that("DataParallel's prefixes go, twice, and on some weights alone", {
  model <- stage_two()
  on.exit(unlink(path))
  once <- function(names) paste0("module.", names)
  twice <- function(names) once(once(names))
  some <- function(names) ifelse(seq_along(names) %% 2, names, once(names))
  for (rename in list(once, twice, some)) {
    path <- with_names(model, rename)
    expect_identical(canal_import(path, verbose = FALSE)@weights, model@weights)
  }
})

test_that("heads of 512 and 128, as scBERT and TransAnno-Net have them, are read", {
  model <- small_model(fc1 = 512, fc2 = 128)
  model@weights <- cpp_add_head(model@weights, 512, 128, 3, TRUE, 1)
  model@labels <- c("a", "b", "c")
  path <- tempfile(fileext = ".pth")
  on.exit(unlink(path))
  canal_export(model, path, verbose = FALSE)
  again <- canal_import(path, config = canal_config("scbert"), verbose = FALSE)
  expect_identical(unlist(again@config[c("fc1", "fc2")]), c(fc1 = 512, fc2 = 128))
  expect_identical(again@weights, model@weights)
})

test_that("a position table is fixed or learned, as is said", {
  expect_identical(golden_model("pretrained.pth")@provenance$positions, "fixed")
  learned <- golden_model("pretrained.pth", positions = "learned")
  expect_identical(learned@provenance$positions, "learned")
  expect_refused(golden_model("pretrained.pth", positions = "random"), "argument", "positions")
  # It is more than a word: the next stage trains a learned table.
  cells <- stage_one_cells()
  trained <- function(positions) {
    stage <- import_bank("csr", positions = positions)
    counts <- cells$counts[seq_along(bank_symbols), ] + 1
    rownames(counts) <- bank_symbols
    train_quietly(list(counts = counts, types = cells$types), stage, epochs = 1, min_genes = 0,
                  trainable = "all")
  }
  before <- import_bank("csr")@weights$pos_emb.emb.weight
  expect_identical(trained("fixed")@weights$pos_emb.emb.weight, before)
  expect_false(identical(trained("learned")@weights$pos_emb.emb.weight, before))
})
