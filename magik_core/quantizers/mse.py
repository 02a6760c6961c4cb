"""Least mean squared error."""

from __future__ import annotations

import numpy as np

from magik_core.quantizers import Quantizer
from magik_core.quantizers._grid import activation_grid, covered, search, weight_scales, weight_top
from magik_core.quantizers._histogram import Histogram

_STEPS = 32  # weight shrink factors per search
_MOST_BINS = 1 << 14  # a bin may hold many codes: its error is an integral


def histogram(bits: int) -> Histogram:
    """What a search for the least squared error over codes of so many bits needs."""
    return Histogram(min(32 << bits, _MOST_BINS))


class Mse:
    """The range whose grid has the least squared error over everything seen.

    Memory: one histogram of 32 * 2^bits bins (64 KiB at 8 bits, at most 128 KiB).
    """

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._histogram = histogram(bits)

    def observe(self, x: np.ndarray) -> None:
        self._histogram.observe(x)

    def range(self) -> tuple[float, float]:
        h = self._histogram
        if h.lo == h.hi:
            return 0.0, 0.0
        counts, edges = h.bins()
        lo, hi = search(
            h.lo,
            h.hi,
            lambda lo, hi: squared_error(counts, edges, *activation_grid(lo, hi, self._bits), self._bits),
        )
        return covered(*activation_grid(lo, hi, self._bits), self._bits)


def squared_error(counts: np.ndarray, edges: np.ndarray, scale: float, zero_point: int, bits: int) -> float:
    """Sum of the squared errors of a grid, taking the values of a bin as evenly spread.

    With t = x / scale and n its code, the integral of (t - n)^2 from 0 to t is n / 12 + (t - n)^3 / 3,
    clipped codes included; a bin's mean error is the difference at its edges over its width.
    """
    t = edges / scale
    n = np.clip(np.rint(t), -zero_point, (1 << bits) - 1 - zero_point)
    rest = t - n
    integral = n / 12 + rest * rest * rest / 3
    total = float(
        np.einsum("i,i->", counts, np.diff(integral))
    )  # unlike a product, the same with any number of threads
    return total * scale**3 / float(edges[1] - edges[0])


def scales(w: np.ndarray, bits: int) -> np.ndarray:
    """Per channel, the shrink of the MAX_ABS scale that has the least squared error."""
    full = weight_scales(np.abs(w).max(axis=1, initial=0).astype(np.float64) / weight_top(bits))
    factors, errors = np.ones(len(w)), weight_error(w, full, bits)
    center = factors
    for offsets in (
        np.arange(_STEPS),
        np.arange(-_STEPS, _STEPS) / _STEPS,
    ):  # all of (0, 1], then around the best
        for offset in offsets / _STEPS:
            trial = np.clip(center - offset, 1e-3, 1.0)
            error = weight_error(w, trial * full, bits)
            is_better = error < errors
            factors, errors = np.where(is_better, trial, factors), np.where(is_better, error, errors)
        center = factors
    return weight_scales(factors * full)


def weight_error(w: np.ndarray, scale: np.ndarray, bits: int) -> np.ndarray:
    """Squared error of each channel (row) of `w` at its scale."""
    s = scale.astype(np.float32)[:, None]
    top = weight_top(bits)
    error = w - np.clip(np.rint(w / s), -top, top) * s
    squares: np.ndarray = np.einsum("ck,ck->c", error, error, dtype=np.float64)
    return squares


QUANTIZER = Quantizer("MSE", Mse, scales)
