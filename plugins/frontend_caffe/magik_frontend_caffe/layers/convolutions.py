"""Convolutions, pooling and inner products, with Caffe's rules for their windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from magik_frontend_caffe.layers import layer
from magik_frontend_caffe.reader import Layer
from magik_frontend_caffe.schema import Message

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_frontend_caffe.builder import Builder

MAX_WINDOW = 1 << 16  # along an axis
MAX_BAND = 4096  # channels of an LRN


@layer("Convolution", "DepthwiseConvolution", "ConvolutionDepthwise")
def convolution(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Conv; a depthwise type without `group` has one group for each channel."""
    param, shape = layer.param("convolution_param"), to.shape(x)
    window = convolution_window(to, param, shape)
    out, group = convolution_channels(layer, to, param, shape)
    weights = to.weight(0, (out, shape[1] // group, *window["kernel_shape"]))
    return to.node("Conv", x, to.constant(weights, "weight"), bias(to, param, out), group=group, **window)


@layer("Deconvolution", "DepthwiseDeconvolution")
def deconvolution(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """ConvTranspose."""
    param, shape = layer.param("convolution_param"), to.shape(x)
    window = convolution_window(to, param, shape)
    out, group = convolution_channels(layer, to, param, shape)
    weights = to.weight(0, (shape[1], out // group, *window["kernel_shape"]))
    return to.node("ConvTranspose", x, to.constant(weights, "weight"), bias(to, param, out), group=group, **window)


def bias(to: Builder, param: Message, count: int) -> ir.Value | None:
    return to.constant(to.weight(1, (count,), "a bias"), "bias") if param["bias_term"] else None


def convolution_channels(layer: Layer, to: Builder, param: Message, shape: Sequence[int]) -> tuple[int, int]:
    """How many channels come out, and in how many groups."""
    is_depthwise = "Depthwise" in layer.type and "group" not in param
    out, group = param["num_output"], shape[1] if is_depthwise else param["group"]
    if min(group, out) < 1 or shape[1] % group or out % group:
        found, need = f"{out} of {shape[1]} channels in {group} groups", "groups that divide both"
        raise to.problem("the channels of a convolution do not fit", found, need)
    return out, group


def convolution_window(to: Builder, param: Message, shape: Sequence[int]) -> dict[str, Any]:
    """ONNX's attributes of a window; each of Caffe's fields is given once, once per axis, or as …_h and …_w."""
    rank = len(shape) - 2
    if param["axis"] not in (1, 1 - len(shape)) or rank not in (1, 2):
        found = f"axis {param['axis']} of {list(shape)}"
        raise to.problem("the convolution has an unusual axis", found, "axis 1 of 3 or 4 axes")

    def sizes(name: str, pair: str, default: int | None) -> list[int]:
        names = [f"{pair}_h", f"{pair}_w"] if pair else []
        given = list(param[name]) or [param[n] for n in names if any(m in param for m in names)]
        given = given or ([] if default is None else [default])
        if len(given) not in (1, rank):
            raise to.problem("the window has the wrong number of axes", f"{name}: {given}", f"1 or {rank} numbers")
        return given * rank if len(given) == 1 else given

    kernel, strides = sizes("kernel_size", "kernel", None), sizes("stride", "stride", 1)
    pads, dilations = sizes("pad", "pad", 0), sizes("dilation", "", 1)
    check_window(to, kernel, strides, dilations, pads)
    return {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": pads * 2}


def check_window(to: Builder, *numbers: Sequence[int]) -> None:
    """Raises: ModelError: a kernel, a stride or a dilation of 0, or any number that is too large."""
    positive = numbers[:-1]  # the last are the pads
    if min(min(n) for n in positive) < 1 or max(max(n) for n in numbers) > MAX_WINDOW:
        found = ", ".join(str(list(n)) for n in numbers)
        raise to.problem("the window is no window", found, f"sizes in [1, {MAX_WINDOW}]")


@layer("Pooling")
def pooling(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """MaxPool or AveragePool with `ceil_mode`; the global ones with `global_pooling`.

    Caffe rounds the number of windows up, and drops the last one where it would begin behind the padding.
    """
    param, shape = layer.param("pooling_param"), to.shape(x)
    if param["pool"] == "STOCHASTIC":
        raise to.problem("a layer cannot be converted", "pool: STOCHASTIC", "MAX or AVE")
    if len(shape) != 4:
        raise to.problem("the layer needs height and width", list(shape), "4 axes")
    is_max = param["pool"] == "MAX"
    if param["global_pooling"]:
        return to.node("GlobalMaxPool" if is_max else "GlobalAveragePool", x)
    kernel, strides, pads = (_pair(param, name) for name in ("kernel", "stride", "pad"))
    check_window(to, kernel, strides, pads)
    if any(pad >= size for pad, size in zip(pads, kernel, strict=True)):
        raise to.problem("the padding is as large as the window", f"pad {pads}, kernel {kernel}", "less padding")
    is_ceil = param["ceil_mode"] if "ceil_mode" in param else param["round_mode"] == "CEIL"
    for size, k, stride, pad in zip(shape[2:], kernel, strides, pads, strict=True):
        _check_last(to, size, k, stride, pad, is_ceil)
    window: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "pads": pads * 2, "ceil_mode": int(is_ceil)}
    return to.node("MaxPool", x, **window) if is_max else to.node("AveragePool", x, count_include_pad=1, **window)


def _pair(param: Message, name: str) -> list[int]:
    """Height and width of a pooling's field."""
    whole = f"{name}_size" if name == "kernel" else name
    names = [f"{name}_h", f"{name}_w"]
    is_pair = any(n in param for n in names)
    return [param[n] for n in names] if is_pair else [param[whole]] * 2


def _check_last(to: Builder, size: int, kernel: int, stride: int, pad: int, is_ceil: bool) -> None:
    """Refuse what makes Caffe read nothing: without padding it keeps a window that begins behind the input."""
    room = size + 2 * pad - kernel
    if room < 0:
        raise to.problem("the window is larger than its input", f"{kernel} on {size}, padded by {pad}")
    last = (room + (stride - 1 if is_ceil else 0)) // stride * stride
    if not pad and last >= size:
        found = f"{size} elements, a window of {kernel} at {last}"
        raise to.problem("the last window of a pooling lies outside of its input", found)


@layer("InnerProduct")
def inner_product(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Flatten, where there is something to flatten, and Gemm; Reshape and MatMul where `axis` is not 1."""
    param, shape = layer.param("inner_product_param"), to.shape(x)
    axis, out = to.axis(x, param["axis"]), param["num_output"]
    count = int(np.prod(shape[axis:], dtype=object))
    weights = to.weight(0, (count, out) if param["transpose"] else (out, count))
    c = bias(to, param, out)
    if axis == 1:
        flat = x if len(shape) == 2 else to.node("Flatten", x, axis=1)
        return to.node("Gemm", flat, to.constant(weights, "weight"), c, transB=int(not param["transpose"]))
    flat = x if axis == len(shape) - 1 else to.reshape(x, [*[0] * axis, -1])
    y = to.node("MatMul", flat, to.constant(weights if param["transpose"] else weights.T, "weight"))
    return y if c is None else to.node("Add", y, c)


@layer("LRN")
def lrn(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """x times Pow of a mean of squares, which a Conv takes across channels, an AveragePool within."""
    param, shape = layer.param("lrn_param"), to.shape(x)
    size, alpha, k = param["local_size"], param["alpha"], param["k"]
    if len(shape) != 4 or size % 2 == 0 or not 1 <= size <= MAX_WINDOW:
        found = f"local_size {size} on {list(shape)}"
        raise to.problem("the window is no window", found, f"an odd local_size up to {MAX_WINDOW}, on 4 axes")
    square = to.node("Mul", x, x)
    if param["norm_region"] == "WITHIN_CHANNEL":
        mean = to.node("AveragePool", square, kernel_shape=[size] * 2, pads=[size // 2] * 4, count_include_pad=1)
        total = to.node("Add", to.node("Mul", mean, to.constant(alpha, "alpha")), to.constant(1, "one"))
    else:
        total = to.node("Conv", square, band(to, shape[1], size, alpha), to.constant([k] * shape[1], "k"))
    return to.node("Mul", x, to.node("Pow", total, to.constant(-param["beta"], "power")))


def band(to: Builder, channels: int, size: int, alpha: float) -> ir.Value:
    """Weights of a 1x1 convolution: alpha / size for the channels near each other."""
    if channels > MAX_BAND:
        raise to.problem("the layer has too many channels", channels, f"at most {MAX_BAND}")
    i = np.arange(channels)
    near = np.abs(i[:, None] - i) <= size // 2
    return to.constant(np.where(near, alpha / size, 0)[..., None, None], "near")
