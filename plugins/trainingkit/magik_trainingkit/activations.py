"""What an activation function means where its result gets codes: it is told by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

OFFSET = 3.0  # what Hsigmoid adds


@dataclass(frozen=True)
class Activation:
    """How a layer's sum becomes a feature.

    Args: name: in the graph. is_signed: features are in [-1, 1]. offset: added before limits. slope: of a PRelu.
    """

    name: str
    is_signed: bool = False
    offset: float = 0.0
    has_slope: bool = False


KINDS = (  # the first whose name is part of the function's text
    ("PReLU", Activation("PRelu", is_signed=True, has_slope=True)),
    ("LeakyReLU", Activation("LeakyRelu", is_signed=True, has_slope=True)),
    ("Linear", Activation("Linear", is_signed=True)),
    ("Hsigmoid", Activation("Hsigmoid", offset=OFFSET)),
)
LIMITS = Activation("ReluX")  # ReLU, ReLU6, none: the limits of the codes do it


def of(function: Any) -> Activation:
    """What a function that users pass stands for."""
    text = str(function)
    return next((found for name, found in KINDS if name in text), LIMITS)


def slope(function: Any) -> Tensor:
    """The slopes of a PReLU or LeakyReLU below zero, by channel or one."""
    for module in function.modules() if isinstance(function, nn.Module) else ():
        if isinstance(module, nn.PReLU):
            return module.weight
        given = getattr(module, "negative_slope", None)
        if given is not None:
            return torch.tensor([float(given)])
    return torch.zeros(1)


def sloped(x: Tensor, function: Any) -> Tensor:
    """x, and below zero x times its slope."""
    a = slope(function).to(x)
    return torch.where(x < 0, x * a.reshape(-1, *(1,) * (x.ndim - 2)), x)


def apply(x: Tensor, function: Any) -> Tensor:
    """The function as it is given; None is none."""
    return x if function is None else function(x)
