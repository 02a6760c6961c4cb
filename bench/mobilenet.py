"""MobileNetV2 1.0 at 224x224 with seeded random weights: a classifier's work without a classifier's file."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
STEM, HEAD, CLASSES = 32, 1280, 1000


class Builder:
    """Collects nodes and weights; each method returns the name of its output."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, value: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(value, f"w{len(self.weights)}"))
        return self.weights[-1].name

    def node(self, op: str, *inputs: str, **attributes: object) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def random(self, *shape: int) -> str:
        """Weights that keep the size of what they multiply."""
        return self.constant(self.rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32))

    def conv(self, x: str, shape: tuple[int, int, int, int], stride: int = 1, group: int = 1, clip: bool = True) -> str:
        pad = shape[2] // 2
        bias = self.constant(self.rng.normal(0, 0.1, shape[0]).astype(np.float32))
        y = self.node("Conv", x, self.random(*shape), bias, strides=[stride] * 2, pads=[pad] * 4, group=group)
        limits = [self.constant(np.float32(v)) for v in (0, 6)] if clip else []
        return self.node("Clip", y, *limits) if clip else y

    def block(self, x: str, c: int, out: int, expand: int, stride: int) -> str:
        """An inverted residual block."""
        wide = c * expand
        y = self.conv(x, (wide, c, 1, 1)) if expand > 1 else x
        y = self.conv(y, (wide, 1, 3, 3), stride, wide)
        y = self.conv(y, (out, wide, 1, 1), clip=False)
        return self.node("Add", x, y) if stride == 1 and c == out else y


def mobilenet_v2(seed: int = 0) -> onnx.ModelProto:
    """Input `x` (1, 3, 224, 224), output (1, 1000)."""
    b, c = Builder(seed), STEM
    y = b.conv("x", (STEM, 3, 3, 3), 2)
    for expand, out, count, stride in STAGES:
        for i in range(count):
            y, c = b.block(y, c, out, expand, stride if i == 0 else 1), out
    y = b.conv(y, (HEAD, c, 1, 1))
    y = b.node("Flatten", b.node("GlobalAveragePool", y))
    y = b.node("Gemm", y, b.random(CLASSES, HEAD), b.constant(np.zeros(CLASSES, np.float32)), transB=1)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 224, 224))
    out = helper.make_tensor_value_info(y, TensorProto.FLOAT, (1, CLASSES))
    graph = helper.make_graph(b.nodes, "mobilenet_v2", [x], [out], b.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
