test_that("an error says which argument, what was expected, what came and what to do", {
  call_it <- function(size) canal_abort("argument", "size", "one number", "\"a\"", "Try 3.")
  error <- tryCatch(call_it("a"), error = identity)
  expect_s3_class(error, c("canalR_error_argument", "canalR_error", "error", "condition"),
                  exact = TRUE)
  expect_identical(conditionMessage(error),
                   "`size`: expected one number; got \"a\".\nTry 3.")
  expect_null(conditionCall(error))
})

test_that("an error is of the call that people know, however deep it comes from", {
  call_of <- function(code) conditionCall(tryCatch(code, error = identity))
  expect_identical(call_of(canal_config("compact", dim = "a")),
                   quote(canal_config("compact", dim = "a")))
  cells <- panc()$counts
  model <- canal_model(small_config(), rownames(cells), seed = 1)
  expect_identical(call_of(canal_predict(cells, model, top_k = -1)),
                   quote(canal_predict(cells, model, top_k = -1)))
  expect_identical(call_of(canal_predict(cells, model, num_threads = "a")),
                   quote(canal_predict(cells, model, num_threads = "a")))
  expect_identical(call_of(plot(model, part = "a"))[[1]], quote(plot.CanalModel))
  expect_identical(call_of(do.call(canal_predict, list(cells, model, top_k = -1)))[2:3],
                   as.call(list(as.name("<dgCMatrix>"), as.name("<CanalModel>"))))
})

test_that("warnings and messages have classes of their own", {
  expect_warning(canal_warn("overlap", "x", "a", "b"), "^`x`: expected a; got b\\.$",
                 class = "canalR_warning_overlap")
  expect_message(canal_inform("stage", "Done."), "^Done\\.\n$", class = "canalR_message_stage")
  expect_silent(canal_inform("stage", "Done.", verbose = FALSE))
  condition <- tryCatch(canal_inform("stage", "Done."), message = identity)
  expect_s3_class(condition, "canalR_message")
})

test_that("text of the user is never a format", {
  expect_error(canal_abort("file", "path", "a file", "100 %s %d"), "got 100 %s %d.", fixed = TRUE)
})

test_that("bytes that are no text are shown, as much of R stops at them", {
  skip_if_not(l10n_info()$`UTF-8`)
  said <- c(conditionMessage(tryCatch(canal_load("\xff\xfe"), error = identity)),
            conditionMessage(tryCatch(canal_predict("\xff\xfe", stage_one()), error = identity)))
  expect_true(all(validUTF8(said)))
  expect_match(said, "<ff><fe>", fixed = TRUE)
  # A text is left as it is, whatever its encoding.
  expect_identical(shown_text("\u03b1 \U1F600"), "\u03b1 \U1F600")
  latin <- `Encoding<-`("f\xe4", "latin1")
  expect_identical(charToRaw(shown_text(latin)), as.raw(c(0x66, 0xe4)))
})

test_that("paths that are no text are refused where R makes others of them, and else read", {
  skip_if_not(l10n_info()$`UTF-8`)
  counts <- stage_two_cells()$counts
  folder <- tempfile()
  dir.create(folder)
  before <- setwd(folder)
  on.exit({
    setwd(before)
    unlink(folder, recursive = TRUE)
  })
  refused <- function(code, argument) expect_refused(code, "argument", argument)
  odd <- "\xff\xfe"
  refused(canal_export(stage_one(), odd), "path")
  refused(canal_predict(counts, stage_two(), checkpoint = odd), "checkpoint")
  refused(canal_train(counts, stage_two_cells()$types, stage_one(), checkpoint = odd),
          "checkpoint")
  refused(canal_cross_validate(counts, stage_two_cells()$types, untrained(), checkpoint = odd),
          "checkpoint")
  refused(canal_pretrained("other", cache = odd), "cache")
  refused(canal_launch(1, identity, logs = odd), "logs")
  skip_if_not(dir.create(odd, showWarnings = FALSE), "a file system that takes any name")
  refused(canal_read_10x(odd), "path")
  refused(canal_embed(odd, stage_two()), "x")
  unlink(odd, recursive = TRUE)
  canal_save(stage_one(), odd)
  expect_same_model(canal_load(odd), stage_one())
})

test_that("an engine error comes as a classed one", {
  expect_error(cpp_network(list(), compute_on("cpu", "auto")), class = "canalR_error_sizes")
  expect_error(cpp_trim_bank(1L, 1L, 1L, 1, 0), class = "canalR_error_input")
  error <- tryCatch(cpp_read_npy(tempfile()), error = identity)
  expect_s3_class(error, c("canalR_error_file", "canalR_error", "error", "condition"), exact = TRUE)
})

# R's own words, in the language of the session.
test_that("want of memory is told as that, whatever was tried", {
  none <- function(...) numeric(2^50)
  expect_error(reading("matrix.mtx", "x", none()), class = "canalR_error_memory")
  starved <- function(...) engine_error("memory", "No memory.")
  expect_error(about_argument("path", "a model", starved()), "^No memory",
               class = "canalR_error_memory")
  path <- tempfile(fileext = ".rds")
  on.exit(unlink(path))
  with_binding("kept_end", none, {
    expect_error(write_kept(1, path), class = "canalR_error_memory")
    file.create(path)
    expect_error(read_kept(path), class = "canalR_error_memory")
  })
  with_binding("canal_load", starved, {
    expect_error(canal_pretrained("compact"), class = "canalR_error_memory")
  })
  # Others are as they were.
  expect_error(reading("matrix.mtx", "x", stop("no number")), "no number",
               class = "canalR_error_file")
})

test_that("a message shows some values and how many there are", {
  expect_identical(some_of(c("a", "b", "c")), "a, b, c")
  expect_identical(some_of(letters), "a, b, c, ... (26 in all)")
  expect_identical(some_of(letters, 1), "a, ... (26 in all)")
  expect_identical(some_of(character()), "")
})

test_that("values are described shortly", {
  expect_identical(describe_value(NULL), "NULL")
  expect_identical(describe_value(0.5), "0.5")
  expect_identical(describe_value(NA), "NA")
  expect_identical(describe_value(1:3), "an object of class integer and length 3")
  expect_match(describe_value(data.frame(a = 1:2)), "data.frame")
})

test_that("plain arguments are checked and returned", {
  expect_identical(check_number(2, "n", 1, 3), 2)
  expect_refused(check_number(4, "n", 1, 3), "argument", "n")
  expect_error(check_number(1.5, "n", 1, 3, whole = TRUE), "one whole number from 1 to 3; got 1.5")
  expect_refused(check_flag(NA, "verbose"), "argument", "verbose")
  expect_refused(check_flag(1, "verbose"), "argument", "verbose")
  expect_refused(check_choice("c", c("a", "b"), "kind"), "argument", "kind")
  expect_refused(check_model(list()), "argument", "model")
  expect_refused(check_path(c("a", "b")), "argument", "path")
  expect_refused(check_path(NA_character_), "argument", "path")
  expect_refused(thread_count(0), "argument", "num_threads")
  expect_refused(thread_count(1.5), "argument", "num_threads")
  expect_identical(thread_count(NULL), 0L)
  expect_refused(check_device("gpu"), "argument", "device")
  expect_identical(check_device("cpu"), "cpu")
})

test_that("a device that is not there is told", {
  skip_if(cpp_runtime_info()$cuda, "there is a CUDA device")
  expect_refused(check_device("cuda"), "device", "device")
})
