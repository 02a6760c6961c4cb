"""Recognize HardSigmoid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from magik_core import graph


def recognize_hard_sigmoid(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """Clip(x + 3, 0, 6) / 6 becomes HardSigmoid(x, alpha=1/6, beta=1/2).

    1. Clip(x * a + b, 0, m) / m, and the same as * (1/m): HardSigmoid(x, a/m, b/m)
    2. Clip(x * a + b, 0, 1): HardSigmoid(x, a, b)
    The factor a may be missing or a division; b is required, or else it is a plain clamp.
    """
    changed = 0
    for node in list(model.graph):
        line = _scaled_clip(node)
        if line is None:
            continue
        x, alpha, beta = line
        attributes = {"alpha": alpha, "beta": beta}
        graph.replace(node, graph.insert(node, "HardSigmoid", [x], attributes))
        changed += 1
    return changed


def _scaled_clip(node: ir.Node) -> tuple[ir.Value, float, float] | None:
    """Return x, alpha, beta of HardSigmoid's line where a node ends one."""
    factor, value = _factor(node)
    if value is None:
        factor, value = 1.0, node.outputs[0]
        clip: ir.Node | None = node
    else:
        clip = _inner(value, node)
    if clip is None or clip.op_type != "Clip" or len(clip.inputs) != 3:
        return None
    low, high = graph.scalar(clip.inputs[1]), graph.scalar(clip.inputs[2])
    if low != 0 or high is None or not np.isclose(high * factor, 1, rtol=1e-5):
        return None
    add = _inner(clip.inputs[0], clip)
    if add is None or add.op_type != "Add" or not _is_number(add.inputs[1]):
        return None
    beta, x, alpha = graph.scalar(add.inputs[1]), add.inputs[0], 1.0
    inner = _inner(x, add)
    if inner is not None and _factor(inner)[1] is not None:
        alpha, x = _factor(inner)
    return None if x is None or beta is None else (x, alpha * factor, beta * factor)


def _factor(node: ir.Node) -> tuple[float, ir.Value | None]:
    """Return c and x of a node that is x * c or x / c with one positive number c."""
    if node.op_type not in ("Mul", "Div") or not _is_number(node.inputs[1]) or graph.is_head(node):
        return 1.0, None
    number = graph.scalar(node.inputs[1])
    if number is None or number <= 0:
        return 1.0, None
    return (number if node.op_type == "Mul" else 1 / number), node.inputs[0]


def _is_number(value: ir.Value | None) -> bool:
    return graph.static_shape(value) == () and graph.scalar(value) is not None and graph.is_float(value)


def _inner(value: ir.Value | None, reader: ir.Node) -> ir.Node | None:
    """Return the node that computes a value for one reader alone."""
    if value is None or graph.sole_consumer(value) is not reader:
        return None
    node: ir.Node | None = value.producer()
    return node
