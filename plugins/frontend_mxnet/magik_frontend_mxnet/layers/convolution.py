"""Convolutions and dense layers."""

from __future__ import annotations

import numpy as np

from magik_frontend_mxnet.call import Call
from magik_frontend_mxnet.layers.registry import layer
from magik_frontend_mxnet.refusal import Refusal

LAYOUTS = ("NCHW", "NCW", "NCDHW")


@layer("Convolution", "Convolution_v1")
def convolution(c: Call) -> str:
    kernel, window = _window(c)
    group, channels = c.attrs.integer("num_group", 1, least=1), c.attrs.integer("num_filter", least=1)
    _check(c, kernel, channels, channels_axis=0)
    inputs = [c.x, c.weight(1)] + ([] if c.attrs.flag("no_bias", False) else [c.weight(2)])
    pad = window.pop("pad")
    return c.emit("Conv", *inputs, kernel_shape=kernel, pads=[*pad, *pad], group=group, **window)


@layer("Deconvolution")
def deconvolution(c: Call) -> str:
    kernel, window = _window(c)
    group, channels = c.attrs.integer("num_group", 1, least=1), c.attrs.integer("num_filter", least=1)
    _check(c, kernel, channels // group, channels_axis=1)
    inputs = [c.x, c.weight(1)] + ([] if c.attrs.flag("no_bias", True) else [c.weight(2)])
    pad = window.pop("pad")
    target = c.attrs.integers("target_shape", ())
    if any(target):
        _same_length("target_shape", target, kernel)
        return c.emit("ConvTranspose", *inputs, kernel_shape=kernel, output_shape=target, group=group, **window)
    adj = c.attrs.integers("adj", (), least=0) or [0] * len(kernel)
    _same_length("adj", adj, kernel)
    return c.emit(
        "ConvTranspose", *inputs, kernel_shape=kernel, pads=[*pad, *pad], output_padding=adj, group=group, **window
    )


def _window(c: Call) -> tuple[list[int], dict[str, list[int]]]:
    """The kernel, and strides, dilations and pad by ONNX's names."""
    kernel = c.attrs.integers("kernel", least=1)
    if not 1 <= len(kernel) <= 3:
        raise Refusal("a window has too many axes", f"kernel {tuple(kernel)}", "1 to 3 axes")
    c.attrs.text("layout", LAYOUTS[len(kernel) == 1], LAYOUTS)
    found = {}
    for name, ours, least in (("stride", "strides", 1), ("dilate", "dilations", 1), ("pad", "pad", 0)):
        found[ours] = c.attrs.integers(name, (), least=least) or [least] * len(kernel)
        _same_length(name, found[ours], kernel)
    return kernel, found


def _same_length(name: str, found: list[int], kernel: list[int]) -> None:
    if len(found) != len(kernel):
        raise Refusal("an attribute does not fit the kernel", f"{name} {tuple(found)}", f"{len(kernel)} numbers")


def _check(c: Call, kernel: list[int], channels: int, channels_axis: int) -> None:
    """Hold the stored weights against the attributes."""
    shape = c.builder.shape(c.weight(1))
    if shape is not None and (list(shape[2:]) != kernel or shape[channels_axis] != channels):
        found, need = f"{c.input(1)} {list(shape)}", f"{channels} channels and a kernel {tuple(kernel)}"
        raise Refusal("a parameter does not fit its layer", found, need)


@layer("FullyConnected")
def fully_connected(c: Call) -> str:
    x, bias = c.x, [] if c.attrs.flag("no_bias", False) else [c.weight(2)]
    units, shape = c.attrs.integer("num_hidden", least=1), c.builder.shape(c.weight(1))
    if shape is not None and (len(shape) != 2 or shape[0] != units):
        raise Refusal("a parameter does not fit its layer", f"{c.input(1)} {list(shape)}", f"{units} rows")
    is_flat = c.attrs.flag("flatten", True)
    rank = len(c.builder.shape(x) or ())
    if is_flat and rank != 2:
        x = c.emit("Flatten", x, axis=1)
    if is_flat or rank == 2:
        return c.emit("Gemm", x, c.weight(1), *bias, transB=1)
    product = c.emit("MatMul", x, np.ascontiguousarray(c.constant(1, axes=2).T))
    return c.emit("Add", product, *bias) if bias else product


@layer("dot")
def dot(c: Call) -> str:
    a, b = (_transposed(c, c.input(i), c.attrs.flag(name, False), 2) for i, name in _SIDES)
    if c.rank(b) > 2:
        raise Refusal("a product of many axes is not supported", f"{c.rank(b)} axes on the right", "1 or 2")
    return c.emit("MatMul", a, b)


@layer("batch_dot", "linalg_gemm2", "_linalg_gemm2")
def batch_dot(c: Call) -> str:
    a, b = (_transposed(c, c.input(i), c.attrs.flag(name, False), 3) for i, name in _SIDES)
    alpha, axis = c.attrs.number("alpha", 1), c.attrs.integer("axis", -2)
    if axis != -2:
        raise Refusal("an attribute has a value that is not supported", f"axis {axis}", "-2")
    y = c.emit("MatMul", a, b)
    return y if alpha == 1 else c.emit("Mul", y, np.float32(alpha))


_SIDES = ((0, "transpose_a"), (1, "transpose_b"))


def _transposed(c: Call, value: str, is_transposed: bool, usual: int) -> str:
    """The last two axes exchanged where asked; `usual` axes are taken where the number is not known."""
    if not is_transposed:
        return value
    rank = len(c.builder.shape(value) or [0] * usual)
    if rank < 2:
        return value
    return c.emit("Transpose", value, perm=[*range(rank - 2), rank - 1, rank - 2])
