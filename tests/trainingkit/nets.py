"""Small networks of every operator, and what their packed programs compute."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from magik_trainingkit import ops
from torch import Tensor, nn

import magik_core as magik
from magik_core.net import load

WIDE = 32  # channels that every chip takes


class Net(nn.Module):
    """Pixels, a first layer, a body, and a last layer that shows what the body has made.

    Args: body: makes the layers of the body from their common arguments; its forward takes the first layer's result.
    """

    def __init__(self, body: Callable[..., nn.Module], bits: int, device: str, is_signed: bool, mean: float) -> None:
        super().__init__()
        act = ops.Linear() if is_signed else ops.ReLU6()
        given = {"quantize": True, "weight_bitwidth": bits, "input_bitwidth": bits, "output_bitwidth": bits}
        given |= {"target_device": device, "auto_bitwidth": False, "clip_max_value": 1.5, "enable_batch_norm": True}
        self.pixels = ops.Preprocess(mean, 255.0 if mean == 0 else mean, device)
        first = {**given, "input_bitwidth": 8, "activation_fn": act}
        self.first = ops.Conv2D(3, WIDE, 2, first_layer=True, padding=1, **first)
        self.body = body(bits=bits, device=device, act=act, given={**given, "activation_fn": act})

    def forward(self, x: Tensor) -> Any:
        return self.body(self.first(self.pixels(x)))


class Chain(nn.Sequential):
    """Layers in a row, and the tensor of the last one's result."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)

    def forward(self, x: Any) -> Any:
        y = super().forward(x)
        return y[0] if isinstance(y, tuple) else y


class Sum(nn.Module):
    """A shortcut over a convolution, whose sign may be another."""

    def __init__(self, given: Mapping[str, Any], other: nn.Module, clip: float) -> None:
        super().__init__()
        self.conv = ops.Conv2D(WIDE, WIDE, padding=1, **{**given, "activation_fn": other})
        device = given["target_device"]
        self.shortcut = ops.Shortcut(WIDE, quantize=True, clip_max_value=clip, target_device=device)
        self.last = ops.Conv2D(WIDE, WIDE, padding=1, **given)

    def forward(self, x: Any) -> Tensor:
        return self.last(self.shortcut(x, self.conv(x)))[0]


class Join(nn.Module):
    """Two branches behind one another."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__()
        self.one, self.two = (ops.Conv2D(WIDE, WIDE, padding=1, kernel_h=k, kernel_w=k, **given) for k in (1, 3))
        self.route = ops.Route(given["target_device"])
        self.last = ops.Conv2D(2 * WIDE, WIDE, kernel_h=1, kernel_w=1, **given)

    def forward(self, x: Any) -> Tensor:
        return self.last(self.route(self.one(x), self.two(x)))[0]


def conv(*, given: Mapping[str, Any], **_: Any) -> nn.Module:
    same = ops.Conv2D(WIDE, WIDE, padding=1, **given)
    return Chain(same, ops.Conv2D(WIDE, 5, 2, 3, 2, enable_bias=False, **given))


def conv_last(*, given: Mapping[str, Any], **_: Any) -> nn.Module:
    return Chain(
        ops.Conv2D(WIDE, 5, padding=1, last_layer=True, **{**given, "activation_fn": None, "enable_batch_norm": False})
    )


def depthwise(*, given: Mapping[str, Any], **_: Any) -> nn.Module:
    return Chain(ops.DepthwiseConv2D(WIDE, padding=1, **given))


def prelu(*, given: Mapping[str, Any], device: str, **_: Any) -> nn.Module:
    ends = ops.Conv2D(WIDE, WIDE, padding=1, **{**given, "activation_fn": ops.PReLU(WIDE, device)})
    return Chain(ops.PReLU(WIDE, device), ends, ops.LeakyReLU(0.25, device), ops.Conv2D(WIDE, 4, padding=1, **given))


def hsigmoid(*, given: Mapping[str, Any], device: str, **_: Any) -> nn.Module:
    gate = {**given, "activation_fn": ops.Hsigmoid(WIDE, target_device=device), "clip_max_value": 6.0}
    return Chain(
        ops.Conv2D(WIDE, WIDE, padding=1, **{**gate, "enable_batch_norm": False}),
        ops.Conv2D(WIDE, WIDE, padding=1, **gate),
    )


def batch_norm(*, given: Mapping[str, Any], act: nn.Module, device: str, **_: Any) -> nn.Module:
    return Chain(ops.BatchNorm(WIDE, act, quantize=True, clip_max_value=3.0, target_device=device))


def shortcut(
    clip: float = 2.0, other: nn.Module | None = None, *, given: Mapping[str, Any], act: nn.Module, **_: Any
) -> nn.Module:
    return Sum(given, act if other is None else other, clip)


def route(*, given: Mapping[str, Any], **_: Any) -> nn.Module:
    return Join(given)


def pool(padding: int, *, given: Mapping[str, Any], device: str, **_: Any) -> nn.Module:
    return Chain(ops.Maxpool2D(3, 2, 2, padding, device), ops.Conv2D(WIDE, 4, padding=1, **given))


class Gated(nn.Module):
    """Features times gates of their own means."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__()
        device = given["target_device"]
        self.mean = ops.AdaptiveAvgpool2D(WIDE, quantize=True, target_device=device)
        self.gate = ops.Conv2D(WIDE, WIDE, kernel_h=1, kernel_w=1, **given)
        self.mul = ops.Mul(WIDE, quantize=True, target_device=device)
        self.last = ops.Conv2D(WIDE, 8, padding=1, **given)

    def forward(self, x: Any) -> Tensor:
        return self.last(self.mul(x, self.gate(self.mean(x))))[0]


