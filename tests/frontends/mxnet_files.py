"""MXNet's two files, written by hand: symbols from tuples, lists of arrays in every form that there has been."""

from __future__ import annotations

import io
import json
import lzma
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).resolve().parents[1] / "data/mxnet/cases.npz.xz"
FLAGS = {"float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6, "bool": 7}
MAGIC = {"v1": 0xF993FAC8, "v2": 0xF993FAC9, "v3": 0xF993FACA}
Arrays = Mapping[str, np.ndarray]


@cache
def recorded() -> dict[str, dict[str, np.ndarray]]:
    """What tests/data/mxnet/make.py stored, by case: symbol, params, in:NAME and out:NAME."""
    out: dict[str, dict[str, np.ndarray]] = {}
    with np.load(io.BytesIO(lzma.decompress(DATA.read_bytes()))) as archive:
        for key in archive.files:
            case, _, part = key.rpartition("/")
            out.setdefault(case, {})[part] = archive[key]
    return out


def symbol(*nodes: tuple[str, str, Mapping[str, str], Sequence[int]], heads: Sequence[int] = (-1,)) -> dict[str, Any]:
    """A symbol of (operator, name, attributes, indices of input nodes)."""
    items = [
        {"op": op, "name": name, "attrs": dict(attrs), "inputs": [[i, 0, 0] for i in inputs]}
        for op, name, attrs, inputs in nodes
    ]
    variables = [i for i, node in enumerate(nodes) if node[0] == "null"]
    return {"nodes": items, "arg_nodes": variables, "heads": [[range(len(nodes))[i], 0, 0] for i in heads]}


def array(x: np.ndarray, form: str = "v2") -> bytes:
    """One array as MXNet writes it: "v1" to "v3", or "old", the form before those."""
    if form == "old":
        head = struct.pack(f"<I{x.ndim}I", x.ndim, *x.shape)
    else:
        storage = b"" if form == "v1" else struct.pack("<i", 0)
        head = struct.pack("<I", MAGIC[form]) + storage + struct.pack(f"<i{x.ndim}q", x.ndim, *x.shape)
    return head + struct.pack("<iii", 1, 0, FLAGS[x.dtype.name]) + x.tobytes()


def listed(items: Sequence[bytes], names: Sequence[str]) -> bytes:
    """A list of arrays that are bytes already."""
    texts = [name.encode() for name in names]
    tail = b"".join(struct.pack("<Q", len(text)) + text for text in texts)
    return struct.pack("<QQQ", 0x112, 0, len(items)) + b"".join(items) + struct.pack("<Q", len(texts)) + tail


def params(arrays: Arrays, form: str = "v2") -> bytes:
    return listed([array(x, form) for x in arrays.values()], list(arrays))


def write(folder: Path, graph: Mapping[str, Any] | bytes, arrays: Arrays | bytes) -> Path:
    """Both files of a model called `net`; the path of the symbol."""
    path = folder / "net-symbol.json"
    path.write_bytes(graph if isinstance(graph, bytes) else json.dumps(graph).encode())
    (folder / "net-0000.params").write_bytes(arrays if isinstance(arrays, bytes) else params(arrays))
    return path
