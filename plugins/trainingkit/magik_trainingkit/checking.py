"""What is wrong with a network, said before training: every rule of every layer at once."""

from __future__ import annotations

from typing import Any

from torch import nn

from magik_core.errors import Problem
from magik_trainingkit import troubles
from magik_trainingkit.errors import TrainingError
from magik_trainingkit.layer import Layer


def check(model: nn.Module, *inputs: Any, is_mixed: bool = False) -> None:
    """Name the layers of a network, hold each against the rules of its chip, and look for what stops training.

    Args:   inputs: of one call of the network; a copy of it then tries a step of training on them, too.
            is_mixed: layers of PyTorch's own are meant to be there.
    Raises: TrainingError: every rule that is broken, with the name of the layer, and what else is wrong.
    """
    problems = [*of_layers(model), *troubles.of_network(model, is_mixed=is_mixed)]
    if inputs and not problems:
        problems += troubles.of_step(model, inputs)
    if problems:
        raise TrainingError(problems=problems)


def of_layers(model: nn.Module) -> list[Problem]:
    """Every rule that a layer breaks; what a layer is made of is not held against a chip that the layer has not."""
    found: list[Problem] = []
    without: tuple[str, ...] = ()
    for name, module in model.named_modules():
        if not isinstance(module, Layer):
            continue
        module.name = name
        if not name.startswith(without):
            found += module.problems()
        if [*module.chip_rules()]:
            without += (f"{name}." if name else "",)
    return found
