"""Convolutions and dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from magik_frontend_tf.keras_files.call import LAST, Call
from magik_frontend_tf.keras_files.layers.activations import activate
from magik_frontend_tf.keras_files.layers.registry import layer
from magik_frontend_tf.keras_files.refusal import Refusal
from magik_frontend_tf.keras_files.tensor import Tensor, channels_first, plain


def same_pads(
    sizes: Sequence[int | str | None], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[int] | None:
    """TensorFlow's "same": begins, then ends, which get the odd one; None where it takes sizes that are open."""
    begins, ends = [], []
    for size, k, s, d in zip(sizes, kernel, strides, dilations, strict=True):
        reach = (k - 1) * d + 1
        if s == 1:
            total = reach - 1
        elif isinstance(size, int):
            total = max((-(-size // s) - 1) * s + reach - size, 0)
        else:
            return None
        begins.append(total // 2)
        ends.append(total - total // 2)
    return [*begins, *ends]


def window(c: Call, x: str, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> dict[str, Any]:
    """ONNX's attributes of a window over a value with the channels first."""
    rank, padding = len(kernel), c.choice("padding", ("valid", "same", "causal"), "valid")
    out: dict[str, Any] = {"kernel_shape": list(kernel), "strides": list(strides)}
    if max(dilations) > 1:
        out["dilations"] = list(dilations)
    if padding == "causal":
        if rank != 1:
            raise Refusal("the padding of the layer is not supported", f"causal, {rank} axes", "one axis")
        out["pads"] = [(kernel[0] - 1) * dilations[0], 0]
    elif padding == "same":
        pads = same_pads(c.builder.shape(x)[2:], kernel, strides, dilations)
        out.update({"auto_pad": "SAME_UPPER"} if pads is None else {"pads": pads})
    return out


def bias(c: Call, index: int, channels: int) -> list[str]:
    return [c.stored("bias", c.weight(index, [channels], "bias"))] if c.flag("use_bias", True) else []


def moved(kernel: np.ndarray) -> np.ndarray:
    """[k…, a, b] as [b, a, k…]"""
    return np.moveaxis(kernel, (-1, -2), (0, 1))


@layer("Conv1D", "Conv2D", "Convolution1D", "Convolution2D")
def conv(c: Call) -> Tensor:
    rank = int(c.layer.kind[-2])
    x = c.first(c.image(rank + 2), c.data_format)
    kernel, strides, dilations = _sizes(c, rank)
    filters, groups = c.integer("filters"), c.integer("groups", 1)
    weights = c.weight(0, [*kernel, None, filters], "kernel")
    constants = [c.stored("kernel", moved(weights)), *bias(c, 1, filters)]
    attributes = window(c, x, kernel, strides, dilations)
    y = c.emit("Conv", x, *constants, group=groups if groups > 1 else None, **attributes)
    return activate(c, c.from_first(y, c.data_format))


def _sizes(c: Call, rank: int) -> tuple[list[int], list[int], list[int]]:
    kernel, strides = c.integers("kernel_size", rank), c.integers("strides", rank, [1] * rank)
    return kernel, strides, c.integers("dilation_rate", rank, [1] * rank)


@layer("DepthwiseConv1D", "DepthwiseConv2D")
def depthwise_conv(c: Call) -> Tensor:
    rank = int(c.layer.kind[-2])
    y, channels = _depthwise(c, rank)
    constants = bias(c, 1, channels)
    return activate(c, c.from_first(c.emit("Conv", *y[:2], *constants, **y[2]), c.data_format))


def _depthwise(c: Call, rank: int) -> tuple[tuple[str, str, dict[str, Any]], int]:
    """The inputs and attributes of a Conv with a group for each channel, and how many channels it makes."""
    x = c.first(c.image(rank + 2), c.data_format)
    kernel, strides, dilations = _sizes(c, rank)
    times = c.integer("depth_multiplier", 1)
    weights = c.weight(0, [*kernel, None, times], "depthwise kernel")
    channels = weights.shape[-2]
    grouped = np.moveaxis(weights, (-2, -1), (0, 1)).reshape(channels * times, 1, *kernel)
    attributes = {**window(c, x, kernel, strides, dilations), "group": channels}
    return (x, c.stored("depthwise_kernel", grouped), attributes), channels * times


@layer("SeparableConv1D", "SeparableConv2D", "SeparableConvolution2D")
def separable_conv(c: Call) -> Tensor:
    """A Conv for each channel, then one of a single element across them."""
    rank = int(c.layer.kind[-2])
    (x, weights, attributes), channels = _depthwise(c, rank)
    filters = c.integer("filters")
    point = c.weight(1, [1] * rank + [channels, filters], "pointwise kernel")
    y = c.emit("Conv", x, weights, **attributes)
    constants = [c.stored("pointwise_kernel", moved(point)), *bias(c, 2, filters)]
    y = c.emit("Conv", y, *constants, kernel_shape=[1] * rank)
    return activate(c, c.from_first(y, c.data_format))


@layer("Conv1DTranspose", "Conv2DTranspose", "Convolution2DTranspose", "Deconvolution2D")
def conv_transpose(c: Call) -> Tensor:
    rank = 1 if "1D" in c.layer.kind else 2
    x = c.first(c.image(rank + 2), c.data_format)
    kernel, strides, dilations = _sizes(c, rank)
    given = c.config.get("output_padding")
    extra = None if given is None else c.integers("output_padding", rank, least=0)
    is_same = c.choice("padding", ("valid", "same"), "valid") == "same"
    filters = c.integer("filters")
    weights = c.weight(0, [*kernel, filters, None], "kernel")
    begins, ends, added = [], [], []
    for i, (k, s, d) in enumerate(zip(kernel, strides, dilations, strict=True)):
        cut = cut_off((k - 1) * d + 1, s, None if extra is None else extra[i], is_same)
        begins.append(max(cut, 0) // 2 if is_same else 0)
        ends.append(max(cut, 0) - begins[-1])
        added.append(max(-cut, 0))
    constants = [c.stored("kernel", moved(weights)), *bias(c, 1, filters)]
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "pads": [*begins, *ends]}
    if max(dilations) > 1:
        attributes["dilations"] = dilations
    if max(added):
        attributes["output_padding"] = added
    y = c.emit("ConvTranspose", x, *constants, **attributes)
    return activate(c, c.from_first(y, c.data_format))


def cut_off(reach: int, stride: int, extra: int | None, is_same: bool) -> int:
    """How much shorter the output is than all that the windows reach; below 0 where it is longer."""
    if extra is None:
        return reach - stride if is_same else min(reach - stride, 0)
    return (2 * (reach // 2) if is_same else 0) - extra


@layer("Dense")
def dense(c: Call) -> Tensor:
    """Gemm; a Conv of one element where the input is an image with its channels first, else MatMul."""
    x, units = c.x, c.integer("units")
    kernel = c.weight(0, [None, units], "kernel")
    if x.rank == 4 and x.order == channels_first(4):
        weights = c.stored("kernel_1x1", kernel.T[..., None, None])
        y = c.emit("Conv", x.forms[x.order], weights, *bias(c, 1, units), kernel_shape=[1, 1])
        return activate(c, c.from_first(y, LAST))
    weights = c.stored("kernel", kernel)
    if x.rank == 2:
        return activate(c, c.tensor(c.emit("Gemm", c.plain(x), weights, *bias(c, 1, units))))
    order = x.order if x.order[-1] == x.rank - 1 else plain(x.rank)
    y = c.emit("MatMul", c.form(x, order), weights)
    for b in bias(c, 1, units):
        y = c.emit("Add", y, b)
    return activate(c, c.tensor(y, order))


@layer("EinsumDense")
def einsum_dense(c: Call) -> Tensor:
    """A Dense across the last axes, as "abc,cd->abd" and "abc,cde->abde" say it."""
    equation = str(c.config.get("equation", "")).replace("...", "")
    left, _, out = equation.partition("->")
    x_axes, _, w_axes = left.partition(",")
    shared = "".join(a for a in x_axes if a in w_axes)
    kept, made = x_axes.removesuffix(shared), w_axes.removeprefix(shared)
    x = c.x
    if not shared or out != kept + made or kept + shared != x_axes or shared + made != w_axes:
        raise Refusal(
            "the equation of the layer is not supported", c.config.get("equation"), "abc,cd->abd and the like"
        )
    kernel = c.weight(0, [None] * len(w_axes), "kernel")
    sizes = kernel.shape[len(shared) :]
    y = _flat(c, c.plain(x), x, len(shared))
    y = c.emit("MatMul", y, c.stored("kernel", kernel.reshape(int(np.prod(kernel.shape[: len(shared)])), -1)))
    if c.config.get("bias_axes"):
        held = c.layer.weights[1] if len(c.layer.weights) > 1 else np.zeros(0, np.float32)
        full = np.broadcast_to(c.weight(1, held.shape, "bias"), sizes)
        y = c.emit("Add", y, c.stored("bias", full.reshape(-1)))
    if len(sizes) > 1:
        y = c.reshape(y, [*c.builder.shape(y)[:-1], *sizes])
    return activate(c, c.tensor(y))


def _flat(c: Call, value: str, x: Tensor, count: int) -> str:
    """The last axes as one."""
    shape = c.shape(x)
    return value if count == 1 else c.reshape(value, [*shape[: x.rank - count], -1])
