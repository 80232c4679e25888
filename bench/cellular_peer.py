"""CELLULAR's encoder and losses in plain PyTorch: what the speed of canalR's is measured against.

The network, the three losses and the optimiser are those of the published program, and the losses
go over the cells of a mini-batch one by one, as its own do. Nothing of canalR is used.

    cellular_peer.py check               compare with the recorded loss, gradients and embedding
    cellular_peer.py train [options]     time epochs over random cells

Options, each with a whole number: --cells 7000, --genes 2000, --latent 100, --types 15,
--batches 4 (of origin), --batch 256 (cells of a mini-batch), --threads 2, --steps 0 (mini-batches
to time, scaled to the epoch; 0 for all), --repeat 1. One mini-batch to warm up comes first; the
median of the repeats is told. The last line is `seconds_per_epoch X`. Shapes: B cells, G genes, L
latent width, K types.
"""
import argparse
import pathlib
import resource
import statistics
import sys
import time

import torch
from torch.nn import functional as f

TEMPERATURE_START, TEMPERATURE_LEAST, TEMPERATURE_MOST = 0.25, 0.1, 2.0
TEMPERATURE_BATCH = 0.5


class OutputEncoder(torch.nn.Module):
    def __init__(self, genes, first, second, latent):
        super().__init__()
        self.norm_layer_in = torch.nn.LayerNorm(genes)
        self.linear1 = torch.nn.Linear(genes, first)
        self.norm_layer1 = torch.nn.LayerNorm(first)
        self.drop_out = torch.nn.Dropout(0.2)
        self.linear2 = torch.nn.Linear(first, second)
        self.norm_layer2 = torch.nn.LayerNorm(second)
        self.output = torch.nn.Linear(second, latent)

    def forward(self, x):
        """x: B x G. Returns B x L."""
        x = torch.relu(self.norm_layer1(self.linear1(self.norm_layer_in(x))))
        x = torch.relu(self.norm_layer2(self.linear2(self.drop_out(x))))
        return self.output(x)


def inverse_frequencies(codes):
    weights = 1.0 / torch.bincount(codes).float()
    return weights / weights.sum()


class Loss(torch.nn.Module):
    """Soft nearest neighbours of types, of batches within types, and distances of centroids."""

    def __init__(self, types, batches, distances):
        super().__init__()
        self.temperature_target = torch.nn.Parameter(torch.tensor(TEMPERATURE_START))
        self.type_weights = inverse_frequencies(types)
        self.batch_weights = inverse_frequencies(batches)
        self.distances = distances  # K x K

    def similarities(self, z, temperature):
        """B x B."""
        return torch.exp(f.cosine_similarity(z.unsqueeze(1), z.unsqueeze(0), dim=2) / temperature)

    @staticmethod
    def of_cell(similarities, positive, negative, cell):
        """The cell's loss, or None where it lacks a positive or a negative one."""
        positives, negatives = similarities[positive], similarities[negative]
        if len(positives) < 2 or len(negatives) < 1:
            return None
        positive_sum = positives.sum() - similarities[cell]
        return -torch.log(positive_sum / (positive_sum + negatives.sum()))

    @staticmethod
    def weighted(losses, weights):
        means = [torch.stack(own).mean() * weights[group] for group, own in losses.items()]
        return torch.stack(means).sum() if means else torch.tensor(0.0)

    def of_types(self, z, types):
        losses = {}
        for cell, row in enumerate(self.similarities(z, self.temperature_target)):
            kind = types[cell]
            loss = self.of_cell(row, types == kind, types != kind, cell)
            if loss is not None:
                losses.setdefault(int(kind), []).append(loss)
        return self.weighted(losses, self.type_weights)

    def of_batches(self, z, types, batches):
        losses = {}
        for cell, row in enumerate(self.similarities(z, TEMPERATURE_BATCH)):
            same = types == types[cell]
            own = batches == batches[cell]
            loss = self.of_cell(row, same & own, same & ~own, cell)
            if loss is not None:
                losses.setdefault(int(batches[cell]), []).append(1 / loss)
        return self.weighted(losses, self.batch_weights)

    def of_centroids(self, z, types):
        kinds = types.unique()
        centroids = [z[types == kind].mean(dim=0) for kind in kinds]
        distances = torch.zeros(len(kinds), len(kinds))
        for i, one in enumerate(centroids):
            for j, other in enumerate(centroids):
                distances[i, j] = torch.norm(other - one, p=2)
        wanted = self.distances[kinds][:, kinds]
        seen = wanted != 0
        return f.mse_loss((distances * seen / (distances * seen).max())[seen],
                          (wanted / wanted.max())[seen])

    def forward(self, z, types, batches):
        with torch.no_grad():
            self.temperature_target.clamp_(TEMPERATURE_LEAST, TEMPERATURE_MOST)
        loss = self.of_types(z, types)
        centroids = self.of_centroids(z, types)
        return 0.9 * loss + 0.1 * self.of_batches(z, types, batches) + centroids


