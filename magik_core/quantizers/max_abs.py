"""Cover everything that was seen."""

from __future__ import annotations

import numpy as np

from magik_core.quantizers import Quantizer
from magik_core.quantizers._grid import weight_scales, weight_top


class MaxAbs:
    """The smallest and the largest value. Memory: two floats."""

    def __init__(self, bits: int) -> None:
        self._lo = 0.0
        self._hi = 0.0

    def observe(self, x: np.ndarray) -> None:
        if x.size:
            self._lo = min(self._lo, float(x.min()))
            self._hi = max(self._hi, float(x.max()))

    def range(self) -> tuple[float, float]:
        return self._lo, self._hi


def scales(w: np.ndarray, bits: int) -> np.ndarray:
    """The scale whose largest code is the channel's largest magnitude."""
    return weight_scales(np.abs(w).max(axis=1, initial=0).astype(np.float64) / weight_top(bits))


QUANTIZER = Quantizer("MAX_ABS", MaxAbs, scales)
