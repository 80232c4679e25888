test_that("a log gets a line of progress now and then, with rate and time left", {
  time <- 100
  line <- cell_lines("Annotating", 2000, every = 30, now = function() time)
  time <- 110
  expect_silent(line(100))
  time <- 140
  expect_message(line(400), "Annotating: 400 of 2,000 cells, 10 a second, about 3 min to go",
                 class = "canalR_message_progress")
  time <- 150
  expect_silent(line(450))
})

test_that("durations are said as people say them", {
  expect_identical(duration(45.2), "45 s")
  expect_identical(duration(720), "12 min")
  expect_identical(duration(12000), "3 h 20 min")
})
