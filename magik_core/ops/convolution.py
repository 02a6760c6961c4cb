"""What Conv, DepthwiseConv and ConvTranspose share: padding, weights in codes, folded inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from magik_core import layout, numerics
from magik_core.errors import LowerError
from magik_core.ops import Array, Op, Tensors, snake
from magik_core.program import QuantParams, Shape, Tensor, WeightParams

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering
    from magik_core.ops.conv import Conv
    from magik_core.source import Codes

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
    total = [
        max((-(-size[i] // strides[i]) - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1 - size[i], 0)
        for i in range(rank)
    ]
    small = [t // 2 for t in total]
    large = [t - t // 2 for t in total]
    check_window(node, to, strides, dilations, large)
    return (*small, *large) if auto == "SAME_UPPER" else (*large, *small)


def check_window(
    node: ir.Node, to: Lowering, strides: Sequence[int], dilations: Sequence[int], pads: Sequence[int]
) -> None:
    """Raises: LowerError: a stride, dilation or pad above what the kernels take."""
    for what, values in (("strides", strides), ("dilations", dilations), ("pads", pads)):
        if max(values) > MAX_STRIDE:
            raise to.problem(node, f"{what} are too large", list(values), f"at most {MAX_STRIDE}")


DOUBLINGS = 300  # of a scale: f32 spans 2^277, and training leaves weights of 1e-31


@dataclass(frozen=True)
class Head:
    """Where a convolution reads: `x`, with real = gain * (q - zero) per channel, up to the scale of x."""

    x: Tensor
    gain: Array  # (C) f64
    zero: Array  # (C) f64, codes of x that mean 0 to the convolution

    @property
    def is_uniform(self) -> bool:
        """Whether padding is one code."""
        z = self.zero
        return bool((z == z[0]).all() and z[0] == np.floor(z[0]) and 0 <= z[0] <= 255)


def head_of(node: ir.Node, to: Lowering, rank: int) -> Head:
    """The first input of a node in codes, channels last.

    Where it is a raw model input less a mean and times a factor, per channel, the raw input itself:
    the factor goes into the weights, the mean into the bias and into what padding adds.
    """
    value = node.inputs[0]
    assert value is not None
    channels = to.shape(value)[1]
    gain, offset = np.ones(channels), np.zeros(channels)
    inputs = {v.name for v in to.graph.inputs}
    while value.name not in inputs and not to.is_settled(value):
        step = _affine(value.producer(), to, channels)
        if step is None:
            return Head(x := to.take(node, 0, "u8", layout.channels_last(rank)), np.ones(channels), _zeros(x, channels))
        value, a, b = step
        offset, gain = offset + gain * b, gain * a
    x = to.relayout(to.codes(value), layout.channels_last(rank))
    assert isinstance(x.quant, QuantParams)
    if not gain.all():
        raise LowerError("a channel of the input is multiplied by zero", where=f"input '{value.name}'")
    return Head(x, gain, _zeros(x, channels) - offset / gain / x.quant.scale)


def _zeros(x: Tensor, channels: int) -> Array:
    assert isinstance(x.quant, QuantParams)
    return np.full(channels, float(x.quant.zero_point))


def _affine(node: ir.Node | None, to: Lowering, channels: int) -> tuple[ir.Value, Array, Array] | None:
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
    head = head_of(node, to, w.ndim)
    x, window = head.x, replace(window, twice=to.quantization.rounds_twice)
    assert isinstance(x.quant, QuantParams)
    w = w * per_tap(w.shape, head.gain, window.groups).reshape(w.shape).astype(np.float32)
    codes, b, scales = quantize_affine(node, to, w, bias, x.quant.scale, head.zero, window.groups)
    inputs = [x, add_weight(to, name, window.store(codes), scales), to.add(f"{name}/b", b, "s32")]
    if not any(window.pads) or head.is_uniform:
        to.emit(node, replace(window, zero=int(head.zero[0]) if head.is_uniform else 0), inputs, y)
        return
    sums = (codes.reshape(len(codes), -1) * per_tap(codes.shape, head.zero, window.groups)).reshape(codes.shape)
    border = numerics.round_half_up(sums.sum(-1).reshape(len(codes), -1)).astype(np.int32)
    to.emit(node, replace(window, has_border=True), [*inputs, to.add(f"{name}/border", border, "s32")], y)


def quantize_affine(
    node: ir.Node, to: Lowering, w: Array, bias: Array, x_scale: float, pad: Array, groups: int
) -> tuple[Array, Array, Array]:
    """Codes of weights (O, …, I), the bias in units of x_scale * scales with real zero folded in, scales (O).

    A channel whose bias is too large for its weights' scale gets a larger scale, so that sums stay in int32.
    Codes are of the type that the weight quantizer gives: int8, or int16 where they are wider.
    """
    flat = np.ascontiguousarray(w.reshape(w.shape[0], -1), np.float32)
    known = imported_weights(to.imported(node, 1), flat)
    codes, scales = known or to.quantize_weights(node, flat)
    zero = per_tap(w.shape, pad, groups)
    for _ in range(DOUBLINGS):
        units = bias_units(to.imported(node, 2), bias, x_scale * scales)
        wide = np.abs(np.round(units) - (codes * zero).sum(1)) + _most(codes, zero) > numerics.INT32_MAX
        if not wide.any():
            break
        if known:
            raise LowerError(f"{node.op_type}: sums do not fit 32 bits", where=f"node '{node.name}'")
        scales = np.where(wide, scales * 2, scales)
        top = np.iinfo(codes.dtype).max
        fresh = np.clip(numerics.round_half_up(flat / scales[:, None]), -top, top).astype(codes.dtype)
        codes = np.where(wide[:, None], fresh, codes)
    else:
        raise LowerError(f"{node.op_type}: sums do not fit 32 bits", where=f"node '{node.name}'")
    b = numerics.round_half_up(units - (codes * zero).sum(1))
    return codes.reshape(w.shape), b.astype(np.int32), scales


def _most(codes: Array, zero: Array) -> Array:
    """The largest sum per channel: each weight meets a code of x or, in the border, the code of real zero."""
    return np.asarray((np.maximum(255.0, np.abs(zero)) * np.abs(codes.astype(np.int64))).sum(1))


def imported_weights(known: Codes | None, flat: Array) -> tuple[Array, Array] | None:
    """The source's own codes, zero point taken off, and scales of weights (O, K), if they are still these.

    A real weight is scale * code in f32, so the quotient tells the code. Codes are s8, or s16 where a zero
    point makes them wider.
    """
    if known is None or len(flat) % known.scales.size:
        return None
    scales = np.tile(known.scales, len(flat) // known.scales.size) if known.scales.size > 1 else known.scales
    scales = np.broadcast_to(scales, (len(flat),))
    quotient = flat.astype(np.float64) / scales[:, None]
    codes = np.rint(quotient)
    if np.abs(quotient - codes).max(initial=0) > 1e-2 or np.abs(codes).max(initial=0) > 32767:
        return None
    is_narrow = codes.min(initial=0) >= -128 and codes.max(initial=0) <= 127
    return codes.astype(np.int8 if is_narrow else np.int16), scales


def bias_units(known: Codes | None, bias: Array, unit: Array) -> Array:
    """A bias (O) in units of s_x * s_w, before the zero point is folded in; the source's codes where it has them."""
    if known is not None and known.codes.shape == bias.shape:
        own = known.scales / unit
        if np.abs(own - 1).max() < 1e-5:  # f32 rounds the product of two scales
            return (known.codes - known.zero_points).astype(np.float64)
    return np.asarray(bias.astype(np.float64) / unit)


