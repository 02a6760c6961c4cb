"""How well a tensor's codes are used: the range that was chosen, the values that came, the codes that never did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core.program import QuantParams
from magik_core.quantizers._histogram import Histogram

BINS = 64  # of a histogram that is shown
FINE = 4096  # bins that are counted in, so that they can be summed to those


@dataclass(frozen=True)
class Usage:
    """A tensor of codes and the values that the float model has there.

    Args:
        low, high: the reals of the first and the last code; seen_low, seen_high: those that came.
        saturated_low, saturated_high: share of values more than half a code outside.
        unused: share of the codes that the program never wrote; zeros: of the values that are exactly 0.
        counts: of the other values, in equal bins from edge_low to edge_high, which cover all of both ranges.
    """

    tensor: str
    layer: str
    bits: int
    scale: float
    zero_point: float
    low: float
    high: float
    seen_low: float
    seen_high: float
    saturated_low: float
    saturated_high: float
    unused: float
    zeros: float
    edge_low: float
    edge_high: float
    counts: tuple[int, ...]

    @property
    def saturated(self) -> float:
        return self.saturated_low + self.saturated_high


class Counter:
    """The same, while samples come in; memory: a bit more than a byte per code."""

    def __init__(self, q: QuantParams) -> None:
        self.q = q
        self._low, self._high = (q.scale * (code - q.zero_point) for code in (0, q.top))
        self._written = np.zeros(q.top + 1, bool)
        self._histogram = Histogram(FINE)
        self._count = self._below = self._above = 0
        self._seen: tuple[float, float] | None = None

    def observe(self, want: np.ndarray, codes: np.ndarray) -> None:
        """One sample. Args: want: finite values of the float model; codes: that the program writes."""
        if not want.size:
            return
        half = self.q.scale / 2
        low, high = float(want.min()), float(want.max())
        self._seen = (low, high) if self._seen is None else (min(low, self._seen[0]), max(high, self._seen[1]))
        self._count += want.size
        self._below += int(np.count_nonzero(want < self._low - half)) if low < self._low - half else 0
        self._above += int(np.count_nonzero(want > self._high + half)) if high > self._high + half else 0
        self._written[codes.reshape(-1)] = True
        self._histogram.observe(want)

    def result(self, tensor: str, layer: str) -> Usage | None:
        """None before the first sample."""
        if self._seen is None:
            return None
        edges = min(self._low, self._seen[0]), max(self._high, self._seen[1])
        return Usage(
            tensor=tensor,
            layer=layer,
            bits=self.q.bits,
            scale=self.q.scale,
            zero_point=self.q.zero_point,
            low=self._low,
            high=self._high,
            seen_low=self._seen[0],
            seen_high=self._seen[1],
            saturated_low=self._below / self._count,
            saturated_high=self._above / self._count,
            unused=1 - int(np.count_nonzero(self._written)) / self._written.size,
            zeros=self._histogram.zeros / self._count,
            edge_low=edges[0],
            edge_high=edges[1],
            counts=_rebinned(self._histogram, *edges),
        )


def _rebinned(histogram: Histogram, low: float, high: float) -> tuple[int, ...]:
    """Counts in BINS equal bins of [low, high]; a fine bin goes where its middle lies."""
    counts, edges = histogram.bins()
    middle = (edges[:-1] + edges[1:]) / 2
    place = np.clip((middle - low) * (BINS / max(high - low, 1e-300)), 0, BINS - 1).astype(np.int64)
    return tuple(int(n) for n in np.bincount(place, weights=counts, minlength=BINS))
