"""What chips cannot compute, said before training: every rule of every layer of a network at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import nn

from magik_core.builtin.trainingkit.arithmetic import DEVICES, EVEN, REAL, is_odd
from magik_core.errors import Problem
from magik_trainingkit import troubles
from magik_trainingkit.errors import TrainingError
from magik_trainingkit.layer import Layer

FREE = (1, 2, 3, 12)  # input channels of images, which no rule holds
MOST_OF_CONV, MOST_OF_PRODUCT = 73728, 65536  # of sums on Txx and Xs with weights below 8 bits


def check(model: nn.Module, *inputs: Any, is_mixed: bool = False) -> None:
    """Name the layers of a network, hold each against the rules of its chip, and look for what stops training.

    Args:   inputs: of one call of the network; a copy of it then tries a step of training on them, too.
            is_mixed: layers of PyTorch's own are meant to be there.
    Raises: TrainingError: every rule that is broken, with the name of the layer, and what else is wrong.
    """
    problems: list[Problem] = []
    for name, module in model.named_modules():
        if isinstance(module, Layer):
            module.name = name
            problems += [replace(p, where=module.where) for p in module.rules()]
    problems += troubles.of_network(model, is_mixed=is_mixed)
    if inputs and not problems:
        problems += troubles.of_step(model, inputs)
    if problems:
        raise TrainingError(problems=problems)


def check_layer(layer: Layer) -> None:
    """Hold one layer against the rules.

    Raises: TrainingError: every rule that is broken.
    """
    problems = [replace(p, where=layer.where) for p in layer.rules()]
    if problems:
        raise TrainingError(problems=problems)


def device(name: str) -> Iterator[Problem]:
    if name not in DEVICES:
        yield Problem("a chip is not known", found=f"target_device {name!r}", need=f"one of: {', '.join(DEVICES)}")


def channels(count: int, name: str, what: str = "in_channels") -> Iterator[Problem]:
    step = 32 if is_odd(name) else 16
    if count not in FREE and count % step:
        hint = f"take {-(-count // step) * step}"
        yield Problem("a layer has a number of channels that its chip does not take", found=f"{what} {count}",
                      need=f"a multiple of {step} on {name}", hint=hint)  # fmt: skip


def bits(weight: int, *features: int) -> Iterator[Problem]:
    for name, found, most in (("weight_bitwidth", weight, 8), *(("a feature's bits", b, 16) for b in features)):
        if found != REAL and not 2 <= found <= most:
            need = f"2 to {most}, or 32: none"
            yield Problem("a width of codes is not supported", found=f"{name} {found}", need=need)


def sums(taps: int, weight: int, feature: int, name: str, most: int) -> Iterator[Problem]:
    """Sums of weights below 8 bits, which Txx and Xs hold in few bits."""
    if name not in EVEN or weight >= 8 or feature == REAL:
        return
    total = taps * 2**feature * 2 ** (weight - 1)
    if total > most:
        found, need = f"{taps} products of {feature} and {weight} bits: {total}", f"at most {most} on {name}"
        yield Problem("sums of a layer may overflow on its chip", found=found, need=need)
