"""onnxruntime's operators on codes that have a float twin of nearly the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magik_core.builtin.onnx_quantized.expansion import at, attributes
from magik_core.builtin.onnx_quantized.layers.linear import check_layout
from magik_core.builtin.onnx_quantized.source import attribute
from magik_core.builtin.onnx_quantized.table import ANY, MICROSOFT, converts

if TYPE_CHECKING:
    from onnx import NodeProto

    from magik_core.builtin.onnx_quantized.expansion import Expansion


@converts("QLinearAdd", "QLinearMul", domains=(MICROSOFT,), inputs=(7, 8), optional=(2, 5))
def qlinear_binary(node: NodeProto, to: Expansion) -> None:
    """Add or Mul."""
    a, b = to.real_at(node, 0), to.real_at(node, 3)
    y = to.read(node.output[0], at(node, 6), at(node, 7))
    if to.is_sound:
        to.result(node.output[0], y, node.op_type.removeprefix("QLinear"), [a, b])


@converts("QLinearLeakyRelu", "QLinearSigmoid", domains=(MICROSOFT,), inputs=(4, 5), optional=(2,))
def qlinear_unary(node: NodeProto, to: Expansion) -> None:
    """LeakyRelu or Sigmoid."""
    x, y = to.real_at(node, 0), to.read(node.output[0], at(node, 3), at(node, 4))
    if to.is_sound:
        to.result(node.output[0], y, node.op_type.removeprefix("QLinear"), [x], **attributes(node, "alpha"))


@converts("QLinearAveragePool", "QLinearGlobalAveragePool", domains=(MICROSOFT,), inputs=(4, 5), optional=(2,))
def qlinear_pool(node: NodeProto, to: Expansion) -> None:
    """AveragePool or GlobalAveragePool."""
    check_layout(node, to)
    x, y = to.real_at(node, 0), to.read(node.output[0], at(node, 3), at(node, 4))
    if to.is_sound:
        names = ("auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides")
        to.result(node.output[0], y, node.op_type.removeprefix("QLinear"), [x], **attributes(node, *names))


@converts("QLinearReduceMean", domains=(MICROSOFT,), inputs=(4, 5), optional=(2,))
def qlinear_reduce_mean(node: NodeProto, to: Expansion) -> None:
    """ReduceMean."""
    x, y = to.real_at(node, 0), to.read(node.output[0], at(node, 3), at(node, 4))
    axes = attribute(node, "axes", [])
    if to.is_sound:
        inputs = [x, to.constant(f"{node.output[0]}/axes", np.asarray(axes, np.int64))] if len(axes) else [x]
        to.result(node.output[0], y, "ReduceMean", inputs, **attributes(node, "keepdims"))


@converts("QLinearSoftmax", domains=(MICROSOFT,), inputs=5)
def qlinear_softmax(node: NodeProto, to: Expansion) -> None:
    """Softmax; before opset 13 over all axes from `axis` on, between Flatten and Reshape."""
    x, y = to.real_at(node, 0), to.read(node.output[0], node.input[3], node.input[4])
    if not to.is_sound:
        return
    axis, name = attribute(node, "axis", -1), node.output[0]
    if attribute(node, "opset", 13) >= 13 or axis == -1:
        to.result(name, y, "Softmax", [x], axis=axis)
        return
    raw = to.raw(name)
    flat = to.between("Flatten", [x], f"{name}/flat", axis=axis)
    share = to.between("Softmax", [flat], f"{name}/softmax", axis=-1)
    to.node("Reshape", [share, to.between("Shape", [x], f"{name}/shape")], [raw])
    to.quantized(name, y, raw)


@converts("QLinearConcat", domains=(MICROSOFT,), inputs=(5, ANY))
def qlinear_concat(node: NodeProto, to: Expansion) -> None:
    """Concat."""
    if len(node.input) % 3 != 2:
        to.problem("an input has no scale or no zero point", f"{len(node.input)} inputs", "2, and 3 for each tensor")
        return
    y = to.read(node.output[0], node.input[0], node.input[1])
    inputs = [to.real_at(node, i) for i in range(2, len(node.input), 3)]
    if to.is_sound:
        to.result(node.output[0], y, "Concat", inputs, **attributes(node, "axis"))


@converts("QLinearWhere", domains=(MICROSOFT,), inputs=9)
def qlinear_where(node: NodeProto, to: Expansion) -> None:
    """Where."""
    a, b = to.real_at(node, 1), to.real_at(node, 4)
    y = to.read(node.output[0], node.input[7], node.input[8])
    if to.is_sound:
        to.result(node.output[0], y, "Where", [node.input[0], a, b])
