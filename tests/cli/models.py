"""Tiny ONNX files and calibration data for tests that go through the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

DIGITS = Path(__file__).resolve().parents[2] / "examples/digits/digits.onnx"
FLOAT = TensorProto.FLOAT
IMAGE = (1, 3, 8, 8)
Port = tuple[str, int, Sequence[Any]]


def weights(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(len(shape)).uniform(-1, 1, shape).astype(dtype)


def write(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    constants: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """A file of these nodes; a port is (name, type, shape)."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*port) for port in inputs],
        [helper.make_tensor_value_info(*port) for port in outputs],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def one(
    path: Path,
    op: str,
    inputs: Sequence[np.ndarray | None] = (),
    *,
    shape: Sequence[int] = IMAGE,
    dtype: int = FLOAT,
    rank: int | None = None,
    result: int | None = None,
    **attributes: Any,
) -> Path:
    """A file of one node 'n' that reads x and constants and writes y, whose sizes are open."""
    names = [f"c{i}" if array is not None else "" for i, array in enumerate(inputs)]
    node = helper.make_node(op, ["x", *names], ["y"], name="n", **attributes)
    sizes = [f"d{i}" for i in range(len(shape) if rank is None else rank)]
    constants = {name: array for name, array in zip(names, inputs, strict=True) if array is not None}
    return write(path, [node], [("x", dtype, shape)], [("y", dtype if result is None else result, sizes)], constants)


def samples(path: Path, count: int = 2, shape: Sequence[int] = (3, 32, 32), value: float | None = None) -> Path:
    """A .npy of pixels, by default at random."""
    pixels = (
        np.random.default_rng(1).uniform(0, 255, (count, *shape)) if value is None else np.full((count, *shape), value)
    )
    np.save(path, pixels.astype(np.float32))
    return path


def files(folder: Path) -> dict[str, bytes]:
    """What lies in a folder, by path."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
