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
        if hasattr(module, "negative_slope"):
            return torch.tensor([float(module.negative_slope)])
    return torch.zeros(1)


def sloped(x: Tensor, function: Any) -> Tensor:
    """x, and below zero x times its slope."""
    a = slope(function).to(x)
    return torch.where(x < 0, x * a.reshape(-1, *(1,) * (x.ndim - 2)), x)


def apply(x: Tensor, function: Any) -> Tensor:
    """The function as it is given; None is none."""
    return x if function is None else function(x)


class ReLU6(nn.Module):
    """min(max(x, 0), 6)."""

    def __init__(self, target_device: str = "Txx") -> None:
        super().__init__()
        self.target_device = target_device

    def forward(self, x: Any) -> Any:
        return _of_tensor(x, lambda t: t.clamp(0, 6))


RELU6 = ReLU6()  # the default of layers: only its name matters where features have codes


class ReLU(ReLU6):
    """max(x, 0)."""

    def forward(self, x: Any) -> Any:
        return _of_tensor(x, torch.relu)


class Linear(ReLU6):
    """x."""

    def forward(self, x: Any) -> Any:
        return x


LINEAR = Linear()


class LeakyReLU(nn.Module):
    """x, and below zero x times one slope."""

    def __init__(self, negative_slope: float = 0.01, target_device: str = "Txx") -> None:
        super().__init__()
        self.negative_slope, self.target_device = negative_slope, target_device

    def forward(self, x: Any) -> Any:
        return _of_tensor(x, lambda t: nn.functional.leaky_relu(t, self.negative_slope))


class PReLU(nn.Module):
    """x, and below zero x times a slope that is trained, one for each channel."""

    def __init__(self, in_channels: int, target_device: str = "Txx") -> None:
        super().__init__()
        self.in_channels, self.target_device = in_channels, target_device
        self.prelu = nn.PReLU(in_channels)

    def forward(self, x: Any) -> Any:
        return _of_tensor(x, self.prelu)


class Hsigmoid(nn.Module):
    """min(max(x + 3, 0), 6) / 6."""

    def __init__(
        self, in_channels: int, offset_value: float = OFFSET, clip_max_value: float = 6.0, target_device: str = "Txx"
    ) -> None:
        super().__init__()
        self.in_channels, self.offset_value, self.clip_max_value = in_channels, offset_value, clip_max_value
        self.target_device = target_device

    def forward(self, x: Any) -> Any:
        return _of_tensor(x, lambda t: (t + self.offset_value).clamp(0, self.clip_max_value) / self.clip_max_value)


def _of_tensor(x: Any, function: Any) -> Any:
    """A function of the tensor of a value; width and sign stay."""
    return (function(x[0]), *x[1:]) if isinstance(x, tuple) else function(x)
