"""A net with memory: a recurrent layer, a convolution and self-attention."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

T, SIZE, HIDDEN = 6, 5, 4
LAYERS = {"LSTM": 4, "GRU": 3, "RNN": 1}


def attention(op: str = "LSTM") -> onnx.ModelProto:
    """x (T, 1, 5) through a layer in both directions, a convolution over time and self-attention; some rows of it."""
    gates, rng = LAYERS[op], np.random.default_rng(3)
    nodes = [
        helper.make_node(op, ["x", "w", "r", "b"], ["ys"], "layer", hidden_size=HIDDEN, direction="bidirectional"),
        helper.make_node("Transpose", ["ys"], ["turned"], "turn", perm=[2, 1, 3, 0]),
        helper.make_node("Reshape", ["turned", "channels"], ["image"], "image"),
        helper.make_node("Conv", ["image", "k", "kb"], ["conv"], "conv", pads=[1, 1]),
        helper.make_node("Relu", ["conv"], ["act"], "relu"),
        helper.make_node("Transpose", ["act"], ["seq"], "seq", perm=[0, 2, 1]),
        helper.make_node("LayerNormalization", ["seq", "g", "gb"], ["norm"], "norm", epsilon=0.01),
        helper.make_node("MatMul", ["norm", "q"], ["query"], "query"),
        helper.make_node("Transpose", ["norm"], ["key"], "key", perm=[0, 2, 1]),
        helper.make_node("MatMul", ["query", "key"], ["score"], "score"),
        helper.make_node("Softmax", ["score"], ["share"], "share", axis=-1),
        helper.make_node("MatMul", ["share", "norm"], ["mixed"], "mixed"),
        helper.make_node("Gather", ["mixed", "rows"], ["y"], "rows", axis=1),
    ]
    shapes = {"w": (2, gates * HIDDEN, SIZE), "r": (2, gates * HIDDEN, HIDDEN), "b": (2, 2 * gates * HIDDEN),
              "k": (8, 2 * HIDDEN, 3), "kb": (8,), "q": (8, 8), "g": (8,), "gb": (8,)}  # fmt: skip
    constants = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    constants |= {"channels": np.array([1, 2 * HIDDEN, T]), "rows": np.array([0, -1, 3])}
    graph = helper.make_graph(
        nodes,
        "attention",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (T, 1, SIZE))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 3, 8))],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
