"""Fold products and sums per channel into the linear operator before them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from magik_core import graph
from magik_core.passes._affine import LINEAR, Affine, affine


def fold_affine_back(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """Conv(x, w, b) * k + c becomes Conv(x, w * k, b * k + c), k and c per output channel.

    1. Add, Sub, Mul, Div by a constant behind Conv, ConvTranspose, or Gemm with constant weights
    2. Mul, Div behind MatMul with a constant of rank 2; its sum is fold_gemm's
    The linear operator must have no other reader, or the other would read changed values.
    """
    changed = 0
    for node in list(model.graph):
        for value in node.inputs:
            linear = value.producer() if value is not None else None
            if linear is not None and linear.op_type in LINEAR and graph.constant(linear.inputs[1]) is not None:
                changed += _fold(model, node, linear, decline)
                break
    return changed


def _fold(model: ir.Model, node: ir.Node, linear: ir.Node, decline: Callable[[str, str], None]) -> int:
    y = linear.outputs[0]
    rank = len(graph.static_shape(y) or ())
    line = affine(node, 1 if linear.op_type in ("Conv", "ConvTranspose") else rank - 1)
    if line is None or (linear.op_type == "MatMul" and isinstance(line, Affine) and np.any(line.bias)):
        return 0
    reason = line if isinstance(line, str) else _obstacle(node, linear, line)
    if isinstance(line, str) or reason:
        decline(node.name or "", f"not folded into {linear.op_type} '{linear.name}': {reason}")
        return 0
    weight, bias = graph.constant(linear.inputs[1]), _bias(linear)
    assert weight is not None
    scaled = (weight * _along_outputs(linear, weight, line.scale)).astype(weight.dtype)
    inputs = [linear.inputs[0], graph.add_constant(model, f"{linear.inputs[1].name}/folded", scaled)]  # type: ignore[union-attr]
    if linear.op_type != "MatMul":
        total = bias * line.scale + line.bias
        inputs.append(graph.add_constant(model, f"{linear.name}/bias", total.astype(weight.dtype)))
    attributes = {name: attr.value for name, attr in linear.attributes.items() if name != "beta"}
    graph.replace(node, graph.insert(node, linear.op_type, inputs, attributes))
    return 1


def _obstacle(node: ir.Node, linear: ir.Node, line: Affine) -> str:
    """Say why the line cannot go into the linear operator, or nothing."""
    if graph.sole_consumer(linear.outputs[0]) is not node:
        return "it has another reader"
    weight, bias = graph.constant(linear.inputs[1]), linear.inputs[2] if len(linear.inputs) > 2 else None
    if bias is not None and graph.constant(bias) is None:
        return "its bias is not constant"
    if linear.op_type == "MatMul" and (weight is None or weight.ndim != 2):
        return "its weights have a rank other than 2"
    if linear.op_type == "Gemm" and bias is not None:
        array = graph.constant(bias)
        if array is not None and array.size not in (1, line.scale.size):
            return "its bias varies along rows"
    return ""


def _bias(linear: ir.Node) -> np.ndarray:
    array = graph.constant(linear.inputs[2]) if len(linear.inputs) > 2 else None
    if array is None:
        return np.zeros(1)
    return np.asarray(array.reshape(-1) * np.float64(graph.attribute(linear, "beta", 1.0)))


def _along_outputs(linear: ir.Node, weight: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Shape a number per output channel so that it multiplies the weights."""
    if linear.op_type == "Conv":
        return scale.reshape(-1, *(1 for _ in weight.shape[1:]))
    if linear.op_type == "ConvTranspose":  # [in, out / group, ...]: the group is part of the input axis
        groups = graph.attribute(linear, "group", 1)
        per_group = np.repeat(scale.reshape(groups, -1), weight.shape[0] // groups, axis=0)
        return per_group.reshape(weight.shape[0], -1, *(1 for _ in weight.shape[2:]))
    if linear.op_type == "Gemm" and graph.attribute(linear, "transB", 0):
        return scale.reshape(-1, 1)
    return scale.reshape(1, -1)
