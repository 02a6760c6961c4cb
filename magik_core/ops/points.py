"""Points of a function with straight lines between: the tables of codes of more than 12 bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Params
from magik_core.program import QuantParams

Function = Callable[[Array], Array]

POINT_BITS = 12  # there are 2^12 + 2 points; up to this width a table has every code
FRACTION = 8  # fraction bits of a point, in codes of y
TOLERANCE = 1 / 8  # codes that lines may lie off the function


@dataclass(frozen=True)
class PointsParams(Params):
    bits: int  # of x's codes: [13, 16]
    phase: int  # points lie at codes 2^(bits - 12) * i - phase: [0, 2^(bits - 12))
    top: int  # largest code of y

    @property
    def spread(self) -> int:
        """Points lie 2^this codes apart."""
        return self.bits - POINT_BITS


@dataclass(frozen=True, eq=False)
class Points:
    """What the kernel points_u16 reads: `table` is s32 (2^12 + 2), 8 fraction bits.

    Source: docs/quantization.md, "Tables".
    """

    params: PointsParams
    table: Array


def real_codes(f: Function, a: QuantParams, b: QuantParams, q: Array) -> Array:
    """What f makes of codes q, in codes that are not rounded; NaN counts as real 0."""
    with np.errstate(all="ignore"):
        real = f(a.scale * (q - a.zero_point))
    return np.clip(np.nan_to_num(real / b.scale, nan=0.0, posinf=1e9, neginf=-1e9) + b.zero_point, -1e9, 1e9)


def find_points(f: Function, a: QuantParams, b: QuantParams) -> Points | None:
    """Points of f, unless a table of all codes is as small or a line misses f by more than TOLERANCE.

    Real zero is a point, since many functions bend there.
    """
    spread = a.bits - POINT_BITS
    if spread <= 0:
        return None
    p = PointsParams(a.bits, -floor(a.zero_point) % 2**spread, b.top)
    at = np.arange(2.0**POINT_BITS + 2) * 2**spread - p.phase
    fine = np.clip(real_codes(f, a, b, at) * 2.0**FRACTION, -(2.0**31), 2.0**31 - 1)
    table = numerics.round_half_up(fine).astype(np.int32)
    q = np.arange(a.top + 1)
    got, want = _between(p, q, table) / 2.0 ** (spread + FRACTION), real_codes(f, a, b, q)
    error = np.abs(np.clip(got, 0, b.top) - np.clip(want, 0, b.top)).max()
    table.flags.writeable = False
    return Points(p, table) if error <= TOLERANCE else None


def on_lines(p: PointsParams, x: Array, points: Array) -> Array:
    """Codes of y, rounded once."""
    return numerics.saturate(numerics.rescale(_between(p, x, points), 1, p.spread + FRACTION), 0, p.top)


def _between(p: PointsParams, x: Array, points: Array) -> Array:
    """Codes of y in `spread` + 8 fraction bits."""
    at, t = x.astype(np.int64) + p.phase, points.astype(np.int64)
    i = at >> p.spread
    return (t[i] << p.spread) + (t[i + 1] - t[i]) * (at & (1 << p.spread) - 1)
