"""Bodies for nets.Net of which not all has codes: last layers of every kind, and floats between quantized layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from magik_trainingkit import ops
from torch import Tensor, nn

from tests.trainingkit.nets import WIDE, Chain


def conv_last(function: Any, norm: bool, *, given: Mapping[str, Any], **_: Any) -> nn.Module:
    own = {**given, "activation_fn": function, "enable_batch_norm": norm}
    return Chain(ops.Conv2D(WIDE, 5, padding=1, last_layer=True, **own))


def full_last(*, given: Mapping[str, Any], device: str, **_: Any) -> nn.Module:
    flat, wide = ops.Flatten([-1, WIDE * 10], device), ops.FullConnected(WIDE * 10, 16, **given)
    return Chain(flat, wide, ops.FullConnected(16, 3, last_layer=True, **{**given, "activation_fn": ops.PReLU(3)}))


def average_last(keepdim: bool, *, device: str, **_: Any) -> nn.Module:
    return Chain(ops.AdaptiveAvgpool2D(WIDE, keepdim, quantize=True, last_layer=True, target_device=device))


def bilinear_last(*, device: str, **_: Any) -> nn.Module:
    return Chain(ops.Unpool2D(2, 3, "bilinear", quantize=True, last_layer=True, target_device=device))


def width(name: str, *, given: Mapping[str, Any], **_: Any) -> nn.Module:
    """A convolution one of whose widths is none."""
    return Chain(ops.Conv2D(WIDE, 8, padding=1, **{**given, name: 32}))


class Bare(nn.Module):
    """A quantized layer that is given a bare tensor."""

    def __init__(self, given: Mapping[str, Any], function: Any) -> None:
        super().__init__()
        own = given if function is None else {**given, "activation_fn": function}
        self.conv = ops.Conv2D(WIDE, 8, padding=1, **own)

    def forward(self, x: Any) -> Tensor:
        return self.conv(x[0])[0]


def bare(function: Any, *, given: Mapping[str, Any], **_: Any) -> nn.Module:
    return Bare(given, function)


def between(*, given: Mapping[str, Any], device: str, **_: Any) -> nn.Module:
    real = ops.Conv2D(WIDE, WIDE, padding=1, enable_batch_norm=True, target_device=device)
    return Chain(real, ops.Conv2D(WIDE, 8, padding=1, **given))


ENDS: Mapping[str, Callable[..., nn.Module]] = {
    "normalized": partial(conv_last, None, True),
    "prelu": partial(conv_last, ops.PReLU(5), True),
    "leaky": partial(conv_last, nn.LeakyReLU(0.1), False),
    "hsigmoid": partial(conv_last, ops.Hsigmoid(5), True),
    "sigmoid": partial(conv_last, nn.Sigmoid(), False),
    "tanh": partial(conv_last, nn.Tanh(), True),
    "relu6": partial(conv_last, nn.ReLU6(), True),
    "relu": partial(conv_last, ops.ReLU(), True),
    "full": full_last,
    "average": partial(average_last, True),
    "flat average": partial(average_last, False),
    "bilinear": bilinear_last,
    "float weights": partial(width, "weight_bitwidth"),
    "float result": partial(width, "output_bitwidth"),
    "bare": partial(bare, None),
    "bare with slopes": partial(bare, ops.PReLU(8)),
    "bare with an offset": partial(bare, ops.Hsigmoid(8)),
    "float between": between,
}
