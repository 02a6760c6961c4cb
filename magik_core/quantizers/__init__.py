"""The quantizers: one range or weight estimator per file, found by looking in this folder.

A file exposes its `Quantizer` as `QUANTIZER`. Files whose names start with an underscore hold what
several of them share.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np


class RangeEstimator(Protocol):
    """Looks at one activation, batch after batch, and says which reals its codes should cover."""

    def observe(self, x: np.ndarray) -> None:
        """Take in one batch: f32, any shape, all finite. Nothing of `x` is kept."""

    def range(self) -> tuple[float, float]:
        """The interval to cover, with lo <= 0 <= hi; (0, 0) when nothing but zeros was seen."""


@dataclass(frozen=True)
class Quantizer:
    """A named way to choose ranges and scales.

    Args:
        name: as in QUANT_FEATURE_METHOD and QUANT_WEIGHT_METHOD of the config file.
        activation: makes an estimator for codes of so many bits; None: not for activations.
        weight: (w, bits) -> scales. `w` is f32 (channels, k), all finite; the scales are f64
            (channels,), positive and exactly an f32; codes are symmetric, [-(2^(b-1) - 1), 2^(b-1) - 1];
            a channel of zeros has scale 1. None: not for weights.
    """

    name: str
    activation: Callable[[int], RangeEstimator] | None = None
    weight: Callable[[np.ndarray, int], np.ndarray] | None = None


@cache
def found() -> Mapping[str, Quantizer]:
    """Every quantizer in this folder, by its name."""
    names = [i.name for i in pkgutil.iter_modules(__path__) if not i.name.startswith("_")]
    quantizers = [importlib.import_module(f"{__name__}.{name}").QUANTIZER for name in names]
    return {q.name: q for q in quantizers}
