"""Remove nodes that return what they read."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir

from magik_core import graph

LIKE_IDENTITY = frozenset({"Identity", "Dropout"})


def remove_no_ops(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """y = f(x) with f(x) = x becomes x.

    1. Identity; Dropout at inference; Concat, Sum, Mean, Min, Max of one
    2. Cast to the dtype that x has; Reshape, Expand, Tile, Slice, Resize to the shape that x has
    3. Pad by 0; Transpose that keeps the order
    4. x * 1, x / 1, x + 0, x - 0 of the same shape
    A node whose output is the graph's stays where removing it would rename an input.
    """
    changed = 0
    for node in list(model.graph):
        source = _source(node)
        if source is None or graph.is_head(node):
            continue
        if graph.bypass(node, source):
            changed += 1
        elif node.op_type != "Identity":
            graph.replace(node, graph.insert(node, "Identity", [source]))
            changed += 1
    return changed


def _source(node: ir.Node) -> ir.Value | None:
    """Return the input that the node's only output equals."""
    x = node.inputs[0] if node.inputs else None
    if x is None or any(v.uses() or v.is_graph_output() for v in node.outputs[1:]):
        return None
    if node.op_type in LIKE_IDENTITY or (len(node.inputs) == 1 and node.op_type in VARIADIC):
        return x
    if node.op_type in TESTS:
        return x if TESTS[node.op_type](node) else None
    if node.op_type in NEUTRAL:
        return _neutral(node)
    return None


VARIADIC = frozenset({"Concat", "Sum", "Mean", "Min", "Max"})
NEUTRAL = {"Mul": 1.0, "Div": 1.0, "Add": 0.0, "Sub": 0.0}
COMMUTES = frozenset({"Mul", "Add"})


def _same_shape(node: ir.Node) -> bool:
    shape = graph.static_shape(node.outputs[0])
    return shape is not None and shape == graph.static_shape(node.inputs[0])


def _same_dtype(node: ir.Node) -> bool:
    x = node.inputs[0]
    return x is not None and x.dtype is not None and x.dtype == node.outputs[0].dtype


def _whole_slice(node: ir.Node) -> bool:
    steps = graph.constant(node.inputs[4]) if len(node.inputs) > 4 else np.ones(1)
    return _same_shape(node) and steps is not None and bool(np.all(steps == 1))


def _no_pad(node: ir.Node) -> bool:
    pads = graph.constant(node.inputs[1])
    return pads is not None and not np.any(pads)


def _in_order(node: ir.Node) -> bool:
    perm = graph.attribute(node, "perm")
    return perm is not None and list(perm) == sorted(perm)


def _same_size(node: ir.Node) -> bool:
    # Only these modes map a grid of equal size onto itself whatever the other attributes are.
    mode = graph.attribute(node, "coordinate_transformation_mode", "half_pixel")
    scales = graph.constant(node.inputs[2]) if len(node.inputs) > 2 else None
    exact = scales is None or scales.size == 0 or bool(np.all(scales == 1))
    return _same_shape(node) and exact and mode in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")


TESTS: Mapping[str, Callable[[ir.Node], bool]] = {
    "Cast": _same_dtype,
    "Reshape": _same_shape,
    "Flatten": _same_shape,
    "Squeeze": _same_shape,
    "Unsqueeze": _same_shape,
    "Expand": _same_shape,
    "Tile": _same_shape,
    "Slice": _whole_slice,
    "Pad": _no_pad,
    "Transpose": _in_order,
    "Resize": _same_size,
}


def _neutral(node: ir.Node) -> ir.Value | None:
    a, b = node.inputs
    number, shape = NEUTRAL[node.op_type], graph.static_shape(node.outputs[0])
    if graph.scalar(b) == number and graph.static_shape(a) == shape:
        return a
    if node.op_type in COMMUTES and graph.scalar(a) == number and graph.static_shape(b) == shape:
        return b
    return None