def gated(*, given: Mapping[str, Any], **_: Any) -> nn.Module:
    return Gated(given)


def average(padding: int, *, given: Mapping[str, Any], device: str, **_: Any) -> nn.Module:
    pool = ops.Avgpool2D(WIDE, 3, 2, 2, padding, quantize=True, target_device=device)
    return Chain(pool, ops.Conv2D(WIDE, 8, padding=1, **given))


def unpool(mode: str, *, given: Mapping[str, Any], device: str, **_: Any) -> nn.Module:
    larger = ops.Unpool2D(2, 3, mode, quantize=True, target_device=device)
    return Chain(larger, ops.Conv2D(WIDE, 4, padding=1, **given))


def full(*, given: Mapping[str, Any], device: str, **_: Any) -> nn.Module:
    ends = {**given, "activation_fn": None, "enable_batch_norm": False}
    return Chain(
        ops.Flatten([-1, WIDE * 10], device),
        ops.FullConnected(WIDE * 10, 16, **given),
        ops.FullyConnected(16, 3, last_layer=True, **ends),
    )


def conv1d(dilation: int, *, given: Mapping[str, Any], device: str, **_: Any) -> nn.Module:
    return Chain(
        ops.Flatten([-1, WIDE, 1, 20], device),
        ops.Conv1D(WIDE, WIDE, 5, padding=2, stride=2, **given),
        ops.Conv1D(WIDE, 4, 3, padding=dilation, dilation=1 if device == "Txx" else dilation, bias=False, **given),
    )


class Remembering(nn.Module):
    """An LSTM over the pixels of the first layer's result, and a layer that reads what it makes."""

    def __init__(self, given: Mapping[str, Any], is_twofold: bool) -> None:
        super().__init__()
        widths = {k: v for k, v in given.items() if k.endswith("bitwidth") and not k.startswith("auto")}
        device = given["target_device"]
        self.flat = ops.Flatten([-1, WIDE, 1, 20], device)
        self.lstm = ops.LSTM(
            WIDE, WIDE, bidirectional=is_twofold, use_squeeze=True, quantize=True, target_device=device, **widths
        )
        for p in self.lstm.parameters():
            p.data *= 5  # so that h takes more than one code of two bits
        end = {**given, "enable_batch_norm": False, "clip_max_value": 0.5, "activation_fn": ops.Linear()}
        self.last = ops.FullConnected(2 * WIDE if is_twofold else WIDE, 6, **end)

    def forward(self, x: Any) -> Tensor:
        y, _ = self.lstm(self.flat(x))
        return self.last(y)[0]


def lstm(is_twofold: bool, *, given: Mapping[str, Any], **_: Any) -> nn.Module:
    return Remembering(given, is_twofold)


BODIES: Mapping[str, Callable[..., nn.Module]] = {
    "conv": conv,
    "last conv": conv_last,
    "depthwise": depthwise,
    "prelu": prelu,
    "hsigmoid": hsigmoid,
    "batch norm": batch_norm,
    "shortcut": shortcut,
    "shortcut over 1": partial(shortcut, 1.0),
    "shortcut over 1.5": partial(shortcut, 1.5),
    "shortcut of another sign": partial(shortcut, 2.0, ops.Linear()),
    "route": route,
    "pool": partial(pool, 0),
    "padded pool": partial(pool, 1),
    "gated": gated,
    "average": partial(average, 0),
    "padded average": partial(average, 1),
    "unpool zero": partial(unpool, "zero"),
    "unpool nearest": partial(unpool, "nearest"),
    "full": full,
    "conv1d": partial(conv1d, 1),
    "dilated conv1d": partial(conv1d, 2),
    "lstm": partial(lstm, False),
    "twofold lstm": partial(lstm, True),
}


def made(body: str, bits: int, device: str, is_signed: bool, mean: float = 0.0) -> tuple[Net, Tensor]:
    """A network of one of BODIES, trained for two steps, and images for it."""
    return made_of(BODIES[body], bits, device, is_signed, mean)


def made_of(
    body: Callable[..., nn.Module], bits: int, device: str, is_signed: bool, mean: float = 0.0
) -> tuple[Net, Tensor]:
    """A network with this body, trained for two steps, and images for it."""
    torch.manual_seed(1)
    net = Net(body, bits, device, is_signed, mean)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.9
            nn.init.uniform_(module.bias, -0.5, 1.0)
    pixels = torch.randint(0, 256, (2, 3, 8, 10)).float()
    x = (pixels - mean) / net.pixels.var
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    for _ in range(2):
        loss = (net(x) - 0.3).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval(), x


def converted(net: nn.Module, x: Tensor, path: Path, *, dynamo: bool = False, soc: str = "host") -> np.ndarray:
    """What the packed program computes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (x,), str(path / "net.onnx"), dynamo=dynamo, verbose=False)
    loaded = load(magik.convert(path / "net.onnx", path / "net.bin", soc=soc).outputs[1])
    (y,) = loaded.run({loaded.inputs[0].name: x.numpy()}).values()
    return y
