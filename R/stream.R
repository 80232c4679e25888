#' The history of a model over its stages
#'
#' After every stage the model is tested on the held-out cells of that stage and of every earlier
#' one. The table shows what has been learned and what has been forgotten.
#'
#' @param model A [CanalModel][CanalModel-class] that has been through at least one [canal_train()].
#' @param x A `canal_stream`.
#' @param row.names,optional As in [as.data.frame()].
#' @param ... Not used.
#'
#' @return A data frame of class `canal_stream` with a row per stage:
#'   * `stage`: its number;
#'   * `cells`: labelled cells of the stage, its held-out ones included, those of the bank not;
#'   * `new_types`: types first seen in this stage, separated by commas;
#'   * `bank`: cells in the example bank after it;
#'   * `epochs`: epochs run;
#'   * `accuracy_1`, ... `accuracy_T`: accuracy on the held-out cells of stage 1, ... T after this
#'     stage (0..1; `NA` for later stages, for a stage without held-out cells and after a stage that
#'     was interrupted);
#'   * `average_accuracy`: the mean of those over the stages so far;
#'   * `forgetting`: the mean over the earlier stages of the best accuracy their cells had after an
#'     earlier stage, minus the accuracy now; below 0 where later stages helped, 0 after stage 1;
#'   * `seconds`: time taken.
#'
#' @section Errors: `canalR_error_argument` where `model` is none, `canalR_error_stages` for one
#'   that has not been trained.
#' @source Wan et al. (2024) *Briefings in Bioinformatics* 25:bbae047; Chaudhry et al. (2018)
#'   Riemannian walk for incremental learning. ECCV, for forgetting.
#' @examples
#' set.seed(1)
#' genes <- paste0("GENE", 1:20)
#' counts <- matrix(rpois(20 * 40, 4), 20, dimnames = list(genes, paste0("cell", 1:40)))
#' counts[1:10, 1:20] <- 5L * counts[1:10, 1:20]
#' model <- canal_model(canal_config("compact"), genes, seed = 1)
#' model <- canal_train(counts, rep(c("A", "B"), each = 20), model, epochs = 2, seed = 1)
#' stream <- canal_stream(model)
#' stream
#' stream$average_accuracy
#' @export
canal_stream <- function(model) {
  check_model(model)
  if (!length(model@history)) {
    canal_abort("stages", "model", "a model with at least one stage", "an untrained one",
                "canal_train() trains it.")
  }
  stream_table(model@history)
}

stream_table <- function(history) {
  accuracy <- stage_accuracies(history)
  colnames(accuracy) <- paste0("accuracy_", seq_along(history))
  field <- function(name) vapply(history, function(stage) as.numeric(stage[[name]]), 0)
  new_types <- vapply(history, function(stage) paste(stage$new_types, collapse = ", "), "")
  table <- data.frame(
    stage = seq_along(history), cells = field("cells"), new_types = new_types,
    bank = field("bank"), epochs = field("epochs"), accuracy,
    average_accuracy = average_accuracy(accuracy), forgetting = forgetting(accuracy),
    seconds = field("seconds"), stringsAsFactors = FALSE
  )
  structure(table, class = c("canal_stream", "data.frame"))
}

# Stages x stages: row t has the accuracies on the held-out cells of stages 1..t after stage t.
stage_accuracies <- function(history) {
  stages <- as.character(seq_along(history))
  values <- vapply(history, function(stage) c(stage$accuracy, numeric())[stages],
                   numeric(length(stages)))
  accuracy <- t(matrix(values, length(stages)))
  accuracy[upper.tri(accuracy)] <- NA
  accuracy
}

average_accuracy <- function(accuracy) {
  average <- rowMeans(accuracy, na.rm = TRUE)
  ifelse(is.nan(average), NA_real_, average)
}

forgetting <- function(accuracy) {
  lost <- function(stage) {
    if (stage == 1) return(0)
    earlier <- seq_len(stage - 1)
    best <- vapply(earlier, function(j) max_or_na(accuracy[earlier, j]), 0)
    mean_or_na(best - accuracy[stage, earlier])
  }
  vapply(seq_len(nrow(accuracy)), lost, 0)
}

max_or_na <- function(values) if (all(is.na(values))) NA_real_ else max(values, na.rm = TRUE)

mean_or_na <- function(values) if (all(is.na(values))) NA_real_ else mean(values, na.rm = TRUE)

#' @rdname canal_stream
#' @export
print.canal_stream <- function(x, ...) {
  cat(sprintf("<canal_stream> %d stage%s\n", nrow(x), if (nrow(x) == 1) "" else "s"))
  table <- as.data.frame(x)
  table$seconds <- sprintf("%.0f", table$seconds)
  table$new_types <- shorten(table$new_types)
  print(table[c("stage", "cells", "new_types", "bank", "epochs", "seconds")], row.names = FALSE)
  cat("accuracy on the held-out cells of each stage, after stage:\n")
  print(accuracy_table(table), row.names = FALSE)
  invisible(x)
}

accuracy_table <- function(table) {
  accuracies <- grep("^accuracy_", names(table), value = TRUE)
  shown <- table[c("stage", accuracies, "average_accuracy", "forgetting")]
  shown[-1] <- lapply(shown[-1], share, missing = "")
  names(shown) <- c("after", sub("accuracy_", "on ", accuracies), "average", "forgetting")
  shown
}

shorten <- function(text, most = 40) {
  ifelse(nchar(text) > most, paste0(substr(text, 1, most - 3), "..."), text)
}

#' @rdname canal_stream
#' @export
as.data.frame.canal_stream <- function(x, row.names = NULL, optional = FALSE, ...) {
  class(x) <- "data.frame"
  if (!is.null(row.names)) row.names(x) <- row.names
  x
}

# A choice of columns is a plain table: it lacks what printing and plotting need.
#' @export
`[.canal_stream` <- function(x, ...) {
  chosen <- as.data.frame(x)[...]
  if (is.data.frame(chosen) && identical(names(chosen), names(x))) class(chosen) <- class(x)
  chosen
}
