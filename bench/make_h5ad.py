"""Makes an .h5ad of random counts, in blocks of cells: larger files than memory can be made.

make_h5ad.py FILE CELLS GENES [--filled 0.3] [--seed 1] [--layout csr|dense]
"""
import argparse

import h5py
import numpy as np

BLOCK = 10_000


def block_of_counts(random, cells, level, filled):
    """Counts of some cells, cells x genes; levels differ between genes, depths between cells."""
    depth = random.lognormal(0, 0.4, (cells, 1))
    counts = random.poisson(np.minimum(level * depth, 1000)).astype(np.float32) + 1
    return counts * (random.random(counts.shape) < np.minimum(filled * depth, 0.95))


def append(dataset, values):
    dataset.resize(dataset.shape[0] + len(values), axis=0)
    dataset[-len(values):] = values


def write_table(file, name, index):
    group = file.create_group(name)
    group.attrs["encoding-type"] = "dataframe"
    group.attrs["encoding-version"] = "0.2.0"
    group.attrs["_index"] = "_index"
    group.attrs["column-order"] = np.array([], dtype=h5py.string_dtype())
    column = group.create_dataset("_index", data=index, dtype=h5py.string_dtype())
    column.attrs["encoding-type"] = "string-array"
    column.attrs["encoding-version"] = "0.2.0"


def write_sparse(file, blocks, shape):
    group = file.create_group("X")
    group.attrs["encoding-type"] = "csr_matrix"
    group.attrs["encoding-version"] = "0.1.0"
    group.attrs["shape"] = np.array(shape)
    grown = {"maxshape": (None,), "chunks": (1 << 16,), "compression": "gzip",
             "compression_opts": 1}
    values = group.create_dataset("data", (0,), np.float32, **grown)
    indices = group.create_dataset("indices", (0,), np.int32, **grown)
    starts = [np.zeros(1, np.int64)]
    for block in blocks:
        cell, gene = np.nonzero(block)
        append(values, block[cell, gene])
        append(indices, gene.astype(np.int32))
        ends = np.cumsum(np.bincount(cell, minlength=len(block)))
        starts.append(ends + starts[-1][-1])
    group.create_dataset("indptr", data=np.concatenate(starts))


def write_dense(file, blocks, shape):
    matrix = file.create_dataset("X", shape, np.float32, chunks=(1000, shape[1]),
                                 compression="gzip", compression_opts=1)
    matrix.attrs["encoding-type"] = "array"
    matrix.attrs["encoding-version"] = "0.2.0"
    at = 0
    for block in blocks:
        matrix[at:at + len(block)] = block
        at += len(block)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("cells", type=int)
    parser.add_argument("genes", type=int)
    parser.add_argument("--filled", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--layout", choices=["csr", "dense"], default="csr")
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    level = random.lognormal(0, 1.5, options.genes)
    sizes = [min(BLOCK, options.cells - at) for at in range(0, options.cells, BLOCK)]
    blocks = (block_of_counts(random, size, level, options.filled) for size in sizes)
    write = write_sparse if options.layout == "csr" else write_dense
    with h5py.File(options.file, "w") as file:
        file.attrs["encoding-type"] = "anndata"
        file.attrs["encoding-version"] = "0.1.0"
        write_table(file, "obs", [f"cell{i}" for i in range(1, options.cells + 1)])
        write_table(file, "var", [f"GENE{i}" for i in range(1, options.genes + 1)])
        write(file, blocks, (options.cells, options.genes))


if __name__ == "__main__":
    main()
