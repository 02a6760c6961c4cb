"""Write sums, means, minima and maxima of many as chains of two."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from magik_core import graph

BINARY = {"Sum": "Add", "Mean": "Add", "Min": "Min", "Max": "Max"}


def expand_variadic(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """Sum(a, b, c) becomes Add(Add(a, b), c).

    1. Sum: Add; Min and Max of three or more: chains of the same
    2. Mean of n: the chain of Add, then Mul by 1/n
    """
    changed = 0
    for node in list(model.graph):
        count = len(node.inputs)
        if node.op_type not in BINARY or count < 2 or (node.op_type in ("Min", "Max") and count == 2):
            continue
        value = node.inputs[0]
        for other in node.inputs[1:]:
            value = graph.insert(node, BINARY[node.op_type], [value, other])
        assert value is not None
        if node.op_type == "Mean":
            assert value.dtype is not None
            share = graph.add_constant(model, f"{node.name}/share", np.array(1 / count, value.dtype.numpy()))
            value = graph.insert(node, "Mul", [value, share])
        graph.replace(node, value)
        changed += 1
    return changed
