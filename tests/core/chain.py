"""A chain of convolutions for diagnosis: one layer may be spoiled, and halving finds which."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from tests.cli import models

DEPTH = 6
SPOILED = "conv3"
SHAPE = (1, 8, 4, 4)


def chain(path: Path, *, spoiled: bool) -> Path:
    """`spoiled`: conv3 has one large weight per channel, for an input that is always 0: the others get few codes."""
    rng = np.random.default_rng(0)
    constants: dict[str, np.ndarray] = {}
    nodes: list[onnx.NodeProto] = []
    for i in range(DEPTH):
        w, b = rng.normal(0, 0.4, (8, 8, 1, 1)), rng.normal(0, 0.1, 8)
        if spoiled and f"conv{i + 1}" == SPOILED:
            w[0], b[0] = 0, -1
        if spoiled and f"conv{i}" == SPOILED:
            w[:, 0] = 300
        constants |= {f"w{i}": w.astype(np.float32), f"b{i}": b.astype(np.float32)}
        x = f"relu{i - 1}" if i else "x"
        nodes.append(helper.make_node("Conv", [x, f"w{i}", f"b{i}"], [f"y{i}"], f"conv{i}"))
        nodes.append(helper.make_node("Relu", [f"y{i}"], [f"relu{i}"], f"act{i}"))
    nodes.append(helper.make_node("Add", ["relu5", "relu0"], ["y"], "add"))
    return models.write(path, nodes, [("x", models.FLOAT, SHAPE)], [("y", models.FLOAT, SHAPE)], constants)


def bisect(names: Sequence[str], is_cured: Callable[[Collection[str]], bool]) -> str:
    """The one name whose being skipped cures, by halves."""
    while len(names) > 1:
        half = names[: len(names) // 2]
        names = half if is_cured(half) else names[len(half) :]
    return names[0]
