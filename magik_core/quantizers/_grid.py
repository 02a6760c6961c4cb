"""What the estimators share: the grids that codes lie on, and the search for the best one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Loss = Callable[[float, float], float]
Found = tuple[float, float, float]  # loss, low, high
_COARSE = 64  # shrink steps of the first search
_FINE = 16  # steps between two of them


def activation_grid(lo: float, hi: float, bits: int) -> tuple[float, int]:
    """Scale and zero point of the codes [0, 2^bits - 1] over [lo, hi], lo <= 0 <= hi, lo < hi."""
    top = (1 << bits) - 1
    scale = (hi - lo) / top
    return scale, min(max(round(-lo / scale), 0), top)


def covered(scale: float, zero_point: int, bits: int) -> tuple[float, float]:
    """The range whose grid is exactly this scale and zero point."""
    return -zero_point * scale, ((1 << bits) - 1 - zero_point) * scale


def weight_top(bits: int) -> int:
    """The largest weight code; the smallest is its negative."""
    return (1 << (bits - 1)) - 1


def weight_scales(scales: np.ndarray) -> np.ndarray:
    """The scales as f64 that are exactly an f32; 1 where f32 has no normal number for them."""
    exact = scales.astype(np.float32).astype(np.float64)
    return np.where(exact >= np.finfo(np.float32).tiny, exact, 1.0)


def search(lo: float, hi: float, loss: Loss) -> tuple[float, float]:
    """Shrink both ends of [lo, hi] for the least loss: together and then one by one, or one by one, then finely.

    Equal losses keep the wider range. An end at zero stays there.
    """
    steps = np.arange(_COARSE, 0, -1) / _COARSE
    start = (loss(lo, hi), lo, hi)
    best = _one_by_one(start, hi, steps, loss)
    if lo < 0 < hi:
        together = _one_by_one(_least(start, [(lo * f, hi * f) for f in steps], loss), hi, steps, loss)
        best = min(best, together, key=lambda found: (found[0], found[1] - found[2]))
    near = np.arange(_FINE, -_FINE, -1) / (_FINE * _COARSE)
    best = _least(best, [(best[1], min(best[2] + hi * d, hi)) for d in near], loss)
    best = _least(best, [(max(best[1] + lo * d, lo), best[2]) for d in near], loss)
    return best[1], best[2]


def _one_by_one(best: Found, hi: float, steps: np.ndarray, loss: Loss) -> Found:
    low = best[1]
    best = _least(best, [(low, hi * f) for f in steps], loss)
    return _least(best, [(low * f, best[2]) for f in steps], loss)


def _least(best: Found, ends: list[tuple[float, float]], loss: Loss) -> Found:
    for lo, hi in dict.fromkeys((float(lo), float(hi)) for lo, hi in ends):
        if lo <= 0 <= hi and lo < hi and (lo, hi) != best[1:] and (error := loss(lo, hi)) < best[0]:
            best = (error, lo, hi)
    return best
