"""Cover all but the outermost values."""

from __future__ import annotations

import numpy as np

from magik_core.quantizers import Quantizer
from magik_core.quantizers._histogram import Histogram

TAIL = 1e-5  # share of the values that each end may leave out


class Percentile:
    """The quantiles TAIL and 1 - TAIL, zeros included, linear inside a bin.

    Memory: one histogram of 32 * 2^bits bins (64 KiB at 8 bits, at most 512 KiB).
    """

    def __init__(self, bits: int) -> None:
        self._histogram = Histogram(32 << bits)

    def observe(self, x: np.ndarray) -> None:
        self._histogram.observe(x)

    def range(self) -> tuple[float, float]:
        h = self._histogram
        counts, edges = h.bins()
        out = TAIL * (counts.sum() + h.zeros)
        lo = float(np.interp(out, np.cumsum([0.0, *counts]), edges)) if h.lo < 0 else 0.0
        hi = float(np.interp(out, np.cumsum([0.0, *counts[::-1]]), -edges[::-1])) if h.hi > 0 else 0.0
        return min(max(lo, h.lo), 0.0), max(min(-hi, h.hi), 0.0)


QUANTIZER = Quantizer("PERCENTILE", Percentile)
