"""The formulas of trained codes once more, number by number in double precision."""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray
ODD = ("T40", "T41", "A1", "X2500", "T02")


def near_even(v: float) -> int:
    """Round: from a half to a thousandth above it, to the even neighbor."""
    whole = math.floor(v)
    if 0.5 <= v - whole < 0.501:
        return whole if whole % 2 == 0 else whole + 1
    return whole if v - whole < 0.5 else whole + 1


def feature(x: float, bits: int, clip_min: float, m: float, device: str) -> float:
    top, half = 2**bits - 1, 2 ** (bits - 1)
    if clip_min == 0:
        return near_even(min(max(x, 0.0), m) / m * top) / top
    if device in ODD:
        return 2 * near_even((min(max(x, -m), m) / m + 1) / 2 * top) / top - 1
    code = int(math.copysign(near_even(abs(x) / m * half), x))
    return min(max(code, -half), half - 1) / half


def weights(w: Array, bits: int, factor: float, device: str, is_depthwise: bool = False) -> Array:
    flat = [float(v) for v in w.reshape(-1)]
    mean = math.fsum(flat) / len(flat)
    reach = factor * math.sqrt(math.fsum((v - mean) ** 2 for v in flat) / len(flat))
    out, top, half = np.zeros((len(w), w[0].size)), 2**bits - 1, 2 ** (bits - 1)
    for c, row in enumerate(w.reshape(len(w), -1)):
        cut = [min(max(float(v), mean - reach), mean + reach) for v in row]
        most, spread = max(abs(float(v)) for v in row), max(map(abs, cut))
        for i, v in enumerate(cut):
            u = near_even((v / spread + 1) / 2 * top)
            is_odd = device in ODD and not is_depthwise
            out[c, i] = (2 * u / top - 1) * most if is_odd else (u - half) * most / half
    return out.reshape(w.shape)


def is_near_tie(v: Array) -> Array:
    """Where f32 may round otherwise than these formulas: next to a half, and to what counts as one."""
    rest = v - np.floor(v)
    return (np.abs(rest - 0.5) < 2e-4) | (np.abs(rest - 0.501) < 2e-4)
