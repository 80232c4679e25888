# Training in a team: every worker runs the same call on the same cells, the engine shares out each
# step. What one worker alone decides or writes (a seed that was not given, the state on disk, the
# model) comes from rank 0, so that the others need neither its disk nor its luck.

is_rank_0 <- function(team) is.null(team) || team$rank == 0

# An object of rank 0's for all workers; without a team the object itself.
from_rank_0 <- function(team, object) {
  if (is.null(team) || team$size == 1) return(object)
  bytes <- if (is_rank_0(team)) serialize(object, NULL, version = 3) else raw()
  length <- cpp_team_broadcast(team$pointer, writeBin(as.double(length(bytes)), raw()), 0L)
  count <- readBin(length, "double")
  if (!is_rank_0(team)) bytes <- raw(count)
  unserialize(cpp_team_broadcast(team$pointer, bytes, 0L))
}

# Workers that were given other cells, models or settings would add up what does not belong
# together. digest: a text that tells.
check_same_training <- function(team, digest) {
  if (is.null(team)) return(invisible())
  differs <- !identical(from_rank_0(team, digest), digest)
  # All of them are told, so that none waits for one that has given up.
  others <- cpp_team_sum(team$pointer, as.numeric(differs), FALSE)
  if (others > 0) {
    canal_abort("team", "team", "workers with the same cells, labels, model, settings and seed",
                sprintf("others than rank 0's on %g of %g", others, team$size),
                "Every worker makes the same call.", call = NULL)
  }
}

# The part of a trainer's options.
team_option <- function(team) if (!is.null(team)) list(team = team$pointer)

check_optional_team <- function(team) {
  if (!is.null(team)) check_team(team)
}
