"""Small quantized graphs to debug."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from magik_core.float_session import FloatSession
from magik_core.quantize import quantize, values_to_calibrate
from magik_core.quantized import Quantized
from magik_core.recipe import Recipe
from tests import harness
from tests.core.test_lower import model, node

Feeds = dict[str, np.ndarray]
SHAPE = (1, 3, 6, 6)


def feeds(count: int, shape: Sequence[int] = SHAPE, seed: int = 0) -> list[Feeds]:
    rng = np.random.default_rng(seed)
    return [{"x": rng.normal(size=shape).astype(np.float32)} for _ in range(count)]


def quantized(graph: ir.Model, samples: Sequence[Feeds], recipe: Recipe | None = None) -> Quantized:
    """With ranges from the least to the most of all samples."""
    names = list(values_to_calibrate(graph, recipe or Recipe()))
    runs = [FloatSession(graph, names).run(one) for one in samples]
    ranges = {n: (min(float(r[n].min()) for r in runs), max(float(r[n].max()) for r in runs)) for n in names}
    return Quantized.of(graph, quantize(graph, ranges, recipe or Recipe(), harness.channel_scales))


def weights(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def chain(spoiled: str = "") -> ir.Model:
    """Three convolutions with their Relu, and a HardSwish.

    Spoiled "weights": the second has a huge weight on a channel that is always zero. Spoiled "activations": it writes
    a huge channel that the third does not read. Neither changes much of what float computes.
    """
    first, second, third = weights(4, 3, 3, 3, seed=1) / 5, weights(4, 4, 3, 3, seed=2) / 6, weights(5, 4, 3, 3, seed=3)
    if spoiled == "weights":
        first[0], second[:, 0, 0, 0] = 0, 60
    if spoiled == "activations":
        second[3], third[:, 3] = second[3] * 100, 0
    nodes = [
        node("Conv", "x w1", "a", "first", pads=[1] * 4),
        node("Relu", "a", "b", "first/relu"),
        node("Conv", "b w2 b2", "c", "second", pads=[1] * 4),
        node("Relu", "c", "d", "second/relu"),
        node("Conv", "d w3", "e", "third"),
        node("HardSwish", "e", "y", "act"),
    ]
    bias = np.zeros(4, np.float32)
    return model(nodes, SHAPE, ["y"], w1=first, w2=second, b2=bias, w3=third / 6)


def branches() -> ir.Model:
    """Views, moves, several outputs of a node, a product with a sum, and outputs that are read on."""
    nodes = [
        node("Conv", "x w1", "a", "conv"),
        node("Split", "a", "s0 s1", "parts", axis=1, num_outputs=2),
        node("Concat", "s1 s0", "c", "join", axis=1),
        node("Add", "c a", "d", "sum"),
        node("Transpose", "d", "t", "turn", perm=[0, 2, 3, 1]),
        node("Reshape", "t sizes", "r", "flat"),
        node("MatMul", "r w2", "m", "product"),
        node("Add", "m half", "n", "added"),
        node("MatMul", "n r2", "h", "square"),
        node("Softmax", "h", "y", "soft"),
        node("Transpose", "r", "r2", "other", perm=[0, 2, 1]),
    ]
    nodes = [*nodes[:6], nodes[-1], *nodes[6:-1]]
    constants = {
        "sizes": np.array([1, 36, 4]),
        "half": np.float32(0.25),
        "w1": weights(4, 3, 1, 1),
        "w2": weights(4, 4),
    }
    return model(nodes, SHAPE, ["y", "d"], **constants)
