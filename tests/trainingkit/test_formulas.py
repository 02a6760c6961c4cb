"""Training of layers that make features alone, forward and backward, against the formulas in double precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from magik_trainingkit import ops
from torch import Tensor, nn
from torch.nn import functional

from tests.trainingkit import estimators, reference

BITS, TOP = 4, 15
FOUR: dict[str, Any] = {"quantize": True, "input_bitwidth": BITS, "output_bitwidth": BITS}
Real = Callable[[nn.Module, list[Tensor]], tuple[Tensor, float]]  # what is rounded, and over which clip value


def summed(layer: Any, x: list[Tensor]) -> tuple[Tensor, float]:
    return x[0] + x[1], 2.0 if layer.target_device == "Txx" else min(layer.clip_max_value, 2.0)


def product(layer: Any, x: list[Tensor]) -> tuple[Tensor, float]:
    w = estimators.weights(layer.Linear.weight, BITS, layer.target_device)
    return x[0] @ w.t() + layer.Linear.bias.double(), layer.clip_max_value


def normalized(layer: Any, x: list[Tensor]) -> tuple[Tensor, float]:
    norm = layer.BatchNorm2d.batch_norm
    mean, var = x[0].mean((0, 2, 3), keepdim=True), x[0].var((0, 2, 3), correction=0, keepdim=True)
    gain, offset = (p.double().reshape(-1, 1, 1) for p in (norm.weight.clamp(min=0.01), norm.bias))
    return (x[0] - mean) / (var + norm.eps).sqrt() * gain + offset, layer.clip_max_value


def averaged(layer: Any, x: list[Tensor]) -> tuple[Tensor, float]:
    return functional.avg_pool2d(around(layer, x[0]), 3, 2), 1.0


def around(layer: Any, x: Tensor) -> Tensor:
    """Images of 5x7 in windows of 3, 2 apart: one pixel on each side, code 0 where no code is zero."""
    is_low = layer.target_device == "T40" and bool((x < 0).any())
    return functional.pad(x, (1, 1, 1, 1), value=-1.0 if is_low else 0.0)


IMAGE = (2, 4, 5, 7)
CASES: list[tuple[Callable[[str, nn.Module], nn.Module], tuple[int, ...], Real]] = [
    (lambda d, _: ops.Shortcut(4, quantize=True, clip_max_value=1.0, target_device=d), IMAGE, summed),
    (lambda d, _: ops.Shortcut(4, quantize=True, clip_max_value=1.5, target_device=d), IMAGE, summed),
    (lambda d, _: ops.Shortcut(4, quantize=True, clip_max_value=6.0, target_device=d), IMAGE, summed),
    (lambda d, act: ops.FullConnected(16, 8, act, weight_bitwidth=BITS, auto_bitwidth=False, clip_max_value=0.8,
                                      target_device=d, **FOUR), (20, 16), product),
    (lambda d, act: ops.BatchNorm(4, act, quantize=True, clip_max_value=1.5, target_device=d), IMAGE, normalized),
    (lambda d, _: ops.Avgpool2D(4, 3, 3, 2, 1, quantize=True, target_device=d), IMAGE, averaged),
]  # fmt: skip


@pytest.mark.parametrize(("make", "shape", "real"), CASES)
@pytest.mark.parametrize("device", ["T40", "Txx"])
@pytest.mark.parametrize("is_signed", [False, True])
def test_training_is_the_formula(make: Any, shape: tuple[int, ...], real: Real, device: str, is_signed: bool) -> None:
    """Where a sum of codes lies on a tie, or on a limit, f32 may fall to either side."""
    torch.manual_seed(5)
    layer, low = make(device, ops.Linear() if is_signed else ops.ReLU6()), -1.0 if is_signed else 0.0
    for p in layer.parameters():
        nn.init.uniform_(p, -0.5, 1.0)
    exact = [estimators.values(BITS, device, shape, is_signed=is_signed, seed=s).requires_grad_() for s in (1, 2)]
    exact = exact[: 2 if real is summed else 1]
    own = [x.detach().float().requires_grad_() for x in exact]
    y, bits, clip_min = layer(*((x, BITS, low) for x in own))
    v, m = real(layer, exact)
    expected = estimators.feature(v, BITS, -m if is_signed else 0.0, m, device)
    assert (bits, clip_min < 0) == (BITS, is_signed) and len(y.unique()) > 4
    certain = torch.from_numpy(~reference.is_near_tie(places(v.detach().numpy() / m, is_signed, device)))
    assert certain.double().mean() > 0.2
    torch.testing.assert_close(y.double()[certain], expected[certain], rtol=0, atol=1e-5)
    assert (y.double() - expected).abs().max() < 1.01 * 2 / TOP
    slope = torch.linspace(-1, 2, y.numel(), dtype=torch.float64).reshape(y.shape)
    slope *= (v.detach().abs() - m).abs() > 1e-6
    if not is_signed:
        slope *= v.detach().abs() > 1e-6
    mine = torch.autograd.grad((y * slope.float()).sum(), [*own, *layer.parameters()])
    theirs = torch.autograd.grad((expected * slope).sum(), [*exact, *layer.parameters()])
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a.double(), b.double(), rtol=1e-3, atol=1e-4)


def places(share: np.ndarray, is_signed: bool, device: str) -> np.ndarray:
    """What is rounded, in units of a code."""
    low = np.clip(share, -1 if is_signed else 0, 1)
    if not is_signed:
        return low * TOP
    return (low + 1) / 2 * TOP if device == "T40" else np.abs(low) * 2 ** (BITS - 1)


@pytest.mark.parametrize("device", ["T40", "Txx"])
@pytest.mark.parametrize("is_signed", [False, True])
def test_empty_pixels_and_padding_are_code_0(device: str, is_signed: bool) -> None:
    x = estimators.values(BITS, device, IMAGE, is_signed=is_signed).float().requires_grad_()
    low = -1.0 if is_signed else 0.0
    pool = ops.Maxpool2D(3, 3, 2, 1, device)
    assert torch.equal(pool((x, BITS, low))[0], functional.max_pool2d(around(pool, x), 3, 2))
    negative = torch.full(IMAGE, -0.2)
    assert bool((pool((negative, BITS, -1.0))[0][..., 0, 0] == (-0.2 if device == "T40" else 0.0)).all())
    y = ops.Unpool2D(2, 3, "zero", quantize=True, target_device=device)((x, BITS, low))[0]
    expected = torch.full((2, 4, 10, 21), -1.0 if is_signed and device == "T40" else 0.0)
    expected[:, :, ::2, ::3] = x.detach()
    assert torch.equal(y.detach(), expected)
    (grad,) = torch.autograd.grad(y.sum(), [x])
    assert bool((grad == 1).all())
