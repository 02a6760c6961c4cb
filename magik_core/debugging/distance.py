"""How far a layer's values are from those of the float model, over a stream of samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

CHUNK = 1 << 14  # elements at a time: what fits a cache


@dataclass(frozen=True)
class Distance:
    """Between what a layer computes and what the float model has there; d is the difference.

    Args:
        sqnr_db: 10 log10(sum of float^2 / sum of d^2) over all samples; infinite without a difference, minus that
            where d is infinite, NaN where one is NaN, as all of the others are then.
        cosine, cosine_min, cosine_max: of the angle between both, over samples; 1 is none.
        euclidean: root of the sum of d^2, mean over samples; deviation: standard deviation of d.
        largest: of all |d|; share: of what float ranges over, so that 0.01 is one percent.
    """

    sqnr_db: float
    cosine: float
    cosine_min: float
    cosine_max: float
    euclidean: float
    deviation: float
    largest: float
    share: float


class Difference:
    """The same, while samples come in: a few numbers, however many they are."""

    def __init__(self) -> None:
        self._samples = self._count = 0
        self._signal = self._noise = self._sum = self._cosines = self._lengths = 0.0
        self._largest, self._cosine_min, self._cosine_max = 0.0, 1.0, -1.0
        self._low, self._high = math.inf, -math.inf

    def observe(self, want: np.ndarray, got: np.ndarray) -> None:
        """One sample. Args: want: of the float model, finite; got: finite or not, of the same shape."""
        if want.size:
            with np.errstate(invalid="ignore"):  # as infinity less infinity
                self._observe(want, got)

    def _observe(self, want: np.ndarray, got: np.ndarray) -> None:
        a, b = want.reshape(-1), got.reshape(-1)
        signal = power = product = noise = 0.0
        for start in range(0, a.size, CHUNK):
            x, y = (v[start : start + CHUNK].astype(np.float64) for v in (a, b))
            d = y - x
            signal, power, product = signal + _dot(x, x), power + _dot(y, y), product + _dot(x, y)
            noise += _dot(d, d)
            self._sum += float(d.sum())
            self._largest = float(np.maximum(self._largest, np.abs(d).max()))
        cosine = _cosine(product, signal, power)
        self._samples += 1
        self._count += a.size
        self._signal += signal
        self._noise += noise
        self._cosines += cosine
        self._lengths += math.sqrt(noise)
        self._cosine_min = float(np.minimum(self._cosine_min, cosine))  # which keep a NaN
        self._cosine_max = float(np.maximum(self._cosine_max, cosine))
        self._low, self._high = min(self._low, float(a.min())), max(self._high, float(a.max()))

    def result(self) -> Distance | None:
        """None before the first sample."""
        if not self._samples:
            return None
        mean = self._sum / self._count
        span = self._high - self._low
        return Distance(
            sqnr_db=decibels(self._signal, self._noise),
            cosine=self._cosines / self._samples,
            cosine_min=self._cosine_min,
            cosine_max=self._cosine_max,
            euclidean=self._lengths / self._samples,
            deviation=math.sqrt(max(self._noise / self._count - mean * mean, 0.0)),
            largest=self._largest,
            share=self._largest / span if span else math.inf if self._largest else 0.0,
        )


def decibels(signal: float, noise: float) -> float:
    """10 log10(signal / noise); infinite without noise, minus that without a signal or with infinite noise."""
    if not noise:
        return math.inf
    return 10 * (math.log10(signal) - math.log10(noise)) if signal else -math.inf


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    """On one thread, in one order: the same on every machine."""
    return float(np.einsum("i,i->", a, b))


def _cosine(product: float, a: float, b: float) -> float:
    """Of two vectors, from their product and squares; two of zeros are alike."""
    if not a or not b:
        return float(a == b)
    return min(max(product / math.sqrt(a) / math.sqrt(b), -1.0), 1.0)
