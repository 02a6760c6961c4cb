"""Recognize LayerNormalization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from magik_core import graph


@dataclass(frozen=True)
class _Norm:
    x: ir.Value
    axis: int  # the first of the normalized axes, which are the last ones
    epsilon: float


def recognize_layer_norm(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """(x - mean(x)) / sqrt(mean((x - mean(x))**2) + e) * g + b becomes LayerNormalization(x, g, b).

    1. the square as Pow(d, 2) or d * d; the end as Div by Sqrt, as Mul by Reciprocal of Sqrt, or as
       Mul by Pow(., -0.5); the means over the last axes
    2. LayerNormalization with scale 1 and no bias, then Mul by a constant of the normalized shape: scale
    3. LayerNormalization without bias, then Add of such a constant: bias
    """
    changed = 0
    for node in list(model.graph):
        norm = _match(node, decline)
        if norm is not None:
            shape = graph.static_shape(norm.x)
            assert shape is not None and norm.x.dtype is not None
            ones = np.ones(shape[norm.axis :], norm.x.dtype.numpy())
            scale = graph.add_constant(model, f"{node.name}/scale", ones)
            attributes = {"axis": norm.axis, "epsilon": norm.epsilon}
            graph.replace(node, graph.insert(node, "LayerNormalization", [norm.x, scale], attributes))
            changed += 1
        elif node.op_type in ("Mul", "Add"):
            changed += _absorb(model, node)
    return changed


def _producer(value: ir.Value | None, *ops: str) -> ir.Node | None:
    node = value.producer() if value is not None else None
    return node if node is not None and node.op_type in ops else None


def _match(node: ir.Node, decline: Callable[[str, str], None]) -> _Norm | None:
    centered, root = _quotient(node)
    sub, add = _producer(centered, "Sub"), _producer(root, "Add")
    if sub is None or add is None:
        return None
    epsilon, variance = graph.scalar(add.inputs[1]), _producer(add.inputs[0], "ReduceMean")
    mean, x = _producer(sub.inputs[1], "ReduceMean"), sub.inputs[0]
    if epsilon is None or variance is None or mean is None or x is None or mean.inputs[0] is not x:
        return None
    if not _is_square(variance.inputs[0], sub):
        return None
    rank = len(graph.static_shape(x) or ())
    axes, again = _axes(mean, rank), _axes(variance, rank)
    if not axes or axes != again or graph.static_shape(mean.outputs[0]) == graph.static_shape(x):
        return None
    if axes != list(range(axes[0], rank)):
        decline(node.name or "", f"a normalization over axes {axes}, which are not the last ones")
        return None
    return _Norm(x, axes[0], epsilon)


def _quotient(node: ir.Node) -> tuple[ir.Value | None, ir.Value | None]:
    """Return d and v of a node that is d / sqrt(v)."""
    if node.op_type == "Div":
        root = _producer(node.inputs[1], "Sqrt")
        return (node.inputs[0], root.inputs[0]) if root is not None else (None, None)
    if node.op_type != "Mul":
        return None, None
    for d, other in (node.inputs, node.inputs[::-1]):
        inverse = _producer(other, "Reciprocal", "Pow", "Div")
        if inverse is None:
            continue
        if inverse.op_type == "Pow":
            if graph.scalar(inverse.inputs[1]) == -0.5:
                return d, inverse.inputs[0]
            continue
        if inverse.op_type == "Div" and graph.scalar(inverse.inputs[0]) != 1:
            continue
        root = _producer(inverse.inputs[-1], "Sqrt")
        if root is not None:
            return d, root.inputs[0]
    return None, None


def _is_square(value: ir.Value | None, sub: ir.Node) -> bool:
    node, d = _producer(value, "Pow", "Mul"), sub.outputs[0]
    if node is None or node.inputs[0] is not d:
        return False
    return node.inputs[1] is d if node.op_type == "Mul" else graph.scalar(node.inputs[1]) == 2


def _axes(node: ir.Node, rank: int) -> list[int]:
    """Return the reduced axes, sorted; none where they are unknown or dropped from the shape."""
    axes = graph.constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if axes is None or graph.attribute(node, "keepdims", 1) == 0:
        return []
    return sorted(int(axis) % rank for axis in axes.reshape(-1))


def _absorb(model: ir.Model, node: ir.Node) -> int:
    norm, array = _producer(node.inputs[0], "LayerNormalization"), graph.constant(node.inputs[1])
    if norm is None or array is None or graph.sole_consumer(norm.outputs[0]) is not node:
        return 0
    x, shape = norm.inputs[0], graph.static_shape(norm.inputs[0])
    assert x is not None and shape is not None
    inner = shape[graph.attribute(norm, "axis", -1) % len(shape) :]
    has_bias = len(norm.inputs) > 2 and norm.inputs[2] is not None
    is_full = array.ndim <= len(shape) and all(n == 1 for n in array.shape[: array.ndim - len(inner)])
    if has_bias or not is_full or graph.static_shape(node.outputs[0]) != shape:
        return 0
    if node.op_type == "Mul" and graph.scalar(norm.inputs[1]) != 1:
        return 0
    tail = np.broadcast_to(array.reshape(array.shape[-len(inner) :]), inner)
    operand = graph.add_constant(model, f"{node.name}/{'scale' if node.op_type == 'Mul' else 'bias'}", tail)
    inputs = [x, operand] if node.op_type == "Mul" else [x, norm.inputs[1], operand]
    attributes = {name: graph.attribute(norm, name) for name in ("axis", "epsilon") if name in norm.attributes}
    graph.replace(node, graph.insert(node, "LayerNormalization", inputs, attributes))
    return 1
