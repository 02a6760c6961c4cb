"""Fold products and sums per channel into the linear operator behind them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from magik_core import graph
from magik_core.passes._affine import Affine, affine


def fold_affine_forward(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """Conv(x * k + c, w, b) becomes Conv(x, w * k, b + w·c), k and c per input channel.

    A product folds whatever the padding is, for 0 * k is 0; a sum only where nothing is padded, for
    the padding would have to be c. MEAN and NORMAL of an input are lowering's.
    """
    changed = 0
    for node in list(model.graph):
        if graph.is_head(node):
            continue
        conv = graph.sole_consumer(node.outputs[0]) if len(node.outputs) == 1 else None
        if conv is None or conv.op_type not in ("Conv", "Gemm") or conv.inputs[0] is not node.outputs[0]:
            continue
        line = affine(node, 1)
        if line is None:
            continue
        reason = line if isinstance(line, str) else _obstacle(conv, line)
        if isinstance(line, str) or reason:
            decline(node.name or "", f"not folded into {conv.op_type} '{conv.name}': {reason}")
            continue
        _write(model, conv, line)
        changed += 1
    return changed


def _obstacle(conv: ir.Node, line: Affine) -> str:
    bias = conv.inputs[2] if len(conv.inputs) > 2 else None
    if graph.constant(conv.inputs[1]) is None or (bias is not None and graph.constant(bias) is None):
        return "its weights are not constant"
    if conv.op_type == "Gemm":
        array = graph.constant(bias)
        if graph.attribute(conv, "transA", 0) or (array is not None and array.squeeze().ndim > 1):
            return "its first operand is transposed or its bias varies along rows"
        return ""
    is_padded = any(graph.attribute(conv, "pads", ())) or graph.attribute(conv, "auto_pad", "NOTSET") in (
        "SAME_UPPER",
        "SAME_LOWER",
    )
    if is_padded and np.any(line.bias):
        return "it pads with 0, which the sum would change"
    return ""


def _write(model: ir.Model, conv: ir.Node, line: Affine) -> None:
    weight, bias = (
        graph.constant(conv.inputs[1]),
        graph.constant(conv.inputs[2]) if len(conv.inputs) > 2 else None,
    )
    assert weight is not None
    wide = weight.astype(np.float64)
    scaled, extra = _conv(conv, wide, line) if conv.op_type == "Conv" else _gemm(conv, wide, line)
    start = np.zeros(1) if bias is None else bias.reshape(-1) * graph.attribute(conv, "beta", 1.0)
    inputs = [
        line.x,
        graph.add_constant(model, f"{conv.name}/weight", scaled.astype(weight.dtype)),
        graph.add_constant(model, f"{conv.name}/bias", (start + extra).astype(weight.dtype)),
    ]
    attributes = {name: attr.value for name, attr in conv.attributes.items() if name != "beta"}
    graph.replace(conv, graph.insert(conv, conv.op_type, inputs, attributes))


def _conv(conv: ir.Node, weight: np.ndarray, line: Affine) -> tuple[np.ndarray, np.ndarray]:
    groups, out = graph.attribute(conv, "group", 1), weight.shape[0]
    # Output channel o reads the input channels of its group: [out, in / group].
    scale = np.repeat(line.scale.reshape(groups, -1), out // groups, axis=0)
    shift = np.repeat(line.bias.reshape(groups, -1), out // groups, axis=0)
    taps = weight.reshape(*weight.shape[:2], -1).sum(axis=2)
    return weight * scale.reshape(*weight.shape[:2], *(1 for _ in weight.shape[2:])), (taps * shift).sum(axis=1)


def _gemm(gemm: ir.Node, weight: np.ndarray, line: Affine) -> tuple[np.ndarray, np.ndarray]:
    alpha = graph.attribute(gemm, "alpha", 1.0)
    if graph.attribute(gemm, "transB", 0):
        return weight * line.scale, alpha * (weight @ line.bias)
    return weight * line.scale[:, None], alpha * (line.bias @ weight)
