"""Write every change of shape as one Reshape to a constant shape."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from magik_core import graph

LIKE_RESHAPE = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})


def merge_reshapes(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """Unsqueeze(Flatten(x)) becomes Reshape(x, shape).

    1. Flatten, Squeeze, Unsqueeze, and Reshape with 0 or -1 in its shape: Reshape to the numbers
    2. Reshape of a Reshape: Reshape of the first one's input
    """
    changed = 0
    for node in list(model.graph):
        if node.op_type not in LIKE_RESHAPE:
            continue
        x, out = node.inputs[0], graph.static_shape(node.outputs[0])
        inner = x.producer() if x is not None else None
        if x is None or out is None:
            continue
        is_plain = node.op_type == "Reshape" and np.array_equal(_shape(node), out)
        if inner is not None and inner.op_type in LIKE_RESHAPE:
            x, is_plain = inner.inputs[0], False
        if not is_plain:
            shape = graph.add_constant(model, f"{node.name}/shape", np.array(out, np.int64))
            graph.replace(node, graph.insert(node, "Reshape", [x, shape]))
            changed += 1
    return changed


def _shape(node: ir.Node) -> np.ndarray:
    shape = graph.constant(node.inputs[1])
    return np.zeros(0) if shape is None else shape
