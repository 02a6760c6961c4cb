"""A histogram of a stream whose bins widen by powers of two."""

from __future__ import annotations

from math import floor, frexp, ldexp

import numpy as np

MAX_BINS = 1 << 16
_PIECE = 1 << 15  # values counted at a time
_SMALLEST = -140  # bins of 2^-140: below every difference of two f32 that matters


class Histogram:
    """Counts of everything observed, in at most `bins` bins of one power-of-two width.

    Bin k covers [k, k + 1) * width, so bin edges never move: when the data outgrow the bins, the width
    doubles and pairs of bins merge, exactly. The result depends on the multiset of the values alone,
    neither on their order nor on how they were cut into batches. Exact zeros are counted apart,
    because they cost nothing to quantize.

    Memory: 8 * bins bytes, at most 512 KiB, however much is observed.
    """

    def __init__(self, bins: int) -> None:
        self.lo = 0.0
        self.hi = 0.0
        self.zeros = 0
        self._exponent = _SMALLEST
        self._start = 0
        self._counts = np.zeros(min(bins, MAX_BINS), np.int64)

    @property
    def width(self) -> float:
        return ldexp(1.0, self._exponent)

    def observe(self, x: np.ndarray) -> None:
        if not x.size:
            return
        flat = np.asarray(x, np.float32).reshape(-1)
        self._cover(min(float(flat.min()), self.lo), max(float(flat.max()), self.hi))
        for first in range(0, flat.size, _PIECE):
            self._count(flat[first : first + _PIECE])

    def _count(self, x: np.ndarray) -> None:
        """Count values that the bins cover, few enough to stay in the processor's cache."""
        # f64 where the factor would leave the f32 range; a power of two changes no mantissa bit
        factor = np.float32(1 / self.width) if -120 < self._exponent < 120 else np.float64(1 / self.width)
        t = x * factor
        index = (t if self._start == 0 else np.floor(t, out=t)).astype(np.intp)  # above 0, to cut off is floor
        index -= self._start
        self._counts += np.bincount(index, minlength=self._counts.size)
        zeros = int(np.count_nonzero(x == 0))
        self._counts[-self._start] -= zeros
        self.zeros += zeros

    def bins(self) -> tuple[np.ndarray, np.ndarray]:
        """Counts of the values other than zero (f64, from the first to the last occupied bin) and the
        edges around them (f64, one more)."""
        first, last = (floor(v / self.width) - self._start for v in (self.lo, self.hi))
        counts = self._counts[first : last + 1].astype(np.float64)
        edges = (np.arange(first, last + 2) + self._start) * self.width
        return counts, edges

    def _cover(self, lo: float, hi: float) -> None:
        """Widen until [lo, hi] fits; hi's bin counts, and so does the one of zero."""
        size = self._counts.size
        exponent = self._exponent
        if hi > lo:
            exponent = max(exponent, frexp(hi - lo)[1] - size.bit_length())
        while floor(ldexp(hi, -exponent)) - floor(ldexp(lo, -exponent)) >= size:
            exponent += 1
        start = floor(ldexp(lo, -exponent))
        if (exponent, start) != (self._exponent, self._start):
            used = np.flatnonzero(self._counts)
            moved = ((used + self._start) >> (exponent - self._exponent)) - start
            counts = np.bincount(moved, weights=self._counts[used], minlength=size)
            self._counts = counts.astype(np.int64)
        self.lo, self.hi, self._exponent, self._start = lo, hi, exponent, start
