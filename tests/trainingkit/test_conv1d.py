"""Conv1D: its state, its layouts, and what it computes against the formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from magik_trainingkit import ops
from torch import Tensor
from torch.nn import functional

from tests.trainingkit import reference

WIDE = 32


def made(bits: int = 32, device: str = "T40", **given: Any) -> ops.Conv1D:
    torch.manual_seed(0)
    widths = {"weight_bitwidth": bits, "input_bitwidth": bits, "output_bitwidth": bits, "quantize": bits < 32}
    fixed = {"auto_bitwidth": False, "clip_max_value": 1.0, "activation_fn": ops.Linear(), "target_device": device}
    return ops.Conv1D(WIDE, 8, **{**widths, **fixed, **given})


def features(bits: int, device: str, length: int = 9) -> Tensor:
    """Reals of random signed codes."""
    codes = torch.randint(0, 2**bits, (2, WIDE, 1, length)).double()
    top, half = 2**bits - 1, 2 ** (bits - 1)
    return ((2 * codes / top - 1) if device == "T40" else (codes - half) / half).float()


def test_state_has_the_keys_of_the_kit() -> None:
    layer = made(enable_batch_norm=True)
    shapes = {name: tuple(v.shape) for name, v in layer.state_dict().items() if "batch_norm" not in name}
    assert shapes == {"convd.weight": (8, WIDE, 1, 3), "convd.bias": (8,)}
    assert sum("BatchNorm2d.batch_norm." in name for name in layer.state_dict()) == 5
    other = made(4, enable_batch_norm=True)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other.convd.weight, layer.convd.weight)
    assert list(made(bias=False).state_dict()) == ["convd.weight"]


@pytest.mark.parametrize(("device", "bits"), [("T40", 8), ("T40", 4), ("T40", 2), ("Txx", 8), ("Txx", 4)])
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 2, 1), (1, 2, 2)])
def test_it_is_the_formula(device: str, bits: int, stride: int, padding: int, dilation: int) -> None:
    """Forward and backward in training, and within a code in eval()."""
    dilation = 1 if device == "Txx" else dilation
    layer = made(bits, device, stride=stride, padding=padding, dilation=dilation)
    x = features(bits, device).requires_grad_()
    y, _, _ = layer((x, bits, -1.0))
    weight = layer.convd.weight.detach().numpy()
    w = torch.from_numpy(reference.weights(weight, bits, 3.0, device)).squeeze(2).requires_grad_()
    exact = x.detach().double().squeeze(2).requires_grad_()
    sides = (padding, padding) if dilation > 1 else (0, 0) if not padding else (1, 1)  # 9 and 3 taps: one on each side
    wide = functional.pad(exact, sides, value=-1.0 if device == "T40" else 0.0)
    v = functional.conv1d(wide, w, layer.convd.bias.detach().double(), stride, dilation=dilation)
    codes = [reference.feature(float(u), bits, -1.0, 1.0, device) for u in v.detach().reshape(-1)]
    expected = np.array(codes).reshape(v.unsqueeze(2).shape)
    assert (np.abs(y.detach().numpy() - expected) > 1e-5).mean() < 0.02
    y.sum().backward()
    v.backward(((v > -1) & (v < 1)).double())
    assert x.grad is not None and exact.grad is not None and w.grad is not None
    torch.testing.assert_close(x.grad.squeeze(2).double(), exact.grad, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(layer.convd.weight.grad.squeeze(2).double(), w.grad, rtol=1e-3, atol=1e-2)
    step = 2 / (2**bits - 1) if device == "T40" else 2 ** (1 - bits)
    off = (layer.eval()((x.detach(), bits, -1.0))[0] - torch.from_numpy(expected)).abs() / step
    assert float(off.max()) < 1.01 and float((off > 0.5).double().mean()) < 0.02


@pytest.mark.parametrize("bits", [32, 4])
def test_sequences_stay_sequences(bits: int) -> None:
    layer, x = made(bits, padding=1).eval(), features(4, "T40")
    y, *kind = layer((x, bits, -1.0))
    flat, *same = layer((x.squeeze(2), bits, -1.0))
    assert torch.equal(flat, y.squeeze(2)) and kind == same
    last = made(last_layer=True)
    assert torch.equal(last(x.squeeze(2)), last(x).squeeze(2))
