"""Convolutions and dense layers"""

from __future__ import annotations

import math
from typing import Any

import onnx_ir as ir

from magik_frontend_tf.tflite.axes import IMAGE, plain
from magik_frontend_tf.tflite.builder import Refusal
from magik_frontend_tf.tflite.call import Call, Laid, is_quantized
from magik_frontend_tf.tflite.dilation import EXPLICIT
from magik_frontend_tf.tflite.layers import operator

INPUTS_FIRST = (3, 0, 1, 2)  # OHWI and 1HWC as IOHW and C1HW


@operator("CONV_2D")
def conv(c: Call) -> Laid:
    """Grouped where the weights have fewer channels than the image."""
    out, kh, kw, per_group = _weights(c, 1)
    channels = _channels(c, 0)
    if per_group < 1 or channels % per_group or out % max(channels // per_group, 1):
        found = f"{channels} channels, weights of {list(c.shape(1))}"
        raise Refusal("the weights of a convolution do not fit", found)
    w = c.laid(c.input(1), IMAGE)
    return _convolved(c, w, (kh, kw), out, channels // per_group)


@operator("DEPTHWISE_CONV_2D")
def depthwise(c: Call) -> Laid:
    """The multiplier is what the weights say: output channel k reads input channel k / multiplier, as ONNX has it."""
    first, kh, kw, out = _weights(c, 1)
    channels = _channels(c, 0)
    if first != 1 or out % channels:
        found = f"{channels} channels, weights of {list(c.shape(1))}"
        raise Refusal("the weights of a convolution do not fit", found)
    return _convolved(c, c.laid(c.input(1), INPUTS_FIRST), (kh, kw), out, channels)


def _convolved(c: Call, w: ir.Value, kernel: tuple[int, int], out: int, group: int) -> Laid:
    strides, dilations = _pair(c, "stride"), _pair(c, "dilation")
    where = padding(c, kernel, strides, dilations)
    y = c.emit(
        "Conv", c.image(0), w, _bias(c, 2, out), kernel_shape=list(kernel), strides=strides, dilations=dilations,
        group=group, **where,
    )  # fmt: skip
    return Laid(c.activated(y), IMAGE)


def padding(c: Call, kernel: tuple[int, int], strides: list[int], dilations: list[int]) -> dict[str, Any]:
    """ONNX's attributes for the padding of a window; sizes only where auto_pad cannot say it."""
    how = c.option("padding")
    if how == EXPLICIT:
        return {"pads": c.option("pads")}
    if how == "VALID" or (kernel == (1, 1) and strides == [1, 1]):
        return {}
    if dilations == [1, 1]:
        return {"auto_pad": "SAME_UPPER"}
    totals = []
    for size, k, s, d in zip(c.shape(0)[1:3], kernel, strides, dilations, strict=True):
        totals.append(max((math.ceil(size / s) - 1) * s + (k - 1) * d + 1 - size, 0))
    return {"pads": [*(n // 2 for n in totals), *(n - n // 2 for n in totals)]}


@operator("TRANSPOSE_CONV")
def transpose_conv(c: Call) -> Laid:
    """Inputs are the sizes of the output, the weights, the image."""
    sizes = c.ints(0)
    if len(sizes) != 4 or min(sizes) < 1:
        raise Refusal("the sizes of an output are none", sizes, "4 positive sizes")
    channels, kh, kw, _ = _weights(c, 1)
    strides, image = _pair(c, "stride"), c.image(2)
    begins, ends, added = [], [], []
    for out, size, k, s in zip(sizes[1:3], c.shape(2)[1:3], (kh, kw), strides, strict=True):
        total = (size - 1) * s + k - out
        if total <= -s:
            found, need = f"{size} to {out} with stride {s}", f"at most {(size - 1) * s + k + s - 1}"
            raise Refusal("the output of an operator is larger than its windows reach", found, need)
        begins.append(max(total, 0) // 2)
        ends.append(max(total, 0) - begins[-1])
        added.append(max(-total, 0))
    y = c.emit(
        "ConvTranspose", image, c.laid(c.input(1), INPUTS_FIRST), _bias(c, 3, channels), kernel_shape=[kh, kw],
        strides=strides, pads=[*begins, *ends], output_padding=added if any(added) else None,
    )  # fmt: skip
    return Laid(c.activated(y), IMAGE)


@operator("FULLY_CONNECTED")
def fully_connected(c: Call) -> Laid | ir.Value:
    """A Gemm over the last axis, Reshapes around it where the input has not two axes."""
    if c.option("weights_format"):
        raise Refusal("the weights are shuffled for one processor", c.option("weights_format"), "format 0")
    if c.rank(1) != 2:
        raise Refusal("the weights of a dense layer have no two axes", list(c.shape(1)))
    out, width = c.shape(1)
    count = math.prod(c.shape(0))
    if width < 1 or count % width:
        raise Refusal("the weights of a dense layer do not fit", f"{list(c.shape(0))}, weights of {list(c.shape(1))}")
    x = c.plain(0) if c.rank(0) == 2 and c.shape(0)[1] == width else _rows(c, [count // width, width])
    y = c.activated(c.emit("Gemm", x, c.plain(1), _bias(c, 2, out), transB=1))
    if not c.option("keep_num_dims") or c.rank(0) == 2:
        return y
    return c.emit("Reshape", _as_output(c, y), c.integers([*c.shape(0)[:-1], out], "shape"))


@operator("BATCH_MATMUL")
def batch_matmul(c: Call) -> ir.Value:
    a, b = (
        c.laid(c.input(i), _swapped(c.rank(i)) if c.option(name) else plain(c.rank(i)))
        for i, name in enumerate(("adj_x", "adj_y"))
    )
    return c.emit("MatMul", a, b)


def _swapped(rank: int) -> tuple[int, ...]:
    return (*range(rank - 2), rank - 1, rank - 2) if rank > 1 else plain(rank)


def _rows(c: Call, shape: list[int]) -> ir.Value:
    """The input as rows; codes stay what they are."""
    x = c.emit("Reshape", c.sequence(0), c.integers(shape, "rows"))
    tensor = c.input(0).tensor
    return quantized(c, x, tensor.name, 0) if is_quantized(tensor) else x


def _as_output(c: Call, y: ir.Value) -> ir.Value:
    """The rows of the output in its quantization, before they get their shape."""
    return quantized(c, y, c.outputs[0].name, None) if is_quantized(c.outputs[0]) else y


def quantized(c: Call, value: ir.Value, name: str, index: int | None) -> ir.Value:
    """A value behind Q and DQ of an input, or of the output where there is no index."""
    tensor = c.outputs[0] if index is None else c.input(index).tensor
    assert tensor.quantization is not None
    return c.builder.quantized(value, f"{name}/rows", tensor.type, tensor.quantization)


def _bias(c: Call, index: int, count: int) -> ir.Value | None:
    if not c.has(index):
        return None
    if c.shape(index) != (count,):
        raise Refusal("a bias does not fit its weights", list(c.shape(index)), f"{count} numbers")
    return c.plain(index)


def _weights(c: Call, index: int) -> tuple[int, int, int, int]:
    shape = c.shape(index)
    if len(shape) != 4:
        raise Refusal("the weights of a convolution have not 4 axes", list(shape))
    return shape[0], shape[1], shape[2], shape[3]


def _channels(c: Call, index: int) -> int:
    if c.rank(index) != 4:
        raise Refusal("an input is no image", f"shape {list(c.shape(index))}", "4 axes")
    return max(c.shape(index)[3], 1)


def _pair(c: Call, name: str) -> list[int]:
    found = [c.option(f"{name}_h"), c.option(f"{name}_w")]
    if min(found) < 1:
        raise Refusal(f"a {name} is none", found, "1 or more")
    return found
