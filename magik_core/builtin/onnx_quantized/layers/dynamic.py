"""Products of codes that are quantized at run time: activations become float, weights keep their codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from onnx import TensorProto, numpy_helper

from magik_core.builtin.onnx_quantized.expansion import at, attributes
from magik_core.builtin.onnx_quantized.layers.linear import WINDOW
from magik_core.builtin.onnx_quantized.source import attribute
from magik_core.builtin.onnx_quantized.table import MICROSOFT, STANDARD, converts

if TYPE_CHECKING:
    from onnx import NodeProto

    from magik_core.builtin.onnx_quantized.expansion import Expansion

MAX_FACTORS = 16


class Scaling(NamedTuple):
    """What follows a product of integers: the value at its end, what it is multiplied by, and the nodes."""

    result: str
    factors: list[str]
    nodes: list[NodeProto]


@converts("ConvInteger", "MatMulInteger", domains=(STANDARD,), inputs=(2, 4))
def integer_product(node: NodeProto, to: Expansion) -> None:
    """Conv or MatMul in float, with the Cast and the Mul by scales behind it; weights keep their codes."""
    scaling = _scaling(node, to)
    if scaling is None:
        need = "Cast to float and Mul by the scales of both inputs, and nothing else, behind it"
        to.problem("a product of integers has no known form", need=need)
        return
    factors = list(scaling.factors)
    constants = []
    for place in (0, 1):
        name, zero = node.input[place], at(node, place + 2)
        if name in to.dynamic and to.dynamic[name].zero == zero and to.dynamic[name].scale in factors:
            factors.remove(to.dynamic[name].scale)
        elif name in to.source.tensors:
            constants.append(place)
        else:
            need = "codes of a DynamicQuantizeLinear with its scale and zero point, or constants"
            to.problem("a product of integers has no known form", f"input '{name}'", need)
    if len(constants) > 1 or any(name not in to.source.tensors for name in factors) or (factors and not constants):
        to.problem("the scales of a product of integers do not fit", ", ".join(f"'{name}'" for name in factors))
    if not to.is_sound:
        return
    is_conv = node.op_type == "ConvInteger"
    inputs = [to.dynamic[name].x if name in to.dynamic else name for name in node.input[:2]]
    for place in constants:
        scale = _weight_scale(to, node, place, factors, is_conv)
        axis = 0 if is_conv else place - 2
        params = to.read(node.input[place], scale, at(node, place + 2), axis)
        inputs[place] = to.real(node.input[place], params) if to.is_sound else ""
    if to.is_sound:
        to.done.update(map(id, scaling.nodes))
        given = attributes(node, *WINDOW) if is_conv else {}
        to.node("Conv" if is_conv else "MatMul", inputs, [scaling.result], **given)


def _scaling(node: NodeProto, to: Expansion) -> Scaling | None:
    """Follow a sum of 32 bits through its Cast to the Mul by scales."""
    cast = to.source.sole_reader(node.output[0])
    if cast is None or cast.op_type != "Cast" or attribute(cast, "to") != TensorProto.FLOAT:
        return None
    mul = to.source.sole_reader(cast.output[0])
    if mul is None or mul.op_type != "Mul" or len(mul.input) != 2 or mul.input[0] == mul.input[1]:
        return None
    other = mul.input[1] if mul.input[0] == cast.output[0] else mul.input[0]
    factors: list[str] = []
    stack = [other]
    while stack:
        name = stack.pop()
        maker = to.source.maker.get(name)
        if maker is not None and maker.op_type == "Mul" and len(factors) + len(stack) < MAX_FACTORS:
            stack += maker.input
        else:
            factors.append(name)
    return Scaling(mul.output[0], factors, [cast, mul])


def _weight_scale(to: Expansion, node: NodeProto, place: int, factors: list[str], is_conv: bool) -> str:
    """The name of a weight's scale, as one number or a list; 1 where there is no factor."""
    arrays = [a for a in (to.source.array(name) for name in factors) if a is not None]
    product = np.ones((), np.float32)
    for array in arrays:
        product = np.asarray(product * array)
    rank = len(to.source.tensors[node.input[place]].dims)
    shape = [1] * (rank - product.ndim) + list(product.shape)
    channel = 1 if is_conv else len(shape) - 2 + place
    if product.size > 1 and product.size != shape[channel]:
        to.problem("the scales of a product of integers do not fit", f"{list(product.shape)}", "one for each channel")
    if len(factors) == 1 and product.ndim < 2:
        return factors[0]
    name = to.unique(f"{node.input[place]}/scale")
    to.source.tensors[name] = numpy_helper.from_array(product.reshape(-1), name)
    return name


