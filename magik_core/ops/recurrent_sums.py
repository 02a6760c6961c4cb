"""The sums of gates on codes: their factors, and what they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from magik_core import numerics
from magik_core.errors import QuantizeError
from magik_core.ops import Array
from magik_core.program import QuantParams

MOST = 61  # a sum stays below 2^61, half of a unit on top below 2^62


@dataclass(frozen=True)
class Side:
    """Codes (rows, K), f64 scales of the rows, and the codes that they meet; real biases (rows)."""

    codes: Array
    scales: Array
    quant: QuantParams
    bias: Array

    @property
    def ratios(self) -> Array:
        """Units of a sum as fixed numbers."""
        return np.asarray(self.quant.scale * self.scales * 2.0**numerics.FIXED_BITS)

    @property
    def most(self) -> Array:
        """What a sum and its part for the zero point can reach, fixed, and the bias."""
        total = np.abs(self.codes.astype(np.int64)).sum(1) * 2.0 * self.quant.top * self.ratios
        return np.asarray(total + np.abs(self.bias.astype(np.float64)) * 2.0**numerics.FIXED_BITS)

    def start(self, m: Array, s: Array) -> Array:
        """s64: the bias in units of a sum, real zero folded in."""
        units = numerics.round_half_up(np.ldexp(self.bias.astype(np.float64), s + numerics.FIXED_BITS))
        twice = int(2 * self.quant.zero_point) * self.codes.astype(np.int64).sum(1) * m
        return np.asarray(units - (twice >> 1))


def factors(x: Side, h: Side) -> tuple[Array, Array, Array]:
    """(s32 (3, rows): m_x, m_h and s; s64 (rows): what begins the sum of x; the same of h).

    Raises: QuantizeError: a gate's sums are beyond 2^61 with any shift.
    Source: docs/quantization.md, "Recurrent layers".
    """
    rows = []
    for of_x, of_h, most in zip(x.ratios, h.ratios, x.most + h.most, strict=True):
        limit = MOST - math.frexp(most)[1]
        if limit < 1:
            need = f"|a gate's sum| < 2^{MOST - 1 - numerics.FIXED_BITS}"
            raise QuantizeError("sums of a gate are out of range", found=f"{most:g}", need=need)
        (m_x, m_h), s = numerics.multipliers(float(of_x), float(of_h), most_shift=limit)
        rows.append((m_x, m_h, s))
    table = np.array(rows, np.int64).T
    return table.astype(np.int32), x.start(table[0], table[2]), h.start(table[1], table[2])


@dataclass(frozen=True)
class GateSums:
    """The gates of one direction: w (rows, I) and r (rows, H) as f64, which hold their sums exactly; b (B H)."""

    w: Array
    r: Array
    b: Array
    factors: Array

    @classmethod
    def of(cls, direction: int, directions: int, w: Array, r: Array, b: Array, table: Array) -> GateSums:
        count = len(w) // directions
        own = slice(direction * count, (direction + 1) * count)
        return cls(w[own].astype(np.float64), r[own].astype(np.float64), b[direction], table[:, own].astype(np.int64))

    def of_x(self, x: Array, rows: slice) -> Array:
        return np.asarray((x.astype(np.float64) @ self.w[rows].T).astype(np.int64))

    def of_h(self, h: Array, rows: slice) -> Array:
        return np.asarray((h.astype(np.float64) @ self.r[rows].T).astype(np.int64))

    def total(self, rows: slice, of_x: Array | int, of_h: Array | int, biases: slice | None = None) -> Array:
        """Fixed (N, rows): what enters gates."""
        m_x, m_h, s = self.factors[:, rows]
        acc = of_x * m_x + of_h * m_h + self.b[rows if biases is None else biases]
        return numerics.fixed(numerics.shift(acc, s))

    def of_both(self, x: Array, h: Array, rows: slice) -> Array:
        return self.total(rows, self.of_x(x, rows), self.of_h(h, rows))
