# A team trains what one process trains, but for the rounding of sums in another order.

skip_without_gloo <- function() {
  testthat::skip_if_not(nzchar(cpp_team_backend()), "canalR was built without Gloo")
}

team_cells <- function() {
  with_seed(1, {
    genes <- paste0("GENE", 1:30)
    counts <- matrix(rpois(30 * 46, 2), 30, dimnames = list(genes, paste0("cell", 1:46)))
    counts[1:10, 1:23] <- counts[1:10, 1:23] * 5L
    list(counts = counts, types = rep(c("A", "B"), each = 23),
         model = canal_model(small_config(), genes, seed = 3))
  })
}

# Two stages and a pre-training, as each worker runs them. Runs in other processes: nothing but its
# arguments is there.
team_job <- function(team, cells, checkpoint = NULL) {
  # Seeds that are not given are rank 0's.
  set.seed(if (is.null(team)) 0 else team$rank)
  first <- canalR::canal_train(cells$counts, cells$types, cells$model, epochs = 3, seed = 4,
                               verbose = FALSE, team = team, checkpoint = checkpoint,
                               precision = "float32")
  second <- canalR::canal_train(cells$counts[, 5:40], cells$types[5:40], first, epochs = 2,
                                seed = 5, trainable = "stage", verbose = FALSE, team = team,
                                checkpoint = checkpoint, precision = "float32")
  pretrained <- canalR::canal_pretrain(cells$counts, cells$model, epochs = 2, verbose = FALSE,
                                       batch_size = 3, accumulation = 2, zeros = 1, seed = 4,
                                       team = team, precision = "float32")
  list(first = first, second = second, pretrained = pretrained)
}

numbers_of <- function(model) unlist(lapply(model@weights, cpp_weight_array))

test_that("two and three workers train what one process trains", {
  skip_without_gloo()
  cells <- team_cells()
  alone <- team_job(NULL, cells)
  for (size in 2:3) {
    together <- canal_launch(size, team_job, list(cells = cells), verbose = FALSE)
    for (part in names(alone)) {
      expect_identical(together[[1]][[part]]@weights, together[[size]][[part]]@weights)
      expect_lt(max(abs(numbers_of(together[[1]][[part]]) - numbers_of(alone[[part]]))), 1e-4)
    }
    expect_equal(together[[1]]$second@history[[2]]$losses, alone$second@history[[2]]$losses,
                 tolerance = 1e-4)
    expect_equal(canal_pretraining(together[[1]]$pretrained), canal_pretraining(alone$pretrained),
                 tolerance = 1e-4)
  }
})

test_that("workers with other cells are refused", {
  skip_without_gloo()
  cells <- team_cells()
  job <- function(team, cells) {
    if (team$rank == 1) cells$counts[1:10, 1] <- 0
    canalR::canal_train(cells$counts, cells$types, cells$model, epochs = 1, seed = 4,
                        verbose = FALSE, team = team)
  }
  expect_error(canal_launch(2, job, list(cells = cells), verbose = FALSE),
               "same cells", class = "canalR_error_team")
})

test_that("a lost worker ends all, and a new team goes on from the state on disk", {
  skip_without_gloo()
  cells <- team_cells()
  folder <- tempfile("checkpoint")
  job <- function(team, cells, folder, lose) {
    train <- function(epochs) {
      canalR::canal_train(cells$counts, cells$types, cells$model, epochs = epochs, seed = 4,
                          patience = 1000, verbose = FALSE, team = team, checkpoint = folder,
                          precision = "float32")
    }
    if (!lose) return(train(6)@weights)
    train(3)
    if (team$rank == 1) tools::pskill(Sys.getpid(), tools::SIGKILL)
    train(6)
  }
  expect_error(canal_launch(2, job, list(cells = cells, folder = folder, lose = TRUE),
                            verbose = FALSE), class = "canalR_error_team")
  expect_true(file.exists(file.path(folder, "stage-1.h5")))
  resumed <- canal_launch(2, job, list(cells = cells, folder = folder, lose = FALSE),
                          verbose = FALSE)
  whole <- canal_launch(2, job, list(cells = cells, folder = NULL, lose = FALSE), verbose = FALSE)
  expect_identical(resumed[[1]], whole[[1]])
})
