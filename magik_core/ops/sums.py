"""Sums of a convolution or Gemm in integers: weights and biases in codes, and how many bits the sums take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import layout, numerics
from magik_core.ops import Array
from magik_core.program import DTYPES, QuantParams, Shape, Tensor, WeightParams

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering
    from magik_core.source import Codes

DOUBLINGS = 300  # of a scale: f32 spans 2^277, and training leaves weights of 1e-31
MAX_SUM = 2**53  # of sums in 64 bits: f64, and so numpy's products of matrices, are exact below; weights.h
MIN_FACTOR = 2.0**-30  # s_x * s_w / s_y of such sums: a multiplier has full precision
NOTHING = 2.0**-3  # codes of y: what all weights of a channel together may lose for sums in 32 bits


@dataclass(frozen=True)
class Sums:
    """Weights and bias of sums in integers.

    Args:
        codes: (O, …, I), int8, or int16 where the weight quantizer or the source gives wider ones.
        bias: (O) int64, in units of s_x * scales, with real zero folded in.
        scales: (O).
        is_long: sums need 64 bits, which kernels on u16 have.
        twice: they are rounded twice.
        bits: of the weights.
    """

    codes: Array
    bias: Array
    scales: Array
    is_long: bool
    twice: bool
    bits: int

    def inputs(self, to: Lowering, name: str, x: Tensor, store: Callable[[Array], Array] = np.asarray) -> list[Tensor]:
        """What a step reads: x in the storage that the sums need, the stored weights, the bias."""
        w = add_weight(to, name, store(self.codes), self.scales, self.bits)
        kind = "s64" if self.is_long else "s32"
        return [to.wide(x) if self.is_long else x, w, to.add(f"{name}/b", self.bias.astype(DTYPES[kind]), kind)]


def quantize_affine(
    node: ir.Node, to: Lowering, w: Array, bias: Array, x: Tensor, y: QuantParams, pad: Array, groups: int
) -> Sums:
    """Codes of weights (O, …, I) and a bias (O) for sums over the codes of x, whose real zero is `pad` per channel.

    A channel whose sums do not fit, or that needs 64 bits only because its bias is large beside its weights, gets a
    larger scale; codes of the source stay.
    Raises: LowerError: sums do not fit, whatever the scale.
    Source: docs/quantization.md, "Convolution".
    """
    assert isinstance(x.quant, QuantParams)
    flat = np.ascontiguousarray(w.reshape(w.shape[0], -1), np.float32)
    known = imported_weights(to.imported(node, 1), flat)
    codes, scales, bits = known or to.quantize_weights(node, flat)
    zero, largest = (per_tap(w.shape, v, groups) for v in (pad, np.maximum(float(x.quant.top), np.abs(pad))))
    twice = to.quantization.rounds_twice and x.dtype == "u8"
    for _ in range(DOUBLINGS):
        unit = x.quant.scale * scales
        b = bias_units(to.imported(node, 2), bias, unit) - (codes * zero).sum(1) + y.zero_point % 1 * y.scale / unit
        total = np.abs(numerics.round_half_up(np.clip(b, -(2.0**62), 2.0**62))) + _most(codes, largest)
        is_long = total > numerics.INT32_MAX
        too_large = is_long & (twice | (total > MAX_SUM) | (unit < MIN_FACTOR * y.scale))
        if not known:
            too_large |= is_long & (unit * x.quant.top * flat.shape[1] < NOTHING * y.scale)
        if not too_large.any():
            return Sums(codes.reshape(w.shape), numerics.round_half_up(b), scales, bool(is_long.any()), twice, bits)
        if known:
            break
        scales = np.where(too_large, scales * 2, scales)
        top = np.iinfo(codes.dtype).max
        fresh = np.clip(numerics.round_half_up(flat / scales[:, None]), -top, top).astype(codes.dtype)
        codes = np.where(too_large[:, None], fresh, codes)
    wide, limit = (32, numerics.INT32_MAX) if twice or total.max() <= MAX_SUM else (64, MAX_SUM)
    raise to.problem(node, f"sums do not fit {wide} bits", f"{total.max():.0f}", f"at most {limit}")


def _most(codes: Array, largest: Array) -> Array:
    """The largest sum per channel: each weight meets a code of x or, in the border, the code of real zero."""
    return np.asarray((largest * np.abs(codes, dtype=np.int32)).sum(1))


def add_weight(to: Lowering, name: str, codes: Array, scales: Array, bits: int) -> Tensor:
    """A constant of weights, in the storage that their codes have."""
    dtype = "s8" if codes.dtype == np.int8 else "s16"
    return to.add(f"{name}/w", codes, dtype, WeightParams(tuple(float(s) for s in scales), bits=bits))


def imported_weights(known: Codes | None, flat: Array) -> tuple[Array, Array, int] | None:
    """The source's own codes, zero point taken off, scales and bits of weights (O, K), if they are still these.

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
    return codes.astype(np.int8 if is_narrow else np.int16), scales, known.bits


def bias_units(known: Codes | None, bias: Array, unit: Array) -> Array:
    """A bias (O) in units of s_x * s_w, before the zero point is folded in; the source's codes where it has them."""
    if known is not None and known.codes.shape == bias.shape:
        own = known.scales / unit
        if np.abs(own - 1).max() < 1e-5:  # f32 rounds the product of two scales
            return (known.codes - known.zero_points).astype(np.float64)
    return np.asarray(bias.astype(np.float64) / unit)


def per_tap(shape: Shape, values: Array, groups: int) -> Array:
    """The value per input channel that each weight of (O, …, I) meets, as (O, k); not to be written to."""
    per, taps = shape[0] // groups, layout.count(shape[1:-1])
    rows = np.tile(values.reshape(groups, -1), taps)
    return np.broadcast_to(rows, (per, rows.size)) if groups == 1 else np.repeat(rows, per, axis=0)


def channel_multipliers(x: Tensor, w: Tensor, y: Tensor) -> tuple[Array, Array]:
    """Multiplier and shift per output channel, s32 (O): s_x * s_w / s_y."""
    assert isinstance(x.quant, QuantParams) and isinstance(w.quant, WeightParams) and isinstance(y.quant, QuantParams)
    return numerics.each_multiplier(x.quant.scale * np.array(w.quant.scales) / y.quant.scale)
