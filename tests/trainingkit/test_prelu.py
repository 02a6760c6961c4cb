"""PReLU and LeakyReLU behind a layer and in one, against the formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from magik_trainingkit import ops
from torch import Tensor

from tests.trainingkit import reference

WIDE = 32
SLOPES = torch.linspace(-0.5, 0.9, WIDE)
KINDS = [("T40", 8), ("T40", 4), ("T40", 2), ("Txx", 8), ("Txx", 4)]


def features(bits: int, device: str) -> Tensor:
    """Reals of random signed codes."""
    codes = torch.randint(0, 2**bits, (2, WIDE, 4, 3)).double()
    top, half = 2**bits - 1, 2 ** (bits - 1)
    return ((2 * codes / top - 1) if device == "T40" else (codes - half) / half).float()


def sloped(v: Tensor, slopes: Tensor) -> Tensor:
    return torch.where(v < 0, v * slopes.reshape(-1, 1, 1), v)


def rounded(v: Tensor, bits: int, device: str) -> np.ndarray:
    flat = [reference.feature(float(u), bits, -1.0, 1.0, device) for u in v.detach().reshape(-1)]
    return np.array(flat).reshape(v.shape)


def compare(layer: Any, x: Tensor, expected: np.ndarray, bits: int, device: str) -> Tensor:
    """In training the formula, in eval() within a code; the result of training."""
    y: Tensor = layer((x, bits, -1.0))[0]
    assert (np.abs(y.detach().numpy() - expected) > 1e-5).mean() < 0.02
    step = 2 / (2**bits - 1) if device == "T40" else 2 ** (1 - bits)
    with torch.no_grad():
        off = (layer.eval()((x.detach(), bits, -1.0))[0] - torch.from_numpy(expected)).abs() / step
    assert float(off.max()) < 1.01 and float((off > 0.5).double().mean()) < (0.02 if bits > 2 else 0.2)  # ties
    layer.train()
    return y


@pytest.mark.parametrize(("device", "bits"), KINDS)
def test_behind_a_layer(device: str, bits: int) -> None:
    torch.manual_seed(0)
    layer, x = ops.PReLU(WIDE, device), features(bits, device).requires_grad_()
    layer.prelu.weight.data = SLOPES.clone()
    exact, slopes = x.detach().double().requires_grad_(), SLOPES.double().requires_grad_()
    v = sloped(exact, slopes)
    compare(layer, x, rounded(v, bits, device), bits, device).sum().backward()
    v.backward(((v > -1) & (v < 1)).double())
    assert x.grad is not None and exact.grad is not None and slopes.grad is not None
    has_slope = x.detach() != 0  # at the kink either side's is one
    torch.testing.assert_close(x.grad[has_slope].double(), exact.grad[has_slope], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(layer.prelu.weight.grad.double(), slopes.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("device", "bits"), KINDS)
def test_in_a_layer(device: str, bits: int) -> None:
    """The gradient of a slope is that of what is below zero."""
    torch.manual_seed(0)
    widths = {"weight_bitwidth": bits, "input_bitwidth": bits, "output_bitwidth": bits, "quantize": True}
    function = ops.PReLU(WIDE, device)
    function.prelu.weight.data = SLOPES.clone()
    layer = ops.Conv2D(WIDE, WIDE, kernel_h=1, kernel_w=1, activation_fn=function, auto_bitwidth=False,
                       clip_max_value=1.0, target_device=device, **widths)  # fmt: skip
    x, slopes = features(bits, device), SLOPES.double().requires_grad_()
    w = torch.from_numpy(reference.weights(layer.Conv2d.weight.detach().numpy(), bits, 3.0, device))
    v = torch.nn.functional.conv2d(x.double(), w, layer.Conv2d.bias.detach().double())
    out = sloped(v, slopes)
    compare(layer, x, rounded(out, bits, device), bits, device).sum().backward()
    out.backward(((out > -1) & (out < 1)).double())
    assert slopes.grad is not None and slopes.grad.abs().max() > 0
    torch.testing.assert_close(function.prelu.weight.grad.double(), slopes.grad, rtol=1e-3, atol=1e-3)
