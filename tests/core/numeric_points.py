"""Where arithmetic goes wrong: ties, their neighbors, extremes."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from magik_core import numerics
from tests.runtime.native import Array

F = np.float32
LOW, HIGH = -(2**31), 2**31 - 1
I32, I64 = np.int32, np.int64
MULTIPLIERS = (2**30, 2**30 + 1, 3 * 2**29, HIGH - 1, HIGH, -(2**30), -HIGH, LOW, 1, -1, 0, 715827883)
ACCUMULATORS = (LOW, LOW + 1, HIGH, HIGH - 1, 0, 1, -1, 2, -2, 3, -3, 1000, -1000, 12345679, -12345679)
SHIFTS = tuple(range(1, 63))


def shift_points() -> tuple[Array, Array]:
    """(v, s): for every shift the ties around 0 and at the ends, one below and one above each."""
    points = []
    for s in SHIFTS:
        half, whole = 1 << (s - 1), 1 << s
        near = {k * whole + half + d for k in (-3, -2, -1, 0, 1, 2) for d in (-1, 0, 1)}
        far = {v + d for v in ((1 << 62) - half, -(1 << 62) + half) for d in (-1, 0, 1)}
        points += [(v, s) for v in sorted(near | far) if abs(v) < 1 << 62]
    v, s = zip(*points, strict=True)
    return np.array(v, I64), np.array(s, I32)


def rescale_points() -> tuple[Array, Array, Array]:
    """(acc, m, s): all extremes with all shifts, and accumulators whose product lies next to a tie."""
    points = {(a, m, s) for a in ACCUMULATORS for m in MULTIPLIERS for s in SHIFTS}
    for m in MULTIPLIERS[:7]:
        for s in SHIFTS:
            for k in (-2, -1, 0, 1, 2):
                tie = round(Fraction((2 * k + 1) << (s - 1), m))
                points |= {(a, m, s) for a in (tie - 1, tie, tie + 1) if LOW <= a <= HIGH}
    acc, multiplier, shift = zip(*sorted(points), strict=True)
    return np.array(acc, I32), np.array(multiplier, I32), np.array(shift, I32)


def twice_points() -> tuple[Array, Array, Array]:
    """(acc, m, s): extremes, and what lies about ties after a first rounding at 2^31, m in [2^30, 2^31)."""
    multipliers = (*(m for m in MULTIPLIERS if m >= 2**30), 1518500250, 2**30 + 2**15)
    points = {(a, m, s) for a in ACCUMULATORS for m in multipliers for s in SHIFTS}
    points |= {(a, m, s) for a in range(-40, 41) for m in multipliers for s in SHIFTS}
    for s in SHIFTS:
        half = 1 << max(s - 32, 0)  # of the second step, in units of the first
        for m in multipliers:
            for k in (-4, -3, -2, -1, 0, 1, 2, 3):
                near = round(Fraction(((2 * k + 1) * half) << 31, m))
                points |= {(a, m, s) for a in range(near - 3, near + 4) if LOW <= a <= HIGH}
    acc, multiplier, shift = zip(*sorted(points), strict=True)
    return np.array(acc, I64), np.array(multiplier, I64), np.array(shift, I32)


def wide_points() -> tuple[Array, Array, Array]:
    """(acc, m, s): extremes of 62 bits, whole parts about 0 and 2^31, and what lies about ties."""
    ends = [k * 2**e + d for e in (30, 31, 32, 46, 61, 62) for k in (-1, 1) for d in (-1, 0, 1)]
    points = {(a, m, s) for a in (*ACCUMULATORS, *ends) for m in MULTIPLIERS for s in SHIFTS}
    for m in (m for m in MULTIPLIERS if m):
        for s in SHIFTS:
            for k in (-(2**20), -3, -1, 0, 1, 2, 2**16):
                near = round(Fraction((2 * k + 1) << (s - 1), m))
                points |= {(a, m, s) for a in range(near - 2, near + 3)}
    acc, multiplier, shift = zip(*sorted(p for p in points if abs(p[0]) <= 2**62), strict=True)
    return np.array(acc, I64), np.array(multiplier, I64), np.array(shift, I32)


def fixed_points() -> Array:
    """Fixed numbers about their limits, products of two next to a tie, and the extremes."""
    most, bits = numerics.FIXED_MOST, numerics.FIXED_BITS
    ends = [0, 1, most, most << bits, (1 << 62) - (1 << bits)]
    ties = [(2 * k + 1) << (bits - 1) for k in (0, 1, 2, 1000, most - 1, most)]
    near = {sign * v + d for v in (*ends, *ties) for sign in (-1, 1) for d in (-1, 0, 1)}
    return np.array(sorted(near), I64)


def average_points() -> tuple[Array, Array]:
    """(total, count): means next to a tie of AVERAGE_BITS fraction bits, and the extremes."""
    counts = (1, 2, 3, 4, 6, 7, 9, 49, 64, 100, 4096, 2**20 + 2, 2**22)
    points = {(t, n) for t in ACCUMULATORS for n in counts if abs(t) <= HIGH}
    for n in counts:
        for k in range(-6, 7):
            tie = ((2 * k + 1) * n) >> (numerics.AVERAGE_BITS + 1)
            points |= {(k * n + tie + d, n) for d in range(-2, 3)}
    points |= {
        (sign * 2**14 + d, n) for sign in (-1, 1) for d in (-1, 0, 1) for n in counts
    }  # C divides in 32 bits below
    points |= {(t, 2**17) for t in range(-64, 65)}  # odd totals are ties: 2^16 / 2^17
    total, count = zip(*sorted(points), strict=True)
    return np.array(total, I32), np.array(count, I32)


def wide_average_points() -> tuple[Array, Array]:
    """(total, count): what `average_points` has, and totals beyond 32 bits next to a tie and at the ends."""
    narrow, counts = average_points()
    points = set(zip(narrow.tolist(), counts.tolist(), strict=True))
    for n in set(counts.tolist()):
        for whole in (2**17, 65535 << 15, -(65535 << 15), (2**46 - 2**24) // n, -(2**46 - 2**24) // n):
            tie = whole * n + (n >> (numerics.AVERAGE_BITS + 1))
            points |= {(tie + d, n) for d in range(-2, 3)}
        points |= {(sign * (2**46 - 1), n) for sign in (-1, 1)}
    total, count = zip(*sorted(points), strict=True)
    return np.array(total, I64), np.array(count, I32)


def large_points(least: int, limit: int) -> Array:
    """int64 values of [2^least, 2^limit): powers of two, squares, and their neighbors."""
    points = {(1 << k) + d for k in range(least, limit + 1) for d in (-1, 0, 1)}
    points |= {r * r + d for r in (3, 1000, 46341, 2**20 + 1, 2**29 + 12345, 2**30 - 1) for d in (-1, 0, 1)}
    points |= {3 << k for k in range(least, limit - 1)} | {(1 << 31) * k - 1 for k in (1, 2, 3, 1000)}
    return np.array(sorted(p for p in points if 1 << least <= p < 1 << limit), I64)


@np.errstate(all="ignore")
def float_points() -> Array:
    """f32 values of every kind: zeros, subnormals, ties, large, infinite, NaN."""
    base = [
        0.0,
        1e-45,
        1e-38,
        1.17549435e-38,
        0.5,
        1.0,
        1.5,
        2.5,
        86.99,
        87.0,
        87.01,
        88.0,
        88.01,
        100.0,
        1e9,
        1e30,
    ]
    base += [3.4028235e38, math.inf, math.nan, *np.linspace(0, 20, 401), *np.linspace(20, 90, 141)]
    x = np.array([*base, *(-v for v in base)], F)
    return np.concatenate([x, np.nextafter(x, F(np.inf)), np.nextafter(x, F(-np.inf))])


@np.errstate(all="ignore")
def quantize_points() -> tuple[Array, Array, Array, Array]:
    """(x, scale, zero, top): every half code and its neighbors, both ends, and what is no number."""
    rows = []
    for scale in (1.0, 0.5, 2.0**-20, 0.1, 3.0e30):
        for zero, top in ((0.0, 255), (128.0, 255), (255.0, 255), (127.5, 255), (3.0, 15)):
            codes = np.arange(-4, 2 * top + 10) / 2 - zero
            x = np.concatenate([codes.astype(F) * F(scale), float_points()])
            x = np.concatenate([x, np.nextafter(x, F(np.inf)), np.nextafter(x, F(-np.inf))])
            rows.append((x, np.full(x.shape, scale), np.full(x.shape, zero), np.full(x.shape, top)))
    x, scale, zero, top = (np.concatenate(c) for c in zip(*rows, strict=True))
    return x, scale, zero, top