def add_weight(to: Lowering, name: str, codes: Array, scales: Array) -> Tensor:
    """A constant of weights, in the storage that their codes have."""
    dtype = "s8" if codes.dtype == np.int8 else "s16"
    return to.add(f"{name}/w", codes, dtype, WeightParams(tuple(float(s) for s in scales)))


def kernel_of(op: Op, x: Tensors, twice: bool) -> str:
    """Name of the kernel of an operator whose second input is weights.

    Sums that are rounded twice have one of their own, and so have weights of s16.
    """
    rest = "" if x[0].dtype == "f32" else "_twice" if twice else "_s16" if x[1].dtype == "s16" else ""
    return f"{snake(type(op).__name__)}_{x[0].dtype}{rest}"


def rescale(acc: Array, m: Array, s: Array, twice: bool) -> Array:
    """Sums (…, O) in units of s_y, rounded once or twice."""
    return numerics.rescale_twice(acc, m, s) if twice else numerics.rescale(acc, m, s)


def per_tap(shape: Shape, values: Array, groups: int) -> Array:
    """The value per input channel that each weight of (O, …, I) meets, as (O, k)."""
    per = shape[0] // groups
    rows = [np.broadcast_to(values[g * shape[-1] : (g + 1) * shape[-1]], shape[1:]).reshape(-1) for g in range(groups)]
    return np.repeat(np.array(rows), per, axis=0)


def channel_multipliers(x: Tensor, w: Tensor, y: Tensor) -> tuple[Array, Array]:
    """Multiplier and shift per output channel, s32 (O): s_x * s_w / s_y."""
    assert isinstance(x.quant, QuantParams) and isinstance(w.quant, WeightParams) and isinstance(y.quant, QuantParams)
    return numerics.each_multiplier(x.quant.scale * np.array(w.quant.scales) / y.quant.scale)


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
    """(…, C) times (O, C / groups) in exact float64."""
    per_x, per_w = x.shape[-1] // groups, w.shape[0] // groups
    parts = [
        x[..., g * per_x : (g + 1) * per_x].astype(np.float64) @ w[g * per_w : (g + 1) * per_w].T.astype(np.float64)
        for g in range(groups)
    ]
    return np.concatenate(parts, axis=-1)
