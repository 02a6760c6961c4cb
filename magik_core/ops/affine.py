"""Affine: what a scalar constant does to codes."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Params, Tensors
from magik_core.ops.convolution import code_limits
from magik_core.ops.lut import Pointwise, quants

MAX_SHIFT = 44  # of the gain: an offset of 2^17 codes then has 61 bits


@dataclass(frozen=True)
class AffineParams(Params):
    multiplier: int  # gain * s_x / s_y
    shift: int  # [1, 44]
    offset_low: int  # s64 in two words, low first: units of 2^-shift, [-2^61, 2^61)
    offset_high: int
    low: int  # smallest and largest code of y
    high: int


@dataclass(frozen=True)
class Affine(Pointwise):
    """gain * x + offset, limited to [low, high]: a table on u8, one multiplication on u16.

    Shapes: x any, y as x.
    Source: docs/quantization.md, "Tables".
    """

    gain: float = 1.0
    offset: float = 0.0
    low: float = -np.inf
    high: float = np.inf

    dtypes = ("u8", "u16")

    def function(self, x: Array) -> Array:
        return np.clip(self.gain * x + self.offset, self.low, self.high)

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return "lut_u8" if x[0].dtype == "u8" else "affine_u16"

    def params(self, x: Tensors, y: Tensors) -> Params:
        if x[0].dtype == "u8":
            return Params()
        a, b = quants(x, y)
        m, s = numerics.multiplier(self.gain * a.scale / b.scale)
        if s > MAX_SHIFT or m == 0:
            m, s = floor(m / 2.0 ** (s - MAX_SHIFT) + 0.5) if m else 0, MAX_SHIFT
        offset = floor((self.offset / b.scale + b.zero_point) * 2.0**s + 0.5) - floor(a.zero_point * m + 0.5)
        offset = min(max(offset, -(2**61)), 2**61 - 1)
        low_word = (offset & 0xFFFFFFFF) - (offset << 1 & 1 << 32)
        return AffineParams(m, s, low_word, offset >> 32, *code_limits(b, min(self.low, self.high), self.high))

    def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
        return super().tables(x, y) if x[0].dtype == "u8" else ()

    def integer(self, p: Params, x: Array, *table: Array) -> Array:
        if not isinstance(p, AffineParams):
            return super().integer(p, x, *table)
        offset = p.offset_high << 32 | p.offset_low & 0xFFFFFFFF
        return numerics.saturate(
            numerics.rescale(x.astype(np.int64) * p.multiplier + offset, 1, p.shift), p.low, p.high
        )
