# An epoch of CELLULAR's encoder beside the same network and losses in plain PyTorch
# (bench/cellular_peer.py), which goes over the cells of a mini-batch one by one as the published
# program does. Both run here, one after the other, on random cells of which about 10 % of the
# values are not 0.
#
#   Rscript bench/cellular.R [--cells 7000] [--genes 2000] [--latent 100] [--types 15] [--batches 4]
#                            [--batch 256] [--threads T] [--epochs 5] [--steps 28]
#
# --steps: so many mini-batches of the peer are timed, and scaled to an epoch. The last line is
# `ratio X`, the peer's time over ours.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))

# Genes x cells.
random_values <- function(asked) {
  values <- Matrix::rsparsematrix(asked$genes, asked$cells, 0.1,
                                  rand.x = function(n) stats::runif(n, 0, 4))
  methods::as(values, "CsparseMatrix")
}

random_distances <- function(types) {
  distances <- matrix(stats::runif(types^2), types)
  distances <- distances + t(distances)
  diag(distances) <- 0
  distances
}

encoder_options <- function(asked) {
  list(batch_size = asked$batch, clip_norm = 0, amsgrad = FALSE, weight_decay = 5e-5, seed = 1,
       num_threads = asked$threads, snn_weight = 0.9, batch_weight = 0.1, centroid_weight = 1,
       temperature = 0.25, least_temperature = 0.1, most_temperature = 2, batch_temperature = 0.5,
       dropout = 0.2)
}

# Median seconds of an epoch.
our_epoch <- function(asked) {
  values <- random_values(asked)
  weights <- canalR:::cpp_cellular_start(asked$genes, asked$genes %/% 2, asked$genes %/% 4,
                                         asked$latent, 0.25, 1)
  trainer <- canalR:::cpp_cellular_trainer(
    weights, random_distances(asked$types), sample.int(asked$types, asked$cells, TRUE) - 1L,
    sample.int(asked$batches, asked$cells, TRUE) - 1L, encoder_options(asked))
  on.exit(canalR:::cpp_cellular_release(trainer))
  median_seconds(function() {
    sums <- canalR:::cpp_cellular_train(trainer, values, NULL, 1e-3, NULL)
    stopifnot(is.finite(sums$total), sums$skipped == 0)
  }, asked$epochs)
}

# Debian's own Python is the one that has PyTorch there.
python <- function() if (file.exists("/usr/bin/python3")) "/usr/bin/python3" else "python3"

peer_epoch <- function(asked) {
  options <- asked[c("cells", "genes", "latent", "types", "batches", "batch", "threads", "steps")]
  arguments <- c(file.path(here, "cellular_peer.py"), "train",
                 rbind(paste0("--", names(options)), unlist(options)))
  told <- system2(python(), arguments, stdout = TRUE)
  line <- grep("^seconds_per_epoch ", told, value = TRUE)
  if (length(line) != 1) stop("The peer told no time.", call. = FALSE)
  as.numeric(sub("^seconds_per_epoch ", "", line))
}

asked <- parse_options(list(cells = 7000, genes = 2000, latent = 100, types = 15, batches = 4,
                            batch = 256, threads = canalR:::cpp_runtime_info()$cores, epochs = 5,
                            steps = 28))
set.seed(1)
before <- our_epoch(asked)
peer <- peer_epoch(asked)
# Once more behind the peer: another process may have come or gone meanwhile.
after <- our_epoch(asked)
ours <- mean(c(before, after))

cat("Machine:", machine_text(), "\n")
cat(sprintf("Work: an epoch over %d cells of %d genes, mini-batches of %d, %d threads\n\n",
            asked$cells, asked$genes, asked$batch, asked$threads))
cat(sprintf("| %-36s | %17s |\n", "", "seconds per epoch"))
cat(sprintf("|%s|%s:|\n", strrep("-", 38), strrep("-", 18)))
cat(sprintf("| %-36s | %17.3f |\n", "canalR, before and after (mean)", ours))
cat(sprintf("| %-36s | %17.3f |\n", "PyTorch, cell by cell", peer))
cat(sprintf("\nBefore %.3f s, after %.3f s.\n", before, after))
cat("ratio", format(peer / ours, digits = 4), "\n")
