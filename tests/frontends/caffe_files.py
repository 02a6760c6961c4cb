"""Caffe models for tests: a prototxt of some lines, and a caffemodel written byte by byte.

Imports of magik are in functions: what makes tests/data/caffe runs where there is no magik.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from magik_core.hookspecs import Request

if TYPE_CHECKING:
    import onnx_ir as ir

Blobs = Mapping[str, Sequence[np.ndarray]]


def varint(n: int) -> bytes:
    n &= (1 << 64) - 1
    out = b""
    while n >= 0x80:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def field(number: int, value: bytes | str | int) -> bytes:
    """A field on the wire: text and messages with their length, numbers as varints."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def blob(array: np.ndarray, *, is_packed: bool = True, is_old: bool = False, is_double: bool = False) -> bytes:
    """A BlobProto; old: num, channels, height and width in the place of a shape."""
    dims = (1,) * (4 - array.ndim) + array.shape
    shape = b"".join(field(i, n) for i, n in enumerate(dims, 1)) if is_old else field(7, packed_shape(array))
    if is_double:
        return field(8, array.astype("<f8").tobytes()) + shape
    data = array.astype("<f4")
    return (field(5, data.tobytes()) if is_packed else unpacked(data)) + shape


def packed_shape(array: np.ndarray) -> bytes:
    return field(1, b"".join(map(varint, array.shape)))


def unpacked(data: np.ndarray) -> bytes:
    return b"".join(varint(5 << 3 | 5) + struct.pack("<f", v) for v in data.reshape(-1))


def caffemodel(blobs: Blobs, **how: bool) -> bytes:
    layers = (
        field(1, name) + field(2, "Any") + b"".join(field(7, blob(np.asarray(a), **how)) for a in arrays)
        for name, arrays in blobs.items()
    )
    return field(1, "net") + b"".join(field(100, layer) for layer in layers)


def inputs_text(shapes: Mapping[str, Sequence[int]]) -> str:
    return "".join(
        f'input: "{name}"\ninput_shape {{ {" ".join(f"dim: {n}" for n in shape)} }}\n' for name, shape in shapes.items()
    )


def layer_text(kind: str, param: str = "", bottoms: Sequence[str] = ("x",), tops: Sequence[str] = ("y",)) -> str:
    names = " ".join([*(f'bottom: "{b}"' for b in bottoms), *(f'top: "{t}"' for t in tops)])
    return f'layer {{ name: "l" type: "{kind}" {names} {param} }}\n'


def write(folder: Path, text: str, blobs: Blobs | None = None, stem: str = "net") -> Path:
    """The prototxt's path; a caffemodel lies beside it where there are blobs."""
    path = folder / f"{stem}.prototxt"
    path.write_text(text)
    if blobs is not None:
        path.with_suffix(".caffemodel").write_bytes(caffemodel(blobs))
    return path


def outputs(path: Path, feeds: dict[str, np.ndarray], **options: str) -> dict[str, np.ndarray]:
    """What a model computes, by onnxruntime."""
    from magik_frontend_caffe import load

    from tests.core.graphs import run

    model = load(path, Request(options=options))
    return dict(zip([str(v.name) for v in model.graph.outputs], run(model, feeds), strict=True))


def nodes(model: ir.Model) -> list[tuple[str, str]]:
    return [(str(n.name), n.op_type) for n in model.graph]
