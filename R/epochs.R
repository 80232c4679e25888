# The epochs of any training: until all are done, nothing gets better any more, or something comes
# in between.

# run: what has been reached: `losses` (a row per epoch), `stopped` ("epochs") and whatever else
#   `training` keeps there.
# rates: learning rate of each epoch. kept: of training_checkpoint(). progress: of
#   epoch_progress().
# training: functions. epoch(number, rate): a list of the epoch's `row` in the record and whether
#   its losses are `finite`, or NULL where the user interrupted; judge(run, row): `run` with that
#   row, and the best weights kept; is_over(run): whether patience has run out; state() and
#   restore(state) of the native trainer.
#
# Returns `run`, whose `stopped` says what ended it: "epochs", "patience", "interrupt", "error" or
# "diverged".
run_training <- function(run, rates, training, kept, progress, settings) {
  run <- kept$resume(run, training$restore, settings$verbose)
  while (nrow(run$losses) < length(rates)) {
    if (training$is_over(run)) {
      run$stopped <- "patience"
      break
    }
    epoch <- nrow(run$losses) + 1L
    outcome <- try_epoch(epoch, rates[epoch], training, settings$team)
    if (is.character(outcome)) {
      run$stopped <- outcome
      break
    }
    run <- training$judge(run, outcome)
    progress$epoch(run)
    kept$save(run, training$state)
  }
  run
}

# The row of one epoch, or a word for what ended it. An error is no reason to lose the epochs
# before: it becomes a warning that says so. Where there are none it is the caller's. In a team it
# ends all workers.
try_epoch <- function(epoch, rate, training, team = NULL) {
  tryCatch({
    outcome <- training$epoch(epoch, rate)
    if (is.null(outcome)) return("interrupt")
    if (!outcome$finite) {
      warn_stopped("a loss that is no longer finite", "Try a lower `learning_rate`.")
      return("diverged")
    }
    outcome$row
  }, error = function(error) {
    if (epoch == 1 || !is.null(team)) stop(error)
    warn_stopped(conditionMessage(error), NULL)
    "error"
  })
}

# The value of `code`, or NULL where the user interrupted it. Ctrl-C is held back all through a
# training and let in here alone, so that it cannot come between two lines and take the trained
# model along.
until_interrupt <- function(code) {
  tryCatch(allowInterrupts(code), interrupt = function(interrupt) NULL)
}

# Whether a Ctrl-C is held back, which it no longer is then.
interrupt_came <- function() !identical(until_interrupt(cpp_interrupt_pending()), FALSE)

# The last of what holds Ctrl-C back: there is nothing left to stop, but it would come as soon as it
# may, before the user has the model. Whose part the training is hears of it by a condition.
take_late_interrupt <- function(verbose) {
  if (!interrupt_came()) return(invisible())
  canal_inform("interrupt", "Ctrl-C came after the last epoch: there was nothing left to stop.",
               verbose)
  signalCondition(structure(class = c("canalR_late_interrupt", "condition"),
                            list(message = "Ctrl-C came after the last epoch.", call = NULL)))
}

warn_stopped <- function(got, hint) {
  canal_warn("stopped", "model", "training to go on", got,
             paste(c(hint, "The best model so far is returned."), collapse = " "), call = NULL)
}

# `run` with the row of an epoch whose validation loss decides: `keep` keeps the weights of one that
# is smaller than all before, and without held-out cells those of the last.
judge_by_loss <- function(run, row, keep) {
  run$losses <- rbind(run$losses, row)
  loss <- row$validation_loss
  if (is.na(loss) || loss < run$best_loss) {
    run$best_loss <- if (is.na(loss)) Inf else loss
    run$best_epoch <- row$epoch
    keep()
  }
  run
}
