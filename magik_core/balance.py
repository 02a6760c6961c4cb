"""Codes for channels that hardly use any: in front of a depthwise convolution each may be shifted by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx_ir as ir

from magik_core.calibrate import watch
from magik_core.equalize import Pair, pairs_of
from magik_core.progress import Count

WIDTH = 8  # most bits of features that are balanced: with more, weak channels have codes, and room is worth more
MOST_BITS = 3  # that a channel is shifted by: one that was weak on the samples keeps room for what it has not shown


def balance(
    model: ir.Model,
    samples: Iterable[Mapping[str, np.ndarray]],
    *,
    progress: Count | None = None,
    threads: int = 1,
) -> int:
    """Multiply weak channels by 2, 4 or 8 and divide the depthwise weights that read them by as much, in place.

    All channels of a tensor have one scale, so weak ones have few codes. A channel gets the largest of these factors
    with which its largest magnitude over the samples is no more than the tensor's. Both convolutions have a scale for
    each of these channels, so their weights keep their codes; and since factors are powers of two, every float output
    keeps its bits. Pairs are those of `equalize` whose second convolution is depthwise.

    Returns: how many pairs had a channel to shift.
    Raises:  DataError: as `calibrate.watch`.
    """
    pairs = [pair for pair in pairs_of(model) if pair.is_depthwise]
    peaks = [_Peaks() for _ in pairs]
    if pairs:
        names = [pair.between.name or "" for pair in pairs]
        watch(model, samples, zip(names, peaks, strict=True), progress=progress, threads=threads)
    return sum(_shift(pair, peak.most) for pair, peak in zip(pairs, peaks, strict=True))


class _Peaks:
    """The largest magnitude of each channel, axis 1, of what it is shown."""

    def __init__(self) -> None:
        self.most = np.zeros(1, np.float32)

    def observe(self, x: np.ndarray) -> None:
        self.most = np.maximum(self.most, np.abs(x).max(axis=(0, *range(2, x.ndim))))


def _shift(pair: Pair, peaks: np.ndarray) -> bool:
    """Shift the channels of a pair; whether there was any."""
    room = np.where(peaks > 0, peaks.max() / np.where(peaks > 0, peaks, 1.0), 1.0)
    bits = np.clip(np.floor(np.log2(room)), 0, MOST_BITS)
    pair.divide(2.0**-bits)
    return bool(bits.any())
