"""Activation functions: what a layer is told to end with, and layers of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from magik_core.builtin.trainingkit.arithmetic import REAL
from magik_trainingkit import activations, graph
from magik_trainingkit.activations import OFFSET
from magik_trainingkit.errors import TrainingError
from magik_trainingkit.graph import Node
from magik_trainingkit.layer import Layer, marked
from magik_trainingkit.rounding import rounded
from magik_trainingkit.values import Value, need_value


class _Kept(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *unused: Tensor) -> Tensor:
        ctx.save_for_backward(*unused)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        return grads[0], *(torch.zeros_like(p) for p in ctx.saved_tensors)


def kept(x: Tensor, function: Any) -> Tensor:
    """x; parameters of a function that changes no codes have a gradient of 0, as DistributedDataParallel needs it."""
    unused = list(function.parameters()) if isinstance(function, nn.Module) and function.training else []
    y: Tensor = _Kept.apply(x, *unused) if unused and not graph.is_exporting() else x
    return y


class Function(Layer):
    """Base: a function of reals, of a tensor or of another layer's result.

    Codes of [0, 1] stay what they are. Signed ones are rounded again where the function has a slope below zero;
    others end a layer, not stand behind one.
    """

    target_device: str

    def real(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def slopes(self) -> Tensor | None:
        """Factors below zero, if that is all that the function does."""
        return None

    def forward(self, x: Any) -> Any:
        if isinstance(x, Tensor):
            return self.real(x)
        given = need_value(x, self.where)
        if given.bits == REAL:
            return Value(self.real(given.tensor), REAL, given.clip_min)
        if given.clip_min >= 0 and not isinstance(self, Hsigmoid):
            return given._replace(tensor=kept(given.tensor, self))
        slopes = self.slopes()
        if slopes is None:
            hint = "pass it as activation_fn of the layer before"
            raise TrainingError("a function is given codes that it cannot change", where=self.where,
                                found=f"{given.bits} bits, clip_min {given.clip_min:g}", hint=hint)  # fmt: skip
        return self._rounded(given, slopes)

    def _rounded(self, x: Value, slopes: Tensor) -> Value:
        device, kind = self.target_device, {"op_type": "Prelu"}
        wide = slopes.detach().reshape(-1, *(1,) * (x.tensor.ndim - 2))
        real = functional.prelu(marked(x.tensor, "prelu_start", kind, device), slopes.to(x.tensor))
        y = rounded(self, real, [Node("PRelu", [wide])], [x], device)
        return y._replace(tensor=marked(y.tensor, "prelu_end", kind, device))


class ReLU6(Function):
    """min(max(x, 0), 6)."""

    def __init__(self, target_device: str = "Txx") -> None:
        super().__init__()
        self.target_device = target_device

    def real(self, x: Tensor) -> Tensor:
        return functional.relu6(x)


class ReLU(ReLU6):
    """max(x, 0)."""

    def real(self, x: Tensor) -> Tensor:
        return torch.relu(x)


class Linear(ReLU6):
    """x."""

    def forward(self, x: Any) -> Any:
        return x


class LeakyReLU(Function):
    """x, and below zero x times one slope."""

    def __init__(self, negative_slope: float = 0.01, target_device: str = "Txx") -> None:
        super().__init__()
        self.negative_slope, self.target_device = negative_slope, target_device

    def real(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(x, self.negative_slope)

    def slopes(self) -> Tensor:
        return torch.tensor([float(self.negative_slope)])


class PReLU(Function):
    """x, and below zero x times a slope that is trained, one for each channel."""

    def __init__(self, in_channels: int, target_device: str = "Txx") -> None:
        super().__init__()
        self.in_channels, self.target_device = in_channels, target_device
        self.prelu = nn.PReLU(in_channels)

    def real(self, x: Tensor) -> Tensor:
        return functional.prelu(x, self.prelu.weight)

    def slopes(self) -> Tensor:
        return self.prelu.weight


class Hsigmoid(Function):
    """min(max(x + 3, 0), 6) / 6."""

    def __init__(
        self, in_channels: int, offset_value: float = OFFSET, clip_max_value: float = 6.0, target_device: str = "Txx"
    ) -> None:
        super().__init__()
        self.in_channels, self.offset_value, self.clip_max_value = in_channels, offset_value, clip_max_value
        self.target_device = target_device

    def real(self, x: Tensor) -> Tensor:
        return (x + self.offset_value).clamp(0.0, float(self.clip_max_value)) / self.clip_max_value


SINGLE = {ReLU: "Relu", nn.ReLU: "Relu", nn.Sigmoid: "Sigmoid", nn.Tanh: "Tanh"}


def nodes_of(function: Any, rank: int) -> Sequence[Node] | None:
    """A function of reals as standard nodes; None: it has none here. rank: of what it is given."""
    kind = type(function)
    if function is None or kind in (Linear, nn.Identity):
        return []
    if kind in SINGLE:
        return [Node(SINGLE[kind])]
    if kind in (ReLU6, nn.ReLU6):
        return [_limited(6.0)]
    if kind in (LeakyReLU, nn.LeakyReLU):
        return [Node("LeakyRelu", (), {"alpha": float(function.negative_slope)})]
    if kind in (PReLU, nn.PReLU):
        return [sloped_node(function, rank)]
    if kind is Hsigmoid:
        offset, most = float(function.offset_value), float(function.clip_max_value)
        return [Node("Add", [torch.tensor(offset)]), _limited(most), Node("Div", [torch.tensor(most)])]
    return None


def _limited(most: float) -> Node:
    return Node("Clip", [torch.tensor(0.0), torch.tensor(most)])


def sloped_node(function: Any, rank: int) -> Node:
    """x, and below zero x times the slopes of a function."""
    return Node("PRelu", [activations.slope(function).detach().reshape(-1, *(1,) * (rank - 2))])


RELU6, LINEAR = ReLU6(), Linear()  # defaults of layers: only the name matters where features have codes
