# The state of a training on disk: after every epoch a file in a folder of the user's is replaced,
# whole or not at all, and a run that was stopped, however that came about, goes on from it.

# Where the state of one training is kept.
#
# folder: NULL for nowhere. name: of the file, without ending. identity: a list of what makes this
# training this one; a state of another is refused. seed: kept beside it, see
# checkpoint_seed(). team: rank 0 alone reads and writes.
#
# A state that cannot be written is warned of once, and the training goes on.
#
# Returns functions: resume(run, restore, verbose), the run that was kept, its state given to
# restore(), or the run that came in; save(run, state), which asks state() for the trainer's.
training_checkpoint <- function(folder, name, identity, seed, team = NULL) {
  # `identity` may take a look at all cells, and is evaluated only where it is needed.
  digest <- if (!is.null(folder) || !is.null(team)) {
    cpp_digest(serialize(identity, NULL, version = 3, xdr = TRUE))
  }
  check_same_training(team, digest)
  if (is.null(folder)) {
    return(list(resume = function(run, restore, verbose) run, save = function(run, state) NULL))
  }
  path <- if (is_rank_0(team)) state_file(checkpoint_folder(folder), name)
  warned <- FALSE
  save <- function(run, state) {
    tryCatch(write_checkpoint(path, digest, seed, run, state), canalR_error = function(error) {
      if (!warned) warn_not_kept(error)
      warned <<- TRUE
    })
  }
  list(resume = function(run, restore, verbose) {
    resume_training(path, digest, team, run, restore, verbose)
  }, save = function(run, state) {
    if (is_rank_0(team)) save(run, state())
  })
}

resume_training <- function(path, digest, team, run, restore, verbose) {
  kept <- from_rank_0(team, if (is_rank_0(team) && file.exists(path)) {
    read_checkpoint(path, digest)
  })
  if (is.null(kept)) return(run)
  restore(kept$state)
  canal_inform("resume", sprintf("Going on after epoch %d, from %s.", nrow(kept$run$losses), path),
               verbose)
  run[names(kept$run)] <- kept$run
  run
}

warn_not_kept <- function(error) {
  canal_warn("checkpoint", "checkpoint", "room for the state of the training",
             conditionMessage(error),
             "The training goes on, but a run that is stopped starts after the last state kept.",
             call = NULL)
}

state_file <- function(folder, name) file.path(folder, paste0(name, ".h5"))

# By trying: permissions do not tell all.
can_write <- function(folder) {
  probe <- tempfile("probe-", folder)
  on.exit(unlink(probe))
  suppressWarnings(file.create(probe))
}

# The seed of a training. Where none is given, that of the run whose state is in the folder: the
# same call goes on with it.
checkpoint_seed <- function(seed, folder, name) {
  if (!is.null(seed) || is.null(folder)) return(resolve_seed(seed))
  path <- state_file(check_text_path(folder, "checkpoint"), name)
  kept <- if (file.exists(path)) {
    about_argument("checkpoint", "the state of a training", cpp_read_tree(path, "/format", "raw"))
  }
  resolve_seed(kept$seed)
}

write_checkpoint <- function(path, digest, seed, run, state) {
  run$weights <- NULL  # the state has them
  format <- c(checkpoint_format, identity = digest, content = digest_of(state), seed = seed)
  about_argument("checkpoint", "a folder that can be written to", cpp_write_tree(
    path, plain_tree(list(format = format, run = run, state = state))
  ))
}

checkpoint_format <- list(name = "canalR training", version = 1L)

checkpoint_folder <- function(folder) {
  folder <- check_text_path(folder, "checkpoint")
  if (!dir.exists(folder) && !dir.create(folder, showWarnings = FALSE, recursive = TRUE)) {
    canal_abort("file", "checkpoint", "a folder that is there or can be made",
                sprintf("\"%s\"", folder))
  }
  # Better told now than after the first epoch.
  if (!can_write(folder)) {
    canal_abort("file", "checkpoint", "a folder that can be written to",
                sprintf("\"%s\"", folder))
  }
  # Workers may have been started elsewhere.
  normalizePath(folder)
}

read_checkpoint <- function(path, digest) {
  tree <- about_argument("checkpoint", "the state of a training", cpp_read_tree(path, "/", "raw"))
  if (!identical(tree$format$name, checkpoint_format$name)) {
    canal_abort("checkpoint", "checkpoint", "the state of a training",
                sprintf("another HDF5 file, %s", path), "Give another folder.", call = NULL)
  }
  if (!identical(tree$format$identity, digest)) {
    canal_abort("checkpoint", "checkpoint", "the state of this training",
                sprintf("that of another one (%s): other cells, labels, model, settings or seed",
                        path),
                "Give another folder, or remove the file to start anew.", call = NULL)
  }
  if (!identical(tree$format$content, digest_of(tree$state))) {
    canal_abort("file", "checkpoint", "a whole state of a training",
                sprintf("a damaged one: %s does not hold what was written", path),
                "Remove the file to start anew.", call = NULL)
  }
  tree$run$losses <- as.data.frame(tree$run$losses)
  tree
}

# A text that other bytes anywhere in a state's weights, moments and random numbers would change.
digest_of <- function(state) {
  if (is.raw(state)) return(cpp_digest(state))
  if (is.numeric(state)) state <- format(state, digits = 17, scientific = 0L, decimal.mark = ".")
  if (!is.list(state)) return(paste(format(state), collapse = " "))
  parts <- vapply(state[order(names(state), method = "radix")], digest_of, "")
  cpp_digest(charToRaw(paste(parts, collapse = " ")))
}

# All that decides the result of a training beside cells, labels and model, as plain doubles: 14 and
# 14L are one setting.
deciding_settings <- function(settings, config, names) {
  plain <- function(values) lapply(values, function(x) if (is.numeric(x)) as.double(x) else x)
  list(plain(settings[names]), as.double(settings$seed), plain(unclass(config)),
       settings$compute$name)
}
