"""Write every clamp by constants as one Clip or Relu."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from magik_core import graph

CLAMPS = frozenset({"Clip", "Relu", "Min", "Max"})


def merge_clips(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """Relu(Min(x, 6)) becomes Clip(x, 0, 6).

    1. Min(x, c), Max(x, c) with one number c: Clip with that bound
    2. a clamp of a clamp, the inner one with no other reader: one Clip
    3. Clip(x, 0) without an upper bound: Relu; Clip without bounds: x
    """
    changed = 0
    for node in list(model.graph):
        bounds = _bounds(node)
        if bounds is None or not graph.is_float(node.outputs[0]):
            continue
        x, low, high = node.inputs[0], *bounds
        assert x is not None
        inner = x.producer()
        inside = _bounds(inner) if inner is not None and graph.sole_consumer(x) is node else None
        if inner is not None and inside is not None:
            x = inner.inputs[0]
            low, high = float(np.clip(inside[0], low, high)), float(np.clip(inside[1], low, high))
        assert x is not None
        if inside is not None or node.op_type in ("Min", "Max") or _is_plainer(node, low, high):
            _write(model, node, x, low, high)
            changed += 1
    return changed


def _bounds(node: ir.Node) -> tuple[float, float] | None:
    """Return [low, high] of a clamp by constants that keeps the shape of its input."""
    if node.op_type not in CLAMPS or graph.static_shape(node.inputs[0]) != graph.static_shape(node.outputs[0]):
        return None
    if node.op_type == "Relu":
        return 0.0, np.inf
    if node.op_type in ("Min", "Max"):
        number = graph.scalar(node.inputs[1]) if len(node.inputs) == 2 else None
        if number is None:
            return None
        return (-np.inf, number) if node.op_type == "Min" else (number, np.inf)
    low, high = (graph.scalar(v) for v in (*node.inputs[1:], None, None)[:2])
    if any(v is not None and graph.scalar(v) is None for v in node.inputs[1:]):
        return None
    low, high = -np.inf if low is None else low, np.inf if high is None else high
    return (low, high) if low <= high else None


def _is_plainer(node: ir.Node, low: float, high: float) -> bool:
    return node.op_type == "Clip" and (low, high) in ((0.0, np.inf), (-np.inf, np.inf))


def _write(model: ir.Model, node: ir.Node, x: ir.Value, low: float, high: float) -> None:
    if (low, high) == (0.0, np.inf):
        graph.replace(node, graph.insert(node, "Relu", [x]))
        return
    if (low, high) == (-np.inf, np.inf):
        graph.replace(node, graph.insert(node, "Identity", [x]))
        return
    assert x.dtype is not None
    dtype = x.dtype.numpy()
    bounds = [
        graph.add_constant(model, f"{node.name}/{name}", np.array(value, dtype)) if np.isfinite(value) else None
        for name, value in (("min", low), ("max", high))
    ]
    graph.replace(node, graph.insert(node, "Clip", [x, *(bounds if bounds[1] is not None else bounds[:1])]))