@converts("DynamicQuantizeMatMul", domains=(MICROSOFT,), inputs=(3, 5))
def dynamic_quantize_matmul(node: NodeProto, to: Expansion) -> None:
    """MatMul of floats by weights that keep their codes, and Add of a bias."""
    params = to.read(node.input[1], node.input[2], at(node, 3), -1)
    if to.is_sound:
        _product(node, to, [node.input[0], to.real(node.input[1], params)], at(node, 4))


@converts("MatMulIntegerToFloat", domains=(MICROSOFT,), inputs=(4, 7))
def matmul_integer_to_float(node: NodeProto, to: Expansion) -> None:
    """MatMul, and Add of a bias; inputs that are quantized at run time are float."""
    inputs = []
    for place in (0, 1):
        name, scale, zero = node.input[place], node.input[place + 2], at(node, place + 4)
        if name in to.dynamic and (scale, zero) == (to.dynamic[name].scale, to.dynamic[name].zero):
            inputs.append(to.dynamic[name].x)
        else:
            params = to.read(name, scale, zero, place - 2)
            inputs.append(to.real(name, params) if to.is_sound else "")
    if to.is_sound:
        _product(node, to, inputs, at(node, 6))


def _product(node: NodeProto, to: Expansion, inputs: list[str], bias: str) -> None:
    if not bias:
        to.node("MatMul", inputs, [node.output[0]])
        return
    to.node("Add", [to.between("MatMul", inputs, f"{node.output[0]}/product"), bias], [node.output[0]])


@converts("DynamicQuantizeLSTM", domains=(MICROSOFT,), inputs=12, outputs=(1, 3), optional=(3, 4, 5, 6, 7))
def dynamic_quantize_lstm(node: NodeProto, to: Expansion) -> None:
    """LSTM in float, its weights transposed and with their codes."""
    weights = [_turned(to, node.input[place], node.input[scale], node.input[scale + 1]) for place, scale in _LSTM]
    if not to.is_sound:
        return
    names = ("activation_alpha", "activation_beta", "activations", "clip", "direction", "hidden_size", "input_forget")
    inputs = [node.input[0], *weights, *node.input[3:8]]
    while not inputs[-1]:
        inputs.pop()
    to.node("LSTM", inputs, list(node.output), **attributes(node, *names))


_LSTM = ((1, 8), (2, 10))  # weights, and their scales


def _turned(to: Expansion, name: str, scale: str, zero: str) -> str:
    """The float values of LSTM weights [directions, inputs, 4 hidden] as [directions, 4 hidden, inputs]."""
    array = to.source.array(name)
    if array is None or array.ndim != 3:
        to.problem("weights are not constant, or of a wrong shape", f"'{name}'", "a constant of 3 axes")
        return ""
    turned = to.unique(f"{name}/turned")
    codes = np.ascontiguousarray(array.transpose(0, 2, 1))
    to.source.tensors[turned] = to.tensor(turned, codes, to.source.tensors[name].data_type)
    parts = [_flat(to, part) for part in (scale, zero)]
    count = max(len(to.source.tensors[part].dims) and to.source.tensors[part].dims[0] for part in parts if part)
    axis = 1 if array.shape[0] == 1 else 0 if count == array.shape[0] else None
    params = to.read(turned, parts[0], parts[1], axis)
    return to.real(turned, params) if to.is_sound else ""


def _flat(to: Expansion, name: str) -> str:
    """A constant with one axis: the constant itself, or a copy."""
    array = to.source.array(name)
    if array is None:
        to.problem("a scale or zero point is not constant", f"'{name}'")
        return ""
    flat = to.unique(f"{name}/flat")
    to.source.tensors[flat] = to.tensor(flat, array.reshape(-1), to.source.tensors[name].data_type)
    return flat
