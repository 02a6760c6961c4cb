"""What chips cannot compute: rules that layers are held against."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from magik_core.builtin.trainingkit.arithmetic import DEVICES, EVEN, REAL, is_odd
from magik_core.errors import Problem

FREE = (1, 2, 3, 12)  # input channels of images, which no rule of Conv2D holds
MOST_OF_CONV, MOST_OF_PRODUCT = 73728, 65536  # of sums on Txx and Xs with weights below 8 bits
LEAST_BITS = {**dict.fromkeys(DEVICES, 2), **dict.fromkeys(EVEN, 4)}
D8 = tuple(name for name in DEVICES if name != "T02")
MOST_JOINED = {"T02": 8}  # features that a Route takes


def device(name: object, known: Sequence[str]) -> Iterator[Problem]:
    """known: the chips that have the layer."""
    what = "an operator has no kernel on this chip" if name in DEVICES else "a chip is not known"
    if name not in known:
        yield Problem(what, found=f"target_device {name!r}", need=f"one of: {', '.join(known)}")


def above_zero(name: str, value: float) -> Iterator[Problem]:
    if not (math.isfinite(value) and value > 0):
        yield Problem("a number of a layer is not above 0", found=f"{name} {value:g}", need="a number above 0")


def channels(count: int, name: str, what: str = "in_channels") -> Iterator[Problem]:
    step = 32 if is_odd(name) else 16
    if count % step:
        hint = f"take {-(-count // step) * step}"
        yield Problem("a layer has a number of channels that its chip does not take", found=f"{what} {count}",
                      need=f"a multiple of {step} on {name}", hint=hint)  # fmt: skip


def dilation(pixels: int, name: str) -> Iterator[Problem]:
    if pixels > 1 and name in EVEN:
        yield Problem("a dilation has no kernel on this chip", found=f"dilation {pixels}", need="1")


def bits(weight: int, *features: int, least: int = 2) -> Iterator[Problem]:
    for name, found, most in (("weight_bitwidth", weight, 8), *(("a feature's bits", b, 16) for b in features)):
        if found != REAL and not least <= found <= most:
            need = f"{least} to {most}, or 32: none"
            yield Problem("a width of codes is not supported", found=f"{name} {found}", need=need)


def sums(taps: int, weight: int, feature: int, name: str, most: int) -> Iterator[Problem]:
    """Sums of weights below 8 bits, which Txx and Xs hold in few bits."""
    if name not in EVEN or weight >= 8 or feature == REAL:
        return
    total = taps * 2**feature * 2 ** (weight - 1)
    if total > most:
        found, need = f"{taps} products of {feature} and {weight} bits: {total}", f"at most {most} on {name}"
        yield Problem("sums of a layer may overflow on its chip", found=found, need=need)
