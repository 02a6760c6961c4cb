"""Convolutions and matrix products of codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import TensorProto

from magik_core.builtin.onnx_quantized.expansion import at, attributes
from magik_core.builtin.onnx_quantized.params import Params, bias, type_name
from magik_core.builtin.onnx_quantized.source import attribute
from magik_core.builtin.onnx_quantized.table import MICROSOFT, STANDARD, converts

if TYPE_CHECKING:
    from onnx import NodeProto

    from magik_core.builtin.onnx_quantized.expansion import Expansion

WINDOW = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")


@converts("QLinearConv", domains=(STANDARD, MICROSOFT), inputs=(8, 9))
def qlinear_conv(node: NodeProto, to: Expansion) -> None:
    """Conv; the bias is s32 of scale `x_scale * w_scale`."""
    check_layout(node, to)
    x, w, y = to.read_at(node, 0), to.read_at(node, 3, axis=0), to.read(node.output[0], at(node, 6), at(node, 7))
    if not to.is_sound:
        return
    inputs = [to.real(node.input[0], x), to.real(node.input[3], w)]
    if at(node, 8):
        inputs.append(real_bias(to, node.input[8], bias(x, w)))
    to.result(node.output[0], y, "Conv", inputs, **attributes(node, *WINDOW))


def check_layout(node: NodeProto, to: Expansion) -> None:
    if attribute(node, "channels_last", 0):
        hint = "write the model without onnxruntime's layout optimizations"
        to.problem("channels are last", "channels_last 1", "channels_last 0", hint)


def real_bias(to: Expansion, name: str, params: Params) -> str:
    """The float values of a bias of s32."""
    tensor = to.source.tensors.get(name)
    if tensor is None or tensor.data_type != TensorProto.INT32:
        found = "no constant" if tensor is None else type_name(tensor.data_type)
        to.problem("a bias is no constant of 32 bits", f"'{name}': {found}", "s32")
    elif params.axis is not None and list(tensor.dims) != [len(params.scale)]:
        found = f"'{name}' {list(tensor.dims)}"
        to.problem("a bias does not fit its weights", found, f"[{len(params.scale)}]")
    else:
        return to.real(name, params)
    return name


@converts("QLinearMatMul", domains=(STANDARD, MICROSOFT), inputs=8)
def qlinear_matmul(node: NodeProto, to: Expansion) -> None:
    """MatMul."""
    a, b = to.real_at(node, 0, axis=-2), to.real_at(node, 3, axis=-1)
    y = to.read(node.output[0], node.input[6], node.input[7])
    if to.is_sound:
        to.result(node.output[0], y, "MatMul", [a, b])


@converts("QGemm", domains=(MICROSOFT,), inputs=(6, 9))
def qgemm(node: NodeProto, to: Expansion) -> None:
    """Gemm; C is s32 of scale `alpha * a_scale * b_scale`; without `y_scale` the result is float."""
    alpha, is_turned = attribute(node, "alpha", 1.0), attribute(node, "transB", 0)
    a, b = to.read_at(node, 0), to.read_at(node, 3, axis=0 if is_turned else 1)
    y = to.read(node.output[0], at(node, 7), at(node, 8)) if at(node, 7) else None
    if not to.is_sound:
        return
    inputs = [to.real(node.input[0], a), to.real(node.input[3], b)]
    if at(node, 6):
        inputs.append(real_bias(to, node.input[6], bias(a, b, alpha)))
    given = attributes(node, "alpha", "transA", "transB")
    if y is None:
        to.node("Gemm", inputs, [node.output[0]], **given)
    else:
        to.result(node.output[0], y, "Gemm", inputs, **given)
