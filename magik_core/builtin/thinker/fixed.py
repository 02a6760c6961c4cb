"""Scales and bits of linger's nodes, and the values that they describe."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from magik_core.builtin.onnx_quantized.params import RANGES, Params, type_name
from magik_core.builtin.onnx_quantized.source import attribute

if TYPE_CHECKING:
    from onnx import NodeProto

    from magik_core.builtin.onnx_quantized.expansion import Expansion

DOMAINS = ("thinker", "linger")
TYPES: dict[int, int] = {8: TensorProto.INT8, 16: TensorProto.INT16, 32: TensorProto.INT32}
MAX_EXPONENT = 62  # of a scale; of a product of two it still is a normal f32


def scale(node: NodeProto, to: Expansion, *names: str) -> float | None:
    """The scale of the first of these names that the node has; None, and a problem, where there is none."""
    for name in names:
        found = attribute(node, name)
        if found is not None:
            return _power_of_two(to, name, found)
    to.problem("a node has no scale", need=f"attribute {' or '.join(names)}")
    return None


def _power_of_two(to: Expansion, name: str, value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and math.isfinite(value) and value > 0
    if is_number and math.frexp(value)[0] == 0.5 and abs(math.log2(value)) <= MAX_EXPONENT:
        return float(value)
    to.problem("a scale is no power of two", f"{name} {value!r:.40}", f"2^-{MAX_EXPONENT} to 2^{MAX_EXPONENT}")
    return None


def bits(node: NodeProto, to: Expansion, *names: str, default: int = 8) -> int:
    """How many bits codes have; 8 and a problem where it is none that linger knows."""
    found = next((value for name in names if (value := attribute(node, name)) is not None), default)
    if found in TYPES:
        return int(found)
    to.problem("a number of bits is not supported", f"{names[0]} {found!r:.40}", "8, 16 or 32")
    return 8


def params(by: float, width: int) -> Params:
    """Codes of some bits that are reals times `by`."""
    return Params((1 / by,), (0,), TYPES[width])


def given(node: NodeProto, to: Expansion, place: int, *names: str) -> tuple[str, float]:
    """The float values of an input and its scale; ("", 1) and a problem where they do not fit each other.

    Args: names: of the attribute with the scale.
    """
    name, by = node.input[place], scale(node, to, *names)
    if by is None:
        return "", 1.0
    if name in to.floats:
        return name, by
    known = to.params.get(name)
    tensor = to.source.tensors.get(name)
    dtype = known.dtype if known is not None else tensor.data_type if tensor is not None else to.dtype(name)
    if dtype not in TYPES.values():
        found = f"'{name}' is {type_name(dtype)}" if dtype else f"'{name}'"
        to.problem("an input is not quantized", found, "codes of s8, s16 or s32: a Quant before the node")
    elif known is not None and known.scale != (1 / by,):
        found = f"{names[0]} {by:g}, but '{name}' has {1 / known.scale[0]:g}"
        to.problem("the scale of an input is not that of what makes it", found)
    else:
        return to.real(name, known or Params((1 / by,), (0,), dtype)), by
    return "", by


def weight(node: NodeProto, to: Expansion, place: int, what: str = "weights") -> np.ndarray | None:
    """The codes of constant weights; None and a problem where they are none."""
    name = node.input[place]
    array, width = to.source.array(name), attribute(node, "w_bits", attribute(node, "parameter_bits", 8))
    if array is None or to.source.tensors[name].data_type not in (*TYPES.values(), TensorProto.INT4):
        found = f"'{name}'" if array is None else f"'{name}' is {type_name(to.source.tensors[name].data_type)}"
        to.problem(f"{what} are no constant of integers", found, "s4, s8, s16 or s32")
        return None
    codes = array.astype(np.int64)
    low, high = RANGES[TensorProto.INT4]
    if width == 4 and codes.size and (codes.min() < low or codes.max() > high):
        found = f"'{name}' holds {codes.min()} to {codes.max()}"
        to.problem("weights of 4 bits do not fit", found, f"{low} to {high}, one weight a byte")
        return None
    return codes


def real_weight(
    node: NodeProto, to: Expansion, place: int, by: float, codes: np.ndarray | None = None, suffix: str = "turned"
) -> str:
    """The float values of weights; codes: what takes the place of the source's, moved around."""
    name = node.input[place]
    dtype = int(to.source.tensors[name].data_type)
    if codes is not None:
        name = to.unique(f"{name}/{suffix}")
        to.source.tensors[name] = to.tensor(name, np.ascontiguousarray(codes), dtype)
    return to.real(name, Params((1 / by,), (0,), dtype))


def real_bias(node: NodeProto, to: Expansion, place: int, by: float) -> str:
    """The float values of a bias, s32; linger may have written fewer bits."""
    codes = weight(node, to, place, "biases")
    name = node.input[place]
    if codes is None:
        return name
    if to.source.tensors[name].data_type != TensorProto.INT32:
        name = to.unique(f"{name}/s32")
        to.source.tensors[name] = to.tensor(name, codes, TensorProto.INT32)
    return to.real(name, Params((1 / by,), (0,), TensorProto.INT32))


def output(node: NodeProto, to: Expansion) -> Params | None:
    """What the codes of the output mean; None where they are not rounded: no scale, or 32 bits."""
    if attribute(node, "scale_o") is None:
        return None
    by, width = scale(node, to, "scale_o"), bits(node, to, "o_bits")
    return None if by is None or width == 32 else params(by, width)


def result(node: NodeProto, to: Expansion, op: str, inputs: list[str], /, **attributes: Any) -> None:
    """An operator whose result is rounded to the node's scale_o, or stays float where that says nothing."""
    made = output(node, to)
    if not to.is_sound:
        return
    if made is None:
        to.node(op, inputs, [node.output[0]], **attributes)
        to.floats.add(node.output[0])
    else:
        to.result(node.output[0], made, op, inputs, **attributes)
