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
