"""The numbers of a quantized training: what codes mean, and how weights and normalizations become integers.

The frontend that reads trained graphs and the training operators' eval() both take them from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

ODD = ("T40", "T41", "A1", "X2500", "T02")  # signed codes lie half a code off zero, weights are odd
EVEN = ("Txx", "Xs1", "Xs2")  # real zero is a code, weights are two's complement
DEVICES = (*EVEN, *ODD)
LEAST_GAMMA = 0.01
TIE = 0.001  # what still counts as half a code
REAL = 32  # bits of what has no codes


@dataclass(frozen=True)
class Grid:
    """The reals that an activation's codes [0, 2^bits - 1] mean: scale * (code - zero_point).

    Args: zero_point: a whole number or a half.
    """

    scale: float
    zero_point: float
    bits: int

    @property
    def top(self) -> int:
        return (1 << self.bits) - 1

    @property
    def low(self) -> float:
        return -self.scale * self.zero_point

    @property
    def high(self) -> float:
        return self.scale * (self.top - self.zero_point)


CELL = Grid(2.0**-11, 2.0**15, 16)  # of the c of an LSTM: [-16, 16)


def is_odd(device: str) -> bool:
    """Whether signed codes of a chip lie half a code off zero."""
    return device in ODD


def feature_grid(bits: int, is_signed: bool, device: str) -> Grid:
    """What the codes of a layer's output mean: reals in [0, 1], or [-1, 1] where the layer before can be negative.

    Source: docs/training.md, "Codes".
    """
    if not is_signed:
        return Grid(_f32(1 / (2**bits - 1)), 0.0, bits)
    if is_odd(device):
        return Grid(_f32(2 / (2**bits - 1)), (2**bits - 1) / 2, bits)
    return Grid(2.0 ** (1 - bits), 2.0 ** (bits - 1), bits)


def input_grid(mean: float, var: float, bits: int = 8) -> Grid:
    """What the pixels of an input mean to the network: (pixel - mean) / var."""
    return Grid(_f32(1 / var), mean, bits)


def round_near_even(v: Array) -> Array:
    """Whole numbers; a half, and up to TIE more than one, goes to the even neighbor.

    Source: docs/training.md, "Rounding".
    """
    low = np.floor(v)
    rest = v - low
    up = np.where((rest >= 0.5) & (rest < 0.5 + TIE), low % 2 == 1, rest >= 0.5)
    return np.asarray(low + up)


def weight_codes(w: Array, bits: int, factor: float, device: str, *, is_depthwise: bool = False) -> tuple[Array, Array]:
    """(codes int64 of w's shape, scales f64 per channel along axis 0); real = scale * code.

    Weights are cut off at `factor` standard deviations of the whole tensor around its mean, then each channel is
    spread over all codes; what a code means comes from the channel's largest weight before that.
    Source: docs/training.md, "Weights".
    """
    w = np.asarray(w, np.float64)
    flat = w.reshape(len(w), -1)
    mean, reach = w.mean(), factor * w.std()
    cut = np.clip(flat, mean - reach, mean + reach)
    most, spread = np.abs(flat).max(axis=1), np.abs(cut).max(axis=1)
    share = cut / np.where(spread > 0, spread, 1)[:, None]
    top = 2**bits - 1
    code = round_near_even((share + 1) / 2 * top).astype(np.int64)
    if is_odd(device) and not is_depthwise:
        codes, scales = 2 * code - top, most / top
    else:
        codes, scales = code - 2 ** (bits - 1), most / 2 ** (bits - 1)
    codes = np.where(most[:, None] > 0, codes, 0)
    return codes.reshape(w.shape), np.where(most > 0, scales, 1.0)


def widened(codes: Array) -> tuple[Array, int]:
    """Codes times the largest power of two with which they fit s8, or once where they are wider; and that power.

    The bias of a sum has the unit of its products: small codes would make it coarse.
    """
    most = int(np.abs(codes).max(initial=1))
    power = 1
    while 2 * power * most <= 127:
        power *= 2
    return codes * power, power


def normalization(numbers: Sequence[Array], epsilon: float) -> tuple[Array, Array]:
    """(gain, offset) per channel of a normalization by gamma, beta, mean and variance; gamma at least LEAST_GAMMA."""
    gamma, beta, mean, var = (np.asarray(v, np.float64) for v in numbers)
    gain = np.maximum(gamma, LEAST_GAMMA) / np.sqrt(var + epsilon)
    return gain, beta - mean * gain


def shortcut_clip(clip: float, device: str) -> float:
    """What the sum of a shortcut is divided by."""
    return 2.0 if device in EVEN else min(clip, 2.0)


def _f32(value: float) -> float:
    return float(np.float32(value))
