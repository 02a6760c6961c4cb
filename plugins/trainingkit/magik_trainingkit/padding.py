"""Padding of windows, as many frameworks call it SAME."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from magik_core.builtin.trainingkit.arithmetic import is_odd

Pads = tuple[int, int, int, int]  # top, left, bottom, right


def same(size: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int]) -> Pads:
    """Pads that give ceil(size / stride) windows, the odd pixel at the bottom and on the right."""
    totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(size, kernel, strides, strict=True)]
    return (totals[0] // 2, totals[1] // 2, totals[0] - totals[0] // 2, totals[1] - totals[1] // 2)


def fill(clip_min: float, device: str) -> float:
    """The real that padding reads: that of code 0 where signed codes lie half a code off zero."""
    return -1.0 if clip_min < 0 and is_odd(device) else 0.0


def padded(x: Tensor, pads: Pads, value: float) -> Tensor:
    top, left, bottom, right = pads
    return functional.pad(x, (left, right, top, bottom), value=value) if any(pads) else x