def check():
    """The recorded network is smaller than the published one."""
    import h5py
    folder = pathlib.Path(__file__).resolve().parents[1] / "tests/testthat/fixtures/golden"
    with h5py.File(folder / "cellular.h5", "r") as recorded:
        weights = {name.split(".", 1)[1]: torch.from_numpy(value[:])
                   for name, value in recorded["encoder"].items()}
        expected = {name.split(".", 1)[1]: torch.from_numpy(value[:])
                    for name, value in recorded["grad"].items()}
        x = torch.from_numpy(recorded["x"][:])
        types = torch.from_numpy(recorded["labels0"][:]).long()
        batches = torch.from_numpy(recorded["batch0"][:]).long()
        distances = torch.from_numpy(recorded["pca_centroid_distance"][:]).float()
        embedding = torch.from_numpy(recorded["embedding"][:])
        recorded_loss = float(recorded.attrs["loss"])
    network = OutputEncoder(x.shape[1], *(weights[f"{name}.bias"].shape[0]
                                          for name in ("linear1", "linear2", "output"))).eval()
    network.load_state_dict(weights)
    z = network(x)
    loss = Loss(types, batches, distances)(z, types, batches)
    loss.backward()
    worst = max(((p.grad - expected[name]).norm() / expected[name].norm()).item()
                for name, p in network.named_parameters() if expected[name].norm() > 0)
    print("loss:", abs(loss.item() - recorded_loss), "gradients:", worst,
          "embedding:", (z - embedding).abs().max().item())
    return 0 if abs(loss.item() - recorded_loss) < 1e-4 and worst < 1e-4 else 1


def random_cells(options):
    """About 10 % of the values are not 0. B x G, and the types and batches of the cells."""
    x = torch.rand(options.cells, options.genes) * (torch.rand(options.cells, options.genes) < 0.1)
    return (x * 4, torch.randint(options.types, (options.cells,)),
            torch.randint(options.batches, (options.cells,)))


def epoch_of(options):
    cells, types, batches = random_cells(options)
    distances = torch.rand(options.types, options.types)
    distances = distances + distances.T
    distances.fill_diagonal_(0)
    network = OutputEncoder(options.genes, options.genes // 2, options.genes // 4, options.latent)
    loss_module = Loss(types, batches, distances)
    parameters = [*network.parameters(), *loss_module.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=1e-3, weight_decay=5e-5)

    def run(steps):
        for some in torch.randperm(options.cells).split(options.batch)[:steps]:
            optimiser.zero_grad()
            loss = loss_module(network(cells[some]), types[some], batches[some])
            loss.backward()
            optimiser.step()
    return run


def timed(options):
    run = epoch_of(options)
    run(1)
    in_epoch = -(-options.cells // options.batch)
    steps = min(options.steps, in_epoch) if options.steps > 0 else in_epoch
    seconds = []
    for _ in range(options.repeat):
        start = time.perf_counter()
        run(steps)
        seconds.append((time.perf_counter() - start) * in_epoch / steps)
    return statistics.median(seconds), steps, in_epoch


def parse():
    parser = argparse.ArgumentParser(description="CELLULAR in plain PyTorch, timed.")
    parser.add_argument("work", choices=("check", "train"))
    defaults = {"cells": 7000, "genes": 2000, "latent": 100, "types": 15, "batches": 4,
                "batch": 256, "threads": 2, "steps": 0, "repeat": 1}
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def main():
    options = parse()
    if options.work == "check":
        return check()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    seconds, steps, in_epoch = timed(options)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kilobytes under Linux
    print(f"PyTorch {torch.__version__}: {options.cells} cells of {options.genes} genes, "
          f"{steps} of {in_epoch} mini-batches timed, {options.threads} threads, float32; "
          f"peak memory {peak:.0f} MB")
    print("seconds_per_epoch", seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
