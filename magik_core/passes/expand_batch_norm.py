"""Write BatchNormalization as a product and a sum per channel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from magik_core import graph


def expand_batch_norm(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """BatchNormalization(x) becomes x * k + c, k = scale / sqrt(var + e), c = bias - mean * k.

    The folds of products and sums then put both into a neighbor, or leave them where there is none.
    """
    changed = 0
    for node in list(model.graph):
        if node.op_type != "BatchNormalization":
            continue
        x, shape = node.inputs[0], graph.static_shape(node.inputs[0])
        parts = [graph.constant(v) for v in node.inputs[1:5]]
        if x is None or shape is None or x.dtype is None or any(part is None for part in parts):
            decline(node.name or "", "scale, bias, mean or variance is not constant")
            continue
        scale, bias, mean, variance = (np.asarray(part, np.float64) for part in parts)
        k = scale / np.sqrt(variance + graph.attribute(node, "epsilon", 1e-5))
        c = bias - mean * k
        per_channel = (-1, *(1 for _ in shape[2:]))
        operands = [
            graph.add_constant(model, f"{node.name}/{name}", array.reshape(per_channel).astype(x.dtype.numpy()))
            for name, array in (("scale", k), ("bias", c))
        ]
        value = graph.insert(node, "Mul", [x, operands[0]], name=f"{node.name}/scale", shape=shape)
        graph.replace(node, graph.insert(node, "Add", [value, operands[1]]))
        changed += 1
    return changed
