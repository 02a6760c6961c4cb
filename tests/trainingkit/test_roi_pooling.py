"""RoIPooling: the formula, its gradient, and the packed program, with regions that are an input of the network."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from magik_trainingkit import ops
from magik_trainingkit.errors import TrainingError
from torch import Tensor, nn

import magik_core as magik
from magik_core.net import load
from tests.trainingkit import estimators
from tests.trainingkit.nets import WIDE, made_of
from tests.trainingkit.test_converted import KINDS
from tests.trainingkit.test_layers import refused

ROIS = torch.tensor(
    [
        [0, 0, 0, 9, 7],
        [1, 4, 2, 18, 12],
        [0, 5, 3, 6.9, 5],  # corners between two pixels
        [1, -4, -6, 5, 30],  # beyond the image
        [0, 12, 10, 3, 2],  # the wrong way round
        [1, 60, 4, 80, 9],  # outside of it
    ]
)
SCALE = 0.5


def pooled(x: Tensor, rois: Tensor, size: tuple[int, int]) -> Tensor:
    """By the definition, part for part, in whole numbers and fractions."""
    out = torch.zeros(len(rois), x.shape[1], *size, dtype=x.dtype)
    for r, (image, *corners) in enumerate(rois.tolist()):
        left, top, right, bottom = (math.floor(abs(v * SCALE) + 0.5) * (1 if v > 0 else -1) for v in corners)
        for i, j in np.ndindex(size):
            rows = part(i, size[0], top, bottom, x.shape[2])
            columns = part(j, size[1], left, right, x.shape[3])
            if rows and columns:
                inside = x[int(image)][:, rows][:, :, columns].flatten(1)
                out[r, :, i, j] = inside.gather(1, inside.argmax(1, keepdim=True))[:, 0]
    return out


def part(i: int, count: int, first: int, last: int, size: int) -> list[int]:
    pitch = Fraction(max(last - first + 1, 1), count)
    start, end = first + math.floor(i * pitch), first + math.ceil((i + 1) * pitch)
    return [n for n in range(start, end) if 0 <= n < size]


@pytest.mark.parametrize("device", ["T40", "Txx"])
@pytest.mark.parametrize("is_signed", [False, True])
def test_training_is_the_formula(device: str, is_signed: bool) -> None:
    """Forward, and backward to the features: straight through to one pixel of each part."""
    exact = estimators.values(8, device, (2, 3, 6, 8), is_signed=is_signed)
    exact = (exact + 1e-4 * torch.randperm(exact.numel()).reshape(exact.shape) / exact.numel()).requires_grad_()
    x, low = exact.detach().float().requires_grad_(), -1.0 if is_signed else 0.0
    layer = ops.RoIPooling((2, 3), SCALE, quantize=True, target_device=device)
    y, bits, clip_min = layer((x, 8, low), ROIS)
    expected = estimators.feature(pooled(exact, ROIS, (2, 3)), 8, low, 1.0, device)
    assert (bits, clip_min) == (8, low) and not y[-1].abs().max() > 1 / 127
    torch.testing.assert_close(y.double(), expected, rtol=0, atol=1e-6)
    slope = torch.linspace(-1, 2, y.numel(), dtype=torch.float64).reshape(y.shape)
    (y * slope.float()).sum().backward()
    (expected * slope).sum().backward()
    assert x.grad is not None and exact.grad is not None and exact.grad.any()
    torch.testing.assert_close(x.grad.double(), exact.grad, rtol=1e-4, atol=1e-5)


def test_reals_stay_reals_and_one_number_is_a_square() -> None:
    x = torch.randn(2, 3, 6, 8)
    y, bits, _ = ops.RoIPooling(2, SCALE)(x, ROIS)
    assert bits == 32 and torch.equal(y, pooled(x, ROIS, (2, 2)))
    assert torch.equal(ops.RoIPooling(2, SCALE).eval()(x, ROIS)[0], y)


class Regional(nn.Module):
    """A first layer's features, parts of regions of them, and a layer that shows what these are."""

    def __init__(self, given: Mapping[str, Any], device: str) -> None:
        super().__init__()
        self.pool = ops.RoIPooling((3, 2), SCALE, quantize=True, target_device=device)
        self.last = ops.Conv2D(WIDE, 8, padding=1, **given)
        self.rois = ROIS

    def forward(self, x: Any) -> Tensor:
        return self.last(self.pool(x, self.rois))[0]


class WithRegions(nn.Module):
    """The regions are an input of the network."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, rois: Tensor) -> Tensor:
        self.net.body.rois = rois
        return self.net(x)


def regional(*, given: Mapping[str, Any], device: str, **_: Any) -> nn.Module:
    return Regional(given, device)


@pytest.mark.parametrize("soc", ["host", "T40", "T41"])
@pytest.mark.parametrize(("device", "bits", "is_signed"), KINDS)
def test_evaluation_is_the_program(tmp_path: Path, device: str, bits: int, is_signed: bool, soc: str) -> None:
    net, x = made_of(regional, bits, device, is_signed, mean=128.0 if is_signed else 0.0)
    with torch.no_grad():
        y = net(x).numpy()
    assert len(np.unique(y)) > 2, "the case shows nothing"
    assert_same(WithRegions(net).eval(), x, y, tmp_path, soc=soc)


@pytest.mark.parametrize("dynamo", [False, True])
def test_both_exporters_write_it(tmp_path: Path, dynamo: bool) -> None:
    net, x = made_of(regional, 8, "T40", False)
    with torch.no_grad():
        y = net(x).numpy()
    assert_same(WithRegions(net).eval(), x, y, tmp_path, dynamo=dynamo)


def assert_same(
    net: nn.Module, x: Tensor, y: np.ndarray, folder: Path, *, soc: str = "host", dynamo: bool = False
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (x, ROIS), str(folder / "net.onnx"), dynamo=dynamo, verbose=False)
    loaded = load(magik.convert(folder / "net.onnx", folder / "net.bin", soc=soc).outputs[1])
    assert [port.dtype for port in loaded.inputs] == ["u8", "f32"]
    feeds = {port.name: value.numpy() for port, value in zip(loaded.inputs, (x, ROIS), strict=True)}
    np.testing.assert_array_equal(next(iter(loaded.run(feeds).values())), y)


def test_regions_of_another_shape_are_one_error() -> None:
    with pytest.raises(TrainingError) as error:
        ops.RoIPooling(2)(torch.zeros(1, 3, 4, 4), torch.zeros(2, 4))
    assert refused(error) == [("RoIPooling", "a shape of (2, 4)", "(N, 5)")]


def test_it_has_no_state() -> None:
    assert not ops.RoIPooling(2).state_dict()
