# Teams: several R processes, on one machine or many, that train one model together.

#' Join a team of processes
#'
#' Several R processes, the workers, train one model together: each computes the gradients of its
#' share of the cells and all add them up. Every worker calls `canal_team()`, which returns when all
#' have come. Workers on one machine are started by [canal_launch()]; on several by `srun`, `mpirun`
#' or whatever starts a program on each (`system.file("several-machines.md", package = "canalR")`).
#'
#' What is `NULL` is taken from the environment variables that the starting program sets:
#'
#' | | `rank` | `size` |
#' |---|---|---|
#' | torchrun, `canal_launch()` | `RANK` | `WORLD_SIZE` |
#' | Open MPI | `OMPI_COMM_WORLD_RANK` | `OMPI_COMM_WORLD_SIZE` |
#' | MPICH, Intel MPI | `PMI_RANK` | `PMI_SIZE` |
#' | Slurm's `srun` | `SLURM_PROCID` | `SLURM_NTASKS` |
#'
#' The first line that is set counts. `address` is `MASTER_ADDR`; without it, the first node of a
#' Slurm job, or this machine where the program says that all workers are on it
#' (`OMPI_COMM_WORLD_LOCAL_SIZE`, `MPI_LOCALNRANKS`). `port` is `MASTER_PORT`, or 29500.
#'
#' The connections are neither encrypted nor protected by a password: use them inside a network that
#' you trust. Where a machine has several network interfaces, the one that leads to `address` is
#' taken; the environment variable `GLOO_SOCKET_IFNAME` names another.
#'
#' @param address Name or number of the machine of rank 0, as the other machines know it.
#' @param port A TCP port that is free on that machine, 1 to 65535.
#' @param rank This worker's number, from 0 to `size - 1`; every worker has another.
#' @param size Workers in all. A team of 1 needs no other process.
#' @param timeout Longest wait for the others in seconds, in joining and in every later step. A
#'   worker that ends, fails or leaves is noticed at once; this is for one that hangs.
#' @param team A `canal_team`.
#'
#' @return `canal_team()`: a `canal_team`, for this R session alone: it cannot be saved or sent.
#'   `canal_leave()`: `team`, invisibly. The other workers' next step, if they take one, fails at
#'   once. A team is also left when R ends.
#' @section Errors: `canalR_error_argument` for values that cannot be; `canalR_error_team` where the
#'   workers did not find each other, one was lost, or canalR was built without Gloo (Debian and
#'   Ubuntu: `libgloo-dev`), and for a team that was left, broke up or is of another session. A team
#'   that broke up stays so: join a new one.
#' @source LibTorch's c10d (Li et al. 2020, *Proceedings of the VLDB Endowment* 13:3005) over Gloo.
#' @examples
#' team <- canal_team(rank = 0, size = 1)
#' team
#' canal_leave(team)
#' @export
canal_team <- function(address = NULL, port = NULL, rank = NULL, size = NULL, timeout = 600) {
  place <- rank_and_size(rank, size)
  check_number(place$size, "size", 1, 2^20, whole = TRUE)
  check_number(place$rank, "rank", 0, place$size - 1, whole = TRUE)
  check_number(timeout, "timeout", 0.1, 1e6)
  if (is.null(address)) address <- default_address(place$size)
  check_address(address)
  port <- port %||% variable_number("MASTER_PORT") %||% 29500
  check_number(port, "port", 1, 65535, whole = TRUE)
  options <- list(address = address, port = port, rank = place$rank, size = place$size,
                  timeout = timeout)
  pointer <- cpp_join_team(options)
  structure(c(list(pointer = pointer), options), class = "canal_team")
}

#' @rdname canal_team
#' @export
canal_leave <- function(team) {
  pointer <- check_team(team)
  cpp_leave_team(pointer)
  invisible(team)
}

#' @export
print.canal_team <- function(x, ...) {
  pointer <- check_team(x, "x")
  where <- if (x$size == 1) "alone" else sprintf("at %s:%d", x$address, as.integer(x$port))
  sent <- cpp_team_bytes_sent(pointer)
  cat(sprintf("<canal_team> rank %d of %d, %s; %s sent\n", as.integer(x$rank), as.integer(x$size),
              where, format(structure(sent, class = "object_size"), units = "auto",
                            standard = "SI")))
  invisible(x)
}

# The external pointer of a team that is of this session.
check_team <- function(team, argument = "team") {
  if (!inherits(team, "canal_team")) {
    canal_abort("argument", argument, "a team that canal_team() joined", describe_value(team))
  }
  about_argument(argument, "a team of this session", cpp_team_bytes_sent(team$pointer))
  team$pointer
}

check_address <- function(address) {
  if (!is.character(address) || length(address) != 1L || is.na(address) || !nzchar(address)) {
    canal_abort("argument", "address", "the name or number of a machine", describe_value(address))
  }
}

# R has it from 4.4 on.
`%||%` <- function(value, otherwise) if (is.null(value)) otherwise else value

# ---- What the starting program says --------------------------------------------------------------

# Slurm's come last: mpirun inside a Slurm job hands every worker those of the job's first task.
launchers <- list(
  c(rank = "RANK", size = "WORLD_SIZE"),
  c(rank = "OMPI_COMM_WORLD_RANK", size = "OMPI_COMM_WORLD_SIZE"),
  c(rank = "PMI_RANK", size = "PMI_SIZE"),
  c(rank = "SLURM_PROCID", size = "SLURM_NTASKS")
)

rank_and_size <- function(rank, size) {
  for (names in launchers) {
    if (!is.null(rank) && !is.null(size)) break
    if (any(!nzchar(Sys.getenv(names)))) next
    rank <- rank %||% variable_number(names[["rank"]])
    size <- size %||% variable_number(names[["size"]])
  }
  for (missing in c("rank", "size")[c(is.null(rank), is.null(size))]) {
    canal_abort("argument", missing, "a number, or the environment of a starting program", "NULL",
                "Start the workers with canal_launch(), srun or mpirun, or say rank and size.")
  }
  list(rank = rank, size = size)
}

# NULL where the variable is not set; NA, which the checks refuse, where it is no number.
variable_number <- function(name) {
  text <- Sys.getenv(name)
  if (nzchar(text)) suppressWarnings(as.numeric(text))
}

default_address <- function(size) {
  this_machine <- "127.0.0.1"
  if (identical(as.numeric(size), 1)) return(this_machine)
  if (nzchar(Sys.getenv("MASTER_ADDR"))) return(Sys.getenv("MASTER_ADDR"))
  for (name in c("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS")) {
    if (identical(variable_number(name), as.numeric(size))) return(this_machine)
  }
  nodes <- Sys.getenv("SLURM_JOB_NODELIST")
  if (nzchar(nodes)) return(first_node(nodes))
  canal_abort("argument", "address", "the machine of rank 0", "NULL",
              "Set MASTER_ADDR for all workers; \"127.0.0.1\" if all are on this machine.")
}

# Of Slurm's "node[07-09,12],other3": node07.
first_node <- function(nodes) {
  first <- regmatches(nodes, regexpr("^[^[,]+(\\[[^]]*\\][^,]*)?", nodes))
  sub("\\[([^],-]+)[^]]*\\]", "\\1", first)
}
