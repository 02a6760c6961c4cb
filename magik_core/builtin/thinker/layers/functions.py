"""Functions of one tensor: activations, pools and normalizations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from magik_core.builtin.onnx_quantized.expansion import at, attributes
from magik_core.builtin.onnx_quantized.source import attribute
from magik_core.builtin.onnx_quantized.table import converts
from magik_core.builtin.thinker import fixed
from magik_core.builtin.thinker.fixed import DOMAINS

if TYPE_CHECKING:
    from onnx import NodeProto

    from magik_core.builtin.onnx_quantized.expansion import Expansion

CURVES = {
    "iqSigmoid": "Sigmoid", "QSigmoid": "Sigmoid", "iqTanh": "Tanh", "QTanh": "Tanh", "QGelu": "Gelu", "QSwish": "Swish"
}  # fmt: skip
SOFTMAX = {"SoftmaxInt": "Softmax", "softmaxInt": "Softmax", "QSoftmax": "Softmax", "LogSoftmaxInt": "LogSoftmax"}
NORMAL_SCALE = 32768.0  # of a normalized value before its weight, in linger's LayerNorm
EPSILON = 1e-5


@converts("Relu", "QRelu", "QReLU", domains=DOMAINS, inputs=1)
def relu(node: NodeProto, to: Expansion) -> None:
    """Relu, between the scale of its input and, where it has one, `scale_o`."""
    _same_scale(node, to, "Relu")


@converts("MaxPool2d", "MaxPool2dInt", "QMaxPool1d", "QMaxPool2d", domains=DOMAINS, inputs=1)
def max_pool(node: NodeProto, to: Expansion) -> None:
    """MaxPool."""
    names = ("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides")
    _same_scale(node, to, "MaxPool", **attributes(node, *names))


def _same_scale(node: NodeProto, to: Expansion, op: str, **given: object) -> None:
    """An operator whose output has the scale of its input unless the node says another."""
    name = node.input[0]
    if name not in to.params and name not in to.floats:
        to.problem("an input is not quantized", f"'{name}'", "codes: a Quant before the node")
        return
    if name in to.params and attribute(node, "scale_o") is None:
        to.result(node.output[0], to.params[name], op, [to.real(name)], **given)
    else:
        fixed.result(node, to, op, [to.real(name)], **given)


@converts(*CURVES, domains=DOMAINS, inputs=1)
def curve(node: NodeProto, to: Expansion) -> None:
    """Sigmoid, Tanh, Gelu or Swish, rounded once; linger has tables of its own for each chip."""
    x, _ = fixed.given(node, to, 0, "scale_x")
    if to.is_sound:
        fixed.result(node, to, CURVES[node.op_type], [x])


@converts(*SOFTMAX, domains=DOMAINS, inputs=1)
def softmax(node: NodeProto, to: Expansion) -> None:
    """Softmax or LogSoftmax, rounded once; linger has polynomials of its own for each chip."""
    x, _ = fixed.given(node, to, 0, "scale_x")
    if to.is_sound:
        axis = attribute(node, "dim", attribute(node, "axis", -1))
        fixed.result(node, to, SOFTMAX[node.op_type], [x], axis=axis)


@converts("GLUInt", "GluInt", "QGLU", domains=DOMAINS, inputs=1)
def glu(node: NodeProto, to: Expansion) -> None:
    """Split in two, and the first half times Sigmoid of the second, rounded once."""
    x, _ = fixed.given(node, to, 0, "scale_x")
    if not to.is_sound:
        return
    name, axis = node.output[0], attribute(node, "dim", attribute(node, "axis", -1))
    halves = [to.unique(f"{name}/{half}") for half in ("value", "gate")]
    to.node("Split", [x], halves, axis=axis, num_outputs=2)
    fixed.result(node, to, "Mul", [halves[0], to.between("Sigmoid", [halves[1]], f"{name}/sigmoid")])


@converts("AvgPool2dInt", "QAvgPool1d", "QAvgPool2d", domains=DOMAINS, inputs=1)
def average_pool(node: NodeProto, to: Expansion) -> None:
    """AveragePool over whole windows, padding included unless `count_include_pad` is 0."""
    x, _ = fixed.given(node, to, 0, "scale_x")
    kernel, divisor = attribute(node, "kernel_shape", []), attribute(node, "divisor_override", -1)
    if attribute(node, "ceil_mode", 0):
        to.problem("how a window beyond the edge is averaged is not known", "ceil_mode 1", "ceil_mode 0")
    if divisor not in (-1, 0, math.prod(kernel)):
        to.problem("an average has a divisor of its own", f"divisor_override {divisor}", f"{math.prod(kernel)}")
    if to.is_sound:
        count = attribute(node, "count_include_pad", 1)
        given = attributes(node, "kernel_shape", "pads", "strides")
        fixed.result(node, to, "AveragePool", [x], count_include_pad=count, **given)


@converts("QGlobalAveragePool2d", domains=DOMAINS, inputs=1)
def global_average_pool(node: NodeProto, to: Expansion) -> None:
    """GlobalAveragePool."""
    x, _ = fixed.given(node, to, 0, "scale_x")
    if to.is_sound:
        fixed.result(node, to, "GlobalAveragePool", [x])


@converts("LayerNormInt", "QLayerNorm", domains=DOMAINS, inputs=(2, 3))
def layer_norm(node: NodeProto, to: Expansion) -> None:
    """LayerNormalization over the axes of its weights, rounded once; the bias is s32 of scale 2^15 `scale_w`."""
    x, _ = fixed.given(node, to, 0, "scale_x")
    by = fixed.scale(node, to, "scale_w")
    normal = NORMAL_SCALE if attribute(node, "scale_y_normal") is None else fixed.scale(node, to, "scale_y_normal")
    codes = None if by is None else fixed.weight(node, to, 1)
    if codes is None or by is None or normal is None or not to.is_sound:
        return
    inputs = [x, fixed.real_weight(node, to, 1, by)]
    if at(node, 2):
        inputs.append(fixed.real_bias(node, to, 2, normal * by))
    axis = -max(codes.ndim, 1)
    if to.is_sound:
        fixed.result(node, to, "LayerNormalization", inputs, axis=axis, epsilon=float(np.float32(EPSILON)))
