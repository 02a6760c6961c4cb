"""Write elementwise operators with a constant in one way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from magik_core import graph

COMMUTES = frozenset({"Add", "Mul", "Min", "Max"})
BINARY = COMMUTES | {"Sub", "Div", "Pow", "PRelu", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"}


def normalize_operands(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """c + x becomes x + c, and a constant with one element becomes a scalar.

    1. Add, Mul, Min, Max with the constant first: operands swapped
    2. c[1, 1, 1, 1] beside x of rank 4: c[]; where c has the higher rank it shapes the result and stays
    """
    changed = 0
    for node in model.graph:
        if node.op_type not in BINARY or len(node.inputs) != 2 or graph.is_head(node):
            continue
        changed += _constant_second(node) + _scalar(model, node)
    return changed


def _constant_second(node: ir.Node) -> int:
    a, b = node.inputs
    if node.op_type not in COMMUTES or graph.constant(a) is None or graph.constant(b) is not None:
        return 0
    node.replace_input_with(0, b)
    node.replace_input_with(1, a)
    return 1


def _scalar(model: ir.Model, node: ir.Node) -> int:
    changed = 0
    for i, value in enumerate(node.inputs):
        array, other = graph.constant(value), graph.static_shape(node.inputs[1 - i])
        if value is None or array is None or other is None or array.size != 1 or not 0 < array.ndim <= len(other):
            continue
        node.replace_input_with(i, graph.add_constant(model, f"{value.name}/scalar", np.reshape(array, ())))
        changed += 1
    return changed
