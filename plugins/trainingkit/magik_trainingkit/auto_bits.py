"""Widths of codes that Txx and Xs want below 8 bits, chosen for the layer: `auto_bitwidth`."""

from __future__ import annotations

from magik_core.builtin.trainingkit.arithmetic import EVEN, REAL

FIRST = 32  # output channels below which a first layer's features have 5 bits
MOST_FOR_FIVE = {1: 128, 2: 64, 3: 32}  # by kernel size, 3 for 3 and above


def of_conv(
    device: str, kernel: int, inputs: int, outputs: int, widths: tuple[int, int, int], *, first: bool, last: bool
) -> tuple[int, int, int]:
    """(weight, input, output) bits of a convolution; those that are asked for where nothing is chosen."""
    weight, before, after = widths
    if device not in EVEN or min(weight, after) >= 8:
        return widths
    size = min(kernel, 3)
    limit = MOST_FOR_FIVE[size]
    chosen = 5 if (outputs < limit if size == 1 else outputs <= limit) else 4
    weight = 5 if size == 1 and inputs <= 128 else 4
    if first:
        before, chosen = 8, 5 if outputs < FIRST else 4
    return weight, before, REAL if last else chosen


def of_depth(device: str, channels: int, widths: tuple[int, int, int], *, last: bool) -> tuple[int, int, int]:
    """The same for a depthwise convolution: weights of 8 bits."""
    weight, before, after = widths
    if device not in EVEN or min(weight, after) >= 8:
        return widths
    return 8, before, REAL if last else 5 if channels < 128 else 4
