"""The network of scBERT and CANAL in plain PyTorch: what canalR's speed is measured against.

It computes what the published programs compute, in the way they do: float32, one ordinary tensor
operation after another, prediction cell by cell, and a training step that runs the old model and the
frozen layers anew each time. Nothing of canalR is used.

    peer_torch.py check                  compare with the recorded logits of the published program
    peer_torch.py predict [options]      annotate cells
    peer_torch.py train [options]        one stage-2 training step on a batch of that many cells

Options, each with a whole number: --tokens 1001 (genes + 1), --cells 14, --threads 2, --dim 200,
--depth 6, --heads 10, --repeat 3. One warm-up comes first; the median of the repeats is told. The
last line is `seconds_per_cell X`. Shapes: B cells, N tokens, D width, H heads, E = 64 width of a
head, M random features, K types.
"""
import argparse
import pathlib
import resource
import statistics
import sys
import time

import torch
from torch.nn import functional as f

E = 64
M = 266  # floor(E log E)
KINDS_OF_TOKENS = 7
TYPES = 8
EPS = 1e-4  # keeps every feature positive


def linear(inputs, outputs, bias=True):
    return torch.nn.Linear(inputs, outputs, bias=bias)


class FavorAttention(torch.nn.Module):
    """Softmax attention by positive random features (Choromanski et al. 2021)."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query = linear(width, heads * E, bias=False)
        self.key = linear(width, heads * E, bias=False)
        self.value = linear(width, heads * E, bias=False)
        self.output = linear(heads * E, width)
        self.register_buffer("features", torch.randn(M, E))

    def split(self, x):
        """B x N x HE to B x H x N x E."""
        cells, tokens, _ = x.shape
        return x.reshape(cells, tokens, self.heads, E).permute(0, 2, 1, 3)

    def random_features(self, x, over):
        """B x H x N x E to B x H x N x M; the stabilising maximum is taken over the axes `over`."""
        x = x * E ** -0.25
        logits = torch.matmul(x, self.features.T)
        half_squares = 0.5 * x.square().sum(dim=3, keepdim=True)
        largest = torch.amax(logits, dim=over, keepdim=True)
        return (torch.exp(logits - half_squares - largest) + EPS) / M ** 0.5

    def forward(self, x):
        cells, tokens, _ = x.shape
        queries = self.random_features(self.split(self.query(x)), over=(3,))
        keys = self.random_features(self.split(self.key(x)), over=(1, 2, 3))
        values = self.split(self.value(x))
        summary = torch.matmul(keys.transpose(2, 3), values)  # B x H x M x E
        mass = torch.matmul(queries, keys.sum(dim=2).unsqueeze(3))  # B x H x N x 1
        heads = torch.matmul(queries, summary) / mass
        return self.output(heads.permute(0, 2, 1, 3).reshape(cells, tokens, self.heads * E))


class EncoderLayer(torch.nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.attention_norm = torch.nn.LayerNorm(width)
        self.attention = FavorAttention(width, heads)
        self.feed_norm = torch.nn.LayerNorm(width)
        self.widen = linear(width, 4 * width)
        self.narrow = linear(4 * width, width)

    def forward(self, x):
        x = x + self.attention(self.attention_norm(x))
        return x + self.narrow(f.gelu(self.widen(self.feed_norm(x))))


class Network(torch.nn.Module):
    def __init__(self, tokens, width, depth, heads, types=TYPES):
        super().__init__()
        self.expression = torch.nn.Embedding(KINDS_OF_TOKENS, width)
        self.gene = torch.nn.Parameter(torch.randn(tokens, width))
        self.layers = torch.nn.ModuleList([EncoderLayer(width, heads) for _ in range(depth)])
        self.final_norm = torch.nn.LayerNorm(width)
        self.filter = linear(width, 1)
        self.to_manifold = linear(tokens, 128)
        self.to_embedding = linear(128, 64)
        self.to_types = linear(64, types)

    def forward(self, tokens):
        """tokens: B x N. Returns the embedding (B x 64) and the logits (B x K)."""
        x = self.expression(tokens) + self.gene
        for layer in self.layers:
            x = layer(x)
        per_gene = torch.relu(self.filter(self.final_norm(x))).squeeze(2)  # B x N
        embedding = torch.relu(self.to_embedding(torch.relu(self.to_manifold(per_gene))))
        return embedding, self.to_types(embedding)

    def stage_parameters(self):
        """What a stage trains: the last layer but one, the final norm and the head."""
        self.requires_grad_(False)
        parts = [self.layers[-2], self.final_norm, self.filter, self.to_manifold,
                 self.to_embedding, self.to_types]
        return [p.requires_grad_(True) for part in parts for p in part.parameters()]


def published_names(depth):
    """Our parameters by the names they have in checkpoints of scBERT and CANAL."""
    names = {"expression.weight": "token_emb.weight", "gene": "pos_emb.emb.weight"}
    pairs = {"final_norm": "norm", "filter": "to_out.conv1", "to_manifold": "to_out.fc1",
             "to_embedding": "to_out.fc2", "to_types": "to_out.fc3"}
    for i in range(depth):
        ours, attention, feed = (f"layers.{i}.", f"performer.net.layers.{i}.0.",
                                 f"performer.net.layers.{i}.1.")
        pairs[ours + "attention_norm"] = attention + "norm"
        pairs[ours + "attention.output"] = attention + "fn.to_out"
        pairs[ours + "feed_norm"] = feed + "norm"
        pairs[ours + "widen"] = feed + "fn.fn.w1"
        pairs[ours + "narrow"] = feed + "fn.fn.w2"
        names[ours + "attention.features"] = attention + "fn.fast_attention.projection_matrix"
        for part, letter in (("query", "q"), ("key", "k"), ("value", "v")):
            names[f"{ours}attention.{part}.weight"] = f"{attention}fn.to_{letter}.weight"
    for ours, theirs in pairs.items():
        for kind in ("weight", "bias"):
            names[f"{ours}.{kind}"] = f"{theirs}.{kind}"
    return names


def check():
    """The recorded network is smaller than the published one, so its sizes are read from it."""
    import h5py
    import tarfile
    global M
    folder = pathlib.Path(__file__).resolve().parents[1] / "tests/testthat/fixtures/golden"
    with tarfile.open(folder / "checkpoints.tar.xz") as packed:
        checkpoint = torch.load(packed.extractfile("canal_stage1.pth"), map_location="cpu")
    weights = checkpoint["model_state_dict"]
    features = [w for name, w in weights.items() if name.endswith("projection_matrix")]
    M = features[0].shape[0]
    with h5py.File(folder / "reference.h5", "r") as recorded:
        tokens = torch.from_numpy(recorded["stage1/tokens"][:].astype("int64"))
        expected = torch.from_numpy(recorded["stage1/logits"][:])
        heads = int(recorded.attrs["heads"])
    network = Network(tokens.shape[1], weights["token_emb.weight"].shape[1], len(features), heads,
                      expected.shape[1])
    state = network.state_dict()
    for ours, theirs in published_names(len(features)).items():
        state[ours] = weights[theirs].float().reshape(state[ours].shape)
    network.load_state_dict(state)
    with torch.no_grad():
        worst = (network(tokens)[1] - expected).abs().max().item()
    print("largest difference from the recorded logits:", worst)
    return 0 if worst < 1e-4 else 1


def random_cells(count, tokens):
    """Tokens 1 to 5 for about 15 % of the genes, 0 for the others."""
    expressed = torch.rand(count, tokens) < 0.15
    return torch.randint(1, 6, (count, tokens)) * expressed


def prediction(network, cells):
    def run():
        with torch.no_grad():
            for cell in cells:
                network(cell.unsqueeze(0))
    return run


def training_step(network, cells, options):
    old = Network(options.tokens, options.dim, options.depth, options.heads)
    old.load_state_dict(network.state_dict())
    optimiser = torch.optim.Adam(network.stage_parameters(), lr=2e-4, amsgrad=True)
    types = torch.randint(TYPES, (len(cells),))

    def run():
        optimiser.zero_grad()
        embedding, logits = network(cells)
        with torch.no_grad():
            remembered, _ = old(cells)
        loss = f.cross_entropy(logits, types, label_smoothing=0.1)
        loss = loss + 0.1 * f.mse_loss(embedding, remembered)
        loss.backward()
        optimiser.step()
    return run


def median_seconds(run, repeat):
    run()
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def parse():
    parser = argparse.ArgumentParser(description="The published network in plain PyTorch, timed.")
    parser.add_argument("work", choices=("check", "predict", "train"))
    defaults = {"tokens": 1001, "cells": 14, "threads": 2, "dim": 200, "depth": 6, "heads": 10,
                "repeat": 3}
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def main():
    options = parse()
    if options.work == "check":
        return check()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    network = Network(options.tokens, options.dim, options.depth, options.heads)
    cells = random_cells(options.cells, options.tokens)
    if options.work == "predict":
        run = prediction(network, cells)
    else:
        run = training_step(network, cells, options)
    seconds = median_seconds(run, options.repeat) / options.cells
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kilobytes under Linux
    print(f"PyTorch {torch.__version__}, {options.work}: {options.cells} cells of {options.tokens} "
          f"tokens, {options.threads} threads, float32; peak memory {peak:.0f} MB")
    print("seconds_per_cell", seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
