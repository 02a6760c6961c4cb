"""Write a matrix product and a bias as one Gemm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from magik_core import graph


def fold_gemm(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """MatMul(x[M, K], w[K, N]) + b[N] becomes Gemm(x, w, b); w and b constant.

    A product of higher rank stays: Gemm has none.
    """
    changed = 0
    for node in list(model.graph):
        product = node.inputs[0].producer() if node.op_type == "Add" and node.inputs[0] is not None else None
        bias = graph.constant(node.inputs[1]) if product is not None else None
        if product is None or product.op_type != "MatMul" or bias is None:
            continue
        x, w = product.inputs
        shape, weight = graph.static_shape(x), graph.constant(w)
        if shape is None or weight is None or len(shape) != 2 or weight.ndim != 2:
            continue
        if graph.sole_consumer(product.outputs[0]) is not node:
            decline(node.name or "", f"MatMul '{product.name}' has another reader")
            continue
        if bias.ndim > 2 or (bias.ndim == 2 and bias.shape[0] != 1) or bias.size not in (1, weight.shape[1]):
            decline(node.name or "", f"the sum of shape {list(bias.shape)} is no bias per column")
            continue
        row = np.ascontiguousarray(np.broadcast_to(bias.reshape(-1), (weight.shape[1],)))
        operand = graph.add_constant(model, f"{node.name}/bias", row)
        graph.replace(node, graph.insert(node, "Gemm", [x, w, operand]))
        changed += 1
    return changed
