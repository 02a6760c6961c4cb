"""Alternate between the codes and the grid until neither can improve the other."""

from __future__ import annotations

import numpy as np

from magik_core.quantizers import Quantizer
from magik_core.quantizers._grid import activation_grid, covered, weight_scales, weight_top
from magik_core.quantizers.mse import histogram, squared_error, weight_error

# Alternation only finds the nearest optimum, so it starts from several shrinks of the full range.
_STARTS = (1.0, 0.85, 0.7, 0.55, 0.4, 0.25)
_ROUNDS = 10


class Admm:
    """The grid at which codes and scale are each the best for the other.

    The codes of the scale: q = round(x / s), clipped. The scale of the codes: s = <x, q> / <q, q>. The
    zero point moves by one while that helps. The best of several starts wins.

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
        grids = [activation_grid(h.lo * f, h.hi * f, self._bits) for f in _STARTS]
        grids += [self._alternate(counts, edges, *grid) for grid in grids]
        _, scale, zero_point = min((squared_error(counts, edges, *g, self._bits), *g) for g in grids)
        return covered(scale, zero_point, self._bits)

    def _alternate(self, counts: np.ndarray, edges: np.ndarray, scale: float, zero_point: int) -> tuple[float, int]:
        x = (edges[1:] + edges[:-1]) / 2
        top = (1 << self._bits) - 1
        for _ in range(_ROUNDS):
            q = np.clip(np.rint(x / scale), -zero_point, top - zero_point)
            norm = float(np.einsum("i,i,i->", counts, q, q))
            before = (scale, zero_point)
            scale = float(np.einsum("i,i,i->", counts, x, q)) / norm if norm else scale
            near = [z for z in (zero_point, zero_point - 1, zero_point + 1) if 0 <= z <= top]
            zero_point = min(near, key=lambda z: squared_error(counts, edges, scale, z, self._bits))
            if (scale, zero_point) == before:
                break
        return scale, zero_point


def scales(w: np.ndarray, bits: int) -> np.ndarray:
    """Per channel, q = round(w / s) and s = <w, q> / <q, q> in turn; the best of several starts."""
    top = weight_top(bits)
    full = weight_scales(np.abs(w).max(axis=1, initial=0).astype(np.float64) / top)
    best, errors = full, weight_error(w, full, bits)
    for factor in _STARTS:
        scale = factor * full
        for _ in range(_ROUNDS):
            q = np.clip(np.rint(w / scale[:, None]), -top, top)
            norm = np.einsum("ck,ck->c", q, q)
            scale = np.where(norm > 0, np.einsum("ck,ck->c", w, q) / np.maximum(norm, 1.0), scale)
        error = weight_error(w, scale, bits)
        is_better = error < errors
        best, errors = np.where(is_better, scale, best), np.where(is_better, error, errors)
    return weight_scales(best)


QUANTIZER = Quantizer("ADMM", Admm, scales)
