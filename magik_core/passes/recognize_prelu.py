"""Recognize LeakyRelu and PRelu."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from magik_core import graph


def recognize_prelu(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """Max(x, x * 0.1) becomes LeakyRelu(x, alpha=0.1).

    1. Max(x, x * a) with 0 <= a <= 1: LeakyRelu, or PRelu where a is per channel
    2. Where(x > 0, x, x * a), and with >=: the same for any a
    3. Relu(x) + Relu(-x) * -a (Keras): the same for any a
    4. Relu(x) + (x - Abs(x)) * a (TensorFlow 1): the same, of slope 2 a
    5. PRelu with one slope: LeakyRelu
    """
    changed = 0
    for node in list(model.graph):
        for form in (_max, _where, _two_relus, _minus_abs, _one_slope):
            found = form(node)
            if found is not None:
                _write(model, node, *found)
                changed += 1
                break
    return changed


Found = tuple[ir.Value, np.ndarray] | None


def _write(model: ir.Model, node: ir.Node, x: ir.Value, slope: np.ndarray) -> None:
    if np.all(slope == slope.flat[0]):
        new = graph.insert(node, "LeakyRelu", [x], {"alpha": float(slope.flat[0])})
    else:
        new = graph.insert(node, "PRelu", [x, graph.add_constant(model, f"{node.name}/slope", slope)])
    graph.replace(node, new)


def _product(value: ir.Value | None, reader: ir.Node) -> Found:
    """Return x and a of a value that is x * a for one reader alone, a no larger than x."""
    node = value.producer() if value is not None else None
    if value is None or node is None or node.op_type != "Mul" or graph.sole_consumer(value) is not reader:
        return None
    x, slope = node.inputs[0], graph.constant(node.inputs[1])
    fits = graph.static_shape(x) == graph.static_shape(value)
    return (x, slope) if x is not None and slope is not None and fits else None


def _max(node: ir.Node) -> Found:
    if node.op_type != "Max" or len(node.inputs) != 2:
        return None
    for x, other in (node.inputs, node.inputs[::-1]):
        found = _product(other, node)
        if found is not None and found[0] is x and np.all((found[1] >= 0) & (found[1] <= 1)):
            return found
    return None


def _where(node: ir.Node) -> Found:
    if node.op_type != "Where":
        return None
    test = node.inputs[0].producer() if node.inputs[0] is not None else None
    found = _product(node.inputs[2], node)
    if test is None or found is None or test.op_type not in ("Greater", "GreaterOrEqual"):
        return None
    is_sign = test.inputs[0] is found[0] and graph.scalar(test.inputs[1]) == 0
    return found if is_sign and node.inputs[1] is found[0] else None


def _two_relus(node: ir.Node) -> Found:
    if node.op_type != "Add":
        return None
    for positive, negative in (node.inputs, node.inputs[::-1]):
        relu = positive.producer() if positive is not None else None
        found = _product(negative, node)
        if relu is None or relu.op_type != "Relu" or found is None:
            continue
        inner = found[0].producer()
        x = relu.inputs[0]
        negated = inner.inputs[0] if inner is not None and inner.op_type == "Relu" else None
        source = negated.producer() if negated is not None else None
        if x is not None and source is not None and source.op_type == "Neg" and source.inputs[0] is x:
            return x, -found[1]
    return None


def _minus_abs(node: ir.Node) -> Found:
    if node.op_type != "Add":
        return None
    for positive, negative in (node.inputs, node.inputs[::-1]):
        relu = positive.producer() if positive is not None else None
        found = _product(negative, node)
        minus = found[0].producer() if found is not None else None
        if relu is None or relu.op_type != "Relu" or found is None or minus is None or minus.op_type != "Sub":
            continue
        x, size = minus.inputs
        source = size.producer() if size is not None else None
        is_abs = source is not None and source.op_type == "Abs" and source.inputs[0] is x
        if x is not None and x is relu.inputs[0] and is_abs:
            return x, 2 * found[1]
    return None


def _one_slope(node: ir.Node) -> Found:
    slope = graph.constant(node.inputs[1]) if node.op_type == "PRelu" else None
    x = node.inputs[0] if node.inputs else None
    if x is None or slope is None or graph.scalar(node.inputs[1]) is None:
        return None
    return x, slope
