"""What Conv, DepthwiseConv and ConvTranspose share: padding, folded inputs, limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from magik_core import layout, numerics, shifted
from magik_core.errors import LowerError
from magik_core.ops import Array, Op, Tensors, snake
from magik_core.ops.sums import per_tap, quantize_affine
from magik_core.program import QuantParams, Shape, Tensor

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering
    from magik_core.ops.conv import Conv
    from magik_core.source import Source

Pair = tuple[int, int]
MAX_STRIDE = 1024  # of strides, dilations and pads; window.h refuses more
Flat = Callable[[Array], Array]


def pair(values: tuple[int, ...]) -> Pair:
    """Values of one or two axes as (height, width); a missing height is 1."""
    return (values[0], values[1]) if len(values) == 2 else (1, values[0])


def four(pads: tuple[int, ...]) -> tuple[int, int, int, int]:
    """ONNX pads of one or two axes as (top, left, bottom, right)."""
    return (pads[0], pads[1], pads[2], pads[3]) if len(pads) == 4 else (0, pads[0], 0, pads[1])


def explicit_pads(node: ir.Node, to: Lowering, size: Shape, kernel: Shape, strides: Shape, dilations: Shape) -> Shape:
    """Pads of a convolution or pooling node (begins, then ends), `auto_pad` resolved."""
    auto = to.attribute(node, "auto_pad", "NOTSET")
    rank = len(kernel)
    if auto in ("NOTSET", "VALID"):
        pads = to.attribute(node, "pads", (0,) * 2 * rank) if auto == "NOTSET" else (0,) * 2 * rank
        if min(pads) < 0:
            raise to.problem(node, "negative padding", pads, "0 and above")
        check_window(node, to, strides, dilations, pads)
        return tuple(pads)
    pads, _ = same_pads(
        auto, [-(-n // s) for n, s in zip(size, strides, strict=True)], size, kernel, strides, dilations
    )
    check_window(node, to, strides, dilations, pads)
    return pads


def same_pads(
    auto: str,
    small: Sequence[int],
    large: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> tuple[Shape, Shape]:
    """(begins, then ends, of the padding; what no window meets at the end) where sizes are given and padding is not.

    Args:   auto: with SAME_UPPER the larger part of the padding is at the end, else at the beginning;
            small: sizes with one window per element, y of a convolution and x of a transposed one; large: of the other.
    Source: ONNX Conv and ConvTranspose, auto_pad.
    """
    total = [(small[i] - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1 - large[i] for i in range(len(kernel))]
    less, more = [max(t, 0) // 2 for t in total], [max(t, 0) - max(t, 0) // 2 for t in total]
    pads = (*less, *more) if auto == "SAME_UPPER" else (*more, *less)
    return pads, tuple(max(-t, 0) for t in total)


def check_window(
    node: ir.Node, to: Lowering, strides: Sequence[int], dilations: Sequence[int], pads: Sequence[int]
) -> None:
    """Raises: LowerError: a stride, dilation or pad above what the kernels take."""
    for what, values in (("strides", strides), ("dilations", dilations), ("pads", pads)):
        if max(values) > MAX_STRIDE:
            raise to.problem(node, f"{what} are too large", list(values), f"at most {MAX_STRIDE}")


@dataclass(frozen=True)
class Head:
    """Where a convolution reads: `x`, with real = gain * (q - zero) per channel, up to the scale of x."""

    x: Tensor
    gain: Array  # (C) f64
    zero: Array  # (C) f64, codes of x that mean 0 to the convolution

    @property
    def is_uniform(self) -> bool:
        """Whether padding is one code."""
        z, q = self.zero, self.x.quant
        assert isinstance(q, QuantParams)
        return bool((z == z[0]).all() and z[0] == np.floor(z[0]) and 0 <= z[0] <= q.top)


def head_of(node: ir.Node, to: Lowering, rank: int, dtype: str) -> Head:
    """The first input of a node in codes stored as `dtype`, channels last.

    Where it is a raw model input less a mean and times a factor, per channel, the raw input itself:
    the factor goes into the weights, the mean into the bias and into what padding adds.
    """
    found = origin(node, to)
    if found is None:
        x = to.take(node, 0, dtype, layout.channels_last(rank))
        channels = x.shape[-1]
        return Head(x, np.ones(channels), _zeros(x, channels))
    value, gain, offset = found
    x = to.relayout(to.codes(value), layout.channels_last(rank))
    x = to.wide(x) if dtype == "u16" else x
    assert isinstance(x.quant, QuantParams)
    if not gain.all():
        raise LowerError("a channel of the input is multiplied by zero", where=f"input '{value.name}'")
    return Head(x, gain, _near_halves(_zeros(x, len(gain)) - offset / gain / x.quant.scale))


def origin(node: ir.Node, to: Source) -> tuple[ir.Value, Array, Array] | None:
    """(value, gain, offset) where the first input of a node is gain * value + offset per channel of a model input."""
    value = node.inputs[0]
    assert value is not None
    channels = to.shape(value)[1]
    gain, offset = np.ones(channels), np.zeros(channels)
    inputs = {v.name for v in to.graph.inputs}
    while value.name not in inputs and not to.is_settled(value):
        step = _affine(value.producer(), to, channels)
        if step is None:
            return None
        value, a, b = step
        offset, gain = offset + gain * b, gain * a
    return value, gain, offset


def met_gain(shape: Shape, gain: Array, groups: int) -> Array:
    """What each weight of (O, …, I) is multiplied by before it gets a code, f32, from the gain of its channel."""
    return per_tap(shape, gain, groups).reshape(shape).astype(np.float32)


def _near_halves(zero: Array) -> Array:
    """Codes that mean real zero, those that f32 has missed put right: multiples of a half."""
    half = np.rint(2 * zero) / 2
    return np.where(np.abs(zero - half) < shifted.NEAR, half, zero)


def _zeros(x: Tensor, channels: int) -> Array:
    assert isinstance(x.quant, QuantParams)
    return np.full(channels, float(x.quant.zero_point))


def _affine(node: ir.Node | None, to: Source, channels: int) -> tuple[ir.Value, Array, Array] | None:
    """(what the node reads, a, b) where it computes a * x + b with constants per channel."""
    if node is None or node.op_type not in ("Add", "Sub", "Mul", "Div"):
        return None
    at = 1 if to.constant(node, 1) is not None else 0
    c = to.constant(node, at)
    x = node.inputs[1 - at]
    if c is None or x is None or x.const_value is not None or (at == 0 and node.op_type in ("Sub", "Div")):
        return None
    rank = len(to.shape(x))
    wide = c.reshape((1,) * (rank - c.ndim) + c.shape) if c.ndim <= rank else c
    if wide.ndim != rank or wide.size not in (1, channels) or wide.size != wide.shape[1]:
        return None
    v = np.broadcast_to(wide.reshape(-1).astype(np.float64), (channels,))
    one, none = np.ones(channels), np.zeros(channels)
    if node.op_type in ("Add", "Sub"):
        return x, one, v if node.op_type == "Add" else -v
    return (x, v if node.op_type == "Mul" else 1 / v, none) if v.all() else None


def emit_convolution(node: ir.Node, to: Lowering, window: Conv, w: Array, bias: Array, y: ir.Value, dtype: str) -> None:
    """Emit a convolution of a node's first input.

    Args: window: the operator; w: (O, …, I) f32; bias: (O) f32.
    """
    name = node.name or ""
    if dtype == "f32":
        x = to.take(node, 0, "f32", layout.channels_last(w.ndim))
        inputs = [x, to.add(f"{name}/w", window.store(w), "f32"), to.add(f"{name}/b", bias, "f32")]
        to.emit(node, window, inputs, y)
        return
    head = head_of(node, to, w.ndim, dtype)
    w = w * met_gain(w.shape, head.gain, window.groups)
    sums = quantize_affine(node, to, w, bias, head.x, to.quant(y), head.zero, window.groups)
    window, codes = replace(window, twice=sums.twice), sums.codes
    inputs = sums.inputs(to, name, head.x, window.store)
    if not any(window.pads) or head.is_uniform:
        to.emit(node, replace(window, zero=int(head.zero[0]) if head.is_uniform else 0), inputs, y)
        return
    products = (codes.reshape(len(codes), -1) * per_tap(codes.shape, head.zero, window.groups)).reshape(codes.shape)
    border = numerics.round_half_up(products.sum(-1).reshape(len(codes), -1))
    if (most := np.abs(border).max()) > numerics.INT32_MAX:
        raise to.problem(node, "what padding adds does not fit 32 bits", most, f"at most {numerics.INT32_MAX}")
    border = border.astype(np.int32)
    to.emit(node, replace(window, has_border=True), [*inputs, to.add(f"{name}/border", border, "s32")], y)


def kernel_of(op: Op, x: Tensors, twice: bool) -> str:
    """Name of the kernel of an operator whose second input is weights.

    On u8, sums that are rounded twice have one of their own, and so have weights of s16.
    """
    rest = "" if x[0].dtype != "u8" else "_twice" if twice else "_s16" if x[1].dtype == "s16" else ""
    return f"{snake(type(op).__name__)}_{x[0].dtype}{rest}"


def rescale(acc: Array, m: Array, s: Array, twice: bool) -> Array:
    """Sums (…, O) in units of s_y, rounded once or twice."""
    return numerics.rescale_twice(acc, m, s) if twice else numerics.rescale(acc, m, s)


def code_limits(q: QuantParams, low: float, high: float) -> Pair:
    """Codes of real limits, within the codes there are."""
    codes = np.clip(np.array([low, high]) / q.scale + q.zero_point, 0, q.top)
    a, b = numerics.round_half_up(codes)
    return int(a), int(b)


def clip(x: Array, low: float, high: float) -> Array:
    """Limits on f32, as C does it: a NaN passes."""
    lo, hi = np.float32(low), np.float32(high)
    x = np.where(x < lo, lo, x)
    return np.where(x > hi, hi, x).astype(np.float32)


def two_axes(x: Array, w: Array) -> tuple[Array, Array, Flat]:
    """Views with height 1 of one-axis arrays, and what takes the result back."""
    if x.ndim == 4:
        return x, w, lambda y: y
    return x[:, None], w[:, None], lambda y: y[:, 0]


def grouped_matmul(x: Array, w: Array, groups: int) -> Array:
    """(…, C) times (O, C / groups) in f64, exact below 2^53."""
    per_x, per_w = x.shape[-1] // groups, w.shape[0] // groups
    parts = [
        x[..., g * per_x : (g + 1) * per_x].astype(np.float64) @ w[g * per_w : (g + 1) * per_w].T.astype(np.float64)
        for g in range(groups)
    ]
    return np.concatenate(parts, axis=-1)
