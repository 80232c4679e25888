"""check-export.py MODEL.pth MODEL.safetensors FACTS BYTES: what PyTorch makes of exported files.

FACTS: a line per weight with its name and shape; after a line "--" each the labels, the genes and
the vocabulary. BYTES: all weights' float32, one after another. Prints "ok" at the end.
"""
import collections
import json
import math
import struct
import sys
import zipfile

import torch


def read_facts(path, bytes_path):
    parts = [[]]
    with open(path, encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line == "--":
                parts.append([])
            else:
                parts[-1].append(line)
    lines, labels, genes, vocabulary = parts
    with open(bytes_path, "rb") as file:
        data = file.read()
    weights, at = {}, 0
    for line in lines:
        name, *shape = line.split(" ")
        shape = [int(extent) for extent in shape]
        size = 4 * math.prod(shape)
        weights[name] = (shape, data[at:at + size])
        at += size
    assert at == len(data)
    return weights, labels, genes, vocabulary


class Node(torch.nn.Module):
    """A module that is nothing but its name."""


def network_of(weights):
    """A tree of modules that registers the published names and shapes, and the counter."""
    network = Node()
    entries = [(name, torch.nn.Parameter(torch.zeros(shape))) for name, (shape, _) in
               weights.items()]
    entries.append(("performer.calls_since_last_redraw", torch.tensor(7)))
    for name, value in entries:
        *path, last = name.split(".")
        place = network
        for part in path:
            if part not in dict(place.named_children()):
                place.add_module(part, Node())
            place = getattr(place, part)
        if isinstance(value, torch.nn.Parameter) and last != "projection_matrix":
            place.register_parameter(last, value)
        else:
            place.register_buffer(last, value.detach())
    return network


def bytes_of(tensor):
    return tensor.detach().numpy().tobytes()


def check_pth(path, weights, labels, genes, vocabulary):
    checkpoint = torch.load(path)
    # The loader that takes plain values and tensors only, the default from PyTorch 2.6 on.
    assert list(torch.load(path, weights_only=True)) == list(checkpoint)
    state = checkpoint["model_state_dict"]
    assert type(state) is collections.OrderedDict
    assert [n for n in state if n != "performer.calls_since_last_redraw"] == list(weights)
    for name, (shape, data) in weights.items():
        tensor = state[name]
        assert tensor.dtype == torch.float32 and list(tensor.shape) == shape, name
        assert tensor.is_contiguous() and bytes_of(tensor) == data, name
    assert state["performer.calls_since_last_redraw"].dtype == torch.int64
    network = network_of(weights)
    network.load_state_dict(state, strict=True)
    assert network.performer.calls_since_last_redraw.item() == 0
    for name, (_, data) in weights.items():
        assert bytes_of(network.state_dict()[name]) == data, name
    assert checkpoint["genes"] == genes and checkpoint["vocabulary"] == vocabulary
    assert ("annotation" in checkpoint) == bool(labels)
    if labels:
        assert checkpoint["annotation"] == labels
        places = checkpoint["highly_variable_idx"]
        assert places.dtype == torch.int64
        assert [vocabulary[place] for place in places.tolist()] == genes
    assert type(checkpoint["epoch"]) is int
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


def check_alignment(path):
    """The data of every tensor begin at a multiple of 64, so that PyTorch can map them."""
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        for entry in archive.infolist():
            file.seek(entry.header_offset + 26)
            name, extra = struct.unpack("<HH", file.read(4))
            assert (entry.header_offset + 30 + name + extra) % 64 == 0, entry.filename


def check_safetensors(path, weights, labels, genes, vocabulary):
    """By the format's own words; the safetensors library, where there is one, must agree."""
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    assert size % 8 == 0
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__")
    assert all(type(value) is str for value in metadata.values())
    assert json.loads(metadata["labels"]) == labels
    assert json.loads(metadata["genes"]) == genes
    assert json.loads(metadata["vocabulary"]) == vocabulary
    assert json.loads(metadata["config"])["batch_size"] > 0
    assert header.pop("performer.calls_since_last_redraw")["dtype"] == "I64"
    assert list(header) == list(weights)
    for name, (shape, expected) in weights.items():
        entry = header[name]
        assert entry["dtype"] == "F32" and entry["shape"] == shape, name
        begin, end = entry["data_offsets"]
        assert begin % 4 == 0 and data[8 + size:][begin:end] == expected, name
    try:
        from safetensors.torch import load_file
    except ImportError:
        return
    network_of(weights).load_state_dict(load_file(path), strict=True)


def main():
    facts = read_facts(*sys.argv[3:5])
    check_pth(sys.argv[1], *facts)
    check_alignment(sys.argv[1])
    check_safetensors(sys.argv[2], *facts)
    print("ok")


if __name__ == "__main__":
    main()
