"""Least relative entropy between what was seen and what the codes can say."""

from __future__ import annotations

from math import inf

import numpy as np

from magik_core.quantizers import Quantizer
from magik_core.quantizers._grid import activation_grid, covered, search, weight_scales, weight_top
from magik_core.quantizers._histogram import Histogram
from magik_core.quantizers.mse import Mse, squared_error
from magik_core.quantizers.mse import scales as mse_scales

_FEW = 1e-4  # share of the values other than zero that a range may leave out whatever they cost
_FLOOR = 1e-6  # probability of what the codes cannot say
_WEIGHT_BINS = 8  # bins of a weight histogram per code
_STEPS = 32  # weight thresholds tried


class Kl:
    """The range that loses the least information: the entropy calibration of 8-bit inference.

    Values outside a candidate range count into its outermost bins; each code spreads its mass evenly
    over its occupied bins; the range with the least divergence wins. Zeros do not count: they are exact
    whatever the range, and after a ReLU they would drown the rest. Entropy alone clips outputs such as
    boxes, where few values matter most: a range that leaves out more than one value in ten thousand may
    not cost more squared error than all that was seen.

    Memory: one histogram of 8 * 2^bits bins (16 KiB at 8 bits).
    """

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._histogram = Histogram(8 << bits)

    def observe(self, x: np.ndarray) -> None:
        self._histogram.observe(x)

    def range(self) -> tuple[float, float]:
        h = self._histogram
        if h.lo == h.hi:
            return 0.0, 0.0
        counts, edges = h.bins()
        most = _squares(counts, edges, h.lo, h.hi, self._bits)

        def loss(lo: float, hi: float) -> float:
            if _left_out(counts, edges, lo, hi) > _FEW and _squares(counts, edges, lo, hi, self._bits) > most:
                return inf
            return _range_loss(counts, edges, lo, hi, self._bits)

        lo, hi = search(h.lo, h.hi, loss)
        return covered(*activation_grid(lo, hi, self._bits), self._bits)


def _squares(counts: np.ndarray, edges: np.ndarray, lo: float, hi: float, bits: int) -> float:
    return squared_error(counts, edges, *activation_grid(lo, hi, bits), bits)


def _left_out(counts: np.ndarray, edges: np.ndarray, lo: float, hi: float) -> float:
    first, last = _cut(edges, lo, hi)
    return 1 - float(counts[first:last].sum() / counts.sum())


def _cut(edges: np.ndarray, lo: float, hi: float) -> tuple[int, int]:
    """The bins of [lo, hi]; one that the range cuts is inside."""
    return int(np.searchsorted(edges, lo, "right")) - 1, int(np.searchsorted(edges, hi, "left"))


def _range_loss(counts: np.ndarray, edges: np.ndarray, lo: float, hi: float, bits: int) -> float:
    """Divergence of the codes of [lo, hi]."""
    first, last = _cut(edges, lo, hi)
    inside = counts[first:last]
    seen = inside.copy()
    seen[0] += counts[:first].sum()
    seen[-1] += counts[last:].sum()
    scale, zero_point = activation_grid(lo, hi, bits)
    centers = (edges[first:last] + edges[first + 1 : last + 1]) / 2
    code = np.clip(np.rint(centers / scale) + zero_point, 0, (1 << bits) - 1).astype(np.int64)
    mass = np.bincount(code, inside)
    occupied = np.bincount(code, inside > 0)
    said = np.where(inside > 0, (mass / np.maximum(occupied, 1))[code], 0.0)
    return float(divergence(seen[None], said[None])[0])


def divergence(seen: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Kullback-Leibler divergence of the rows, which need not sum to one."""
    p = seen / np.maximum(seen.sum(axis=1, keepdims=True), 1e-300)
    q = np.maximum(said / np.maximum(said.sum(axis=1, keepdims=True), 1e-300), _FLOOR)
    loss: np.ndarray = np.where(p > 0, p * np.log(np.maximum(p, 1e-300) / q), 0.0).sum(axis=1)
    return loss


def scales(w: np.ndarray, bits: int) -> np.ndarray:
    """Per channel, the threshold of |w| with the least divergence.

    A channel with no more values than codes loses nothing at MAX_ABS, which is then the answer. Two or three bits
    have too few codes for a distribution: there the squared error decides.
    """
    if bits < 4:
        return mse_scales(w, bits)
    top = weight_top(bits)
    largest = np.abs(w).max(axis=1, initial=0).astype(np.float64)
    if w.shape[1] <= 2 * top or bits > 8:
        return weight_scales(largest / top)
    counts = _magnitudes(w, largest, _WEIGHT_BINS * top)
    factors, losses = np.ones(len(w)), np.full(len(w), np.inf)
    for end in np.linspace(counts.shape[1], top, _STEPS).astype(int):
        loss = _threshold_loss(counts, int(end), top)
        is_better = loss < losses
        factors = np.where(is_better, end / counts.shape[1], factors)
        losses = np.where(is_better, loss, losses)
    return weight_scales(factors * largest / top)


def _magnitudes(w: np.ndarray, largest: np.ndarray, bins: int) -> np.ndarray:
    """Histogram of |w| > 0 per channel, f64 (channels, bins) over [0, largest]."""
    index = np.abs(w) * (bins / np.where(largest > 0, largest, 1.0))[:, None]
    index = np.minimum(index.astype(np.int64), bins - 1) + np.arange(len(w))[:, None] * bins
    return np.bincount(index.ravel(), (w != 0).ravel(), len(w) * bins).reshape(len(w), bins)


def _threshold_loss(counts: np.ndarray, end: int, top: int) -> np.ndarray:
    inside = counts[:, :end]
    seen = inside.copy()
    seen[:, -1] += counts[:, end:].sum(axis=1)
    code = np.rint((np.arange(end) + 0.5) * top / end).astype(np.int64)
    starts = np.flatnonzero(np.diff(code, prepend=-1))
    mass = np.add.reduceat(inside, starts, axis=1)
    occupied = np.add.reduceat((inside > 0).astype(np.float64), starts, axis=1)
    share = np.repeat(mass / np.maximum(occupied, 1), np.diff(starts, append=end), axis=1)
    return divergence(seen, np.where(inside > 0, share, 0.0))


def estimator(bits: int) -> Kl | Mse:
    """The range estimator for codes of so many bits.

    What lies outside a range counts at its ends, so that with fine codes clipping would seem to cost nothing: above 8
    bits the squared error decides.
    """
    return Kl(bits) if bits <= 8 else Mse(bits)


QUANTIZER = Quantizer("KL", estimator, scales)
