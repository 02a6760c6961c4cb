"""Straight-through estimators against the formulas, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from magik_trainingkit import fake_quant

from magik_core.builtin.trainingkit import arithmetic
from tests.trainingkit import reference

DEVICES = ("T40", "Txx")
BITS = (2, 3, 4, 5, 8)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("clip_min", [0.0, -1.0])
@pytest.mark.parametrize("m", [1.0, 2.0, 6.0])
def test_a_feature_is_that_of_the_formula(device: str, bits: int, clip_min: float, m: float) -> None:
    x = np.random.default_rng(bits).uniform(-1.3 * m, 1.3 * m, 500).astype(np.float32)
    y = fake_quant.quantized_feature(torch.from_numpy(x), bits, clip_min, m, device).numpy()
    expected = np.array([reference.feature(float(v), bits, clip_min, m, device) for v in x])
    top = 2**bits - 1
    places = {0.0: np.clip(x, 0, m) / m * top}.get(clip_min, (np.clip(x, -m, m) / m + 1) / 2 * top)
    places = np.abs(x) / m * 2 ** (bits - 1) if clip_min < 0 and device == "Txx" else places
    certain = ~reference.is_near_tie(places)
    assert certain.mean() > 0.9
    np.testing.assert_allclose(y[certain], expected[certain], atol=1e-6)


@pytest.mark.parametrize(
    ("v", "expected"), [(0.5, 0), (1.5, 2), (2.5, 2), (2.5009, 2), (3.5009, 4), (2.502, 3), (2.49, 2)]
)
def test_ties_go_to_the_even_neighbor(v: float, expected: int) -> None:
    assert reference.near_even(v) == expected
    assert float(fake_quant.round_near_even(torch.tensor(v, dtype=torch.float64))) == expected
    assert float(arithmetic.round_near_even(np.float64(v))) == expected


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("is_depthwise", [False, True])
def test_weights_are_those_of_the_formula(device: str, bits: int, is_depthwise: bool) -> None:
    w = np.random.default_rng(bits).standard_t(3, (6, 4, 3, 3)).astype(np.float32)  # some beyond three deviations
    expected = reference.weights(w, bits, 3.0, device, is_depthwise)
    codes, scales = arithmetic.weight_codes(w, bits, 3.0, device, is_depthwise=is_depthwise)
    np.testing.assert_allclose(codes * scales.reshape(-1, 1, 1, 1), expected, rtol=1e-9, atol=1e-9)
    y = fake_quant.quantized_weight(torch.from_numpy(w), bits, 3.0, device, is_depthwise=is_depthwise).numpy()
    step = np.abs(w).reshape(6, -1).max(1).reshape(-1, 1, 1, 1) * 2 / (2**bits - 1)
    far = np.abs(y - expected) > 1e-5
    assert far.mean() < 0.02 and (np.abs(y - expected) < 1.01 * step).all()


def test_weights_on_t40_are_odd() -> None:
    w = np.random.default_rng(1).normal(size=(4, 9)).astype(np.float32)
    codes, scales = arithmetic.weight_codes(w, 4, 3.0, "T40")
    assert (codes % 2 == 1).all() and codes.max() == 15 and codes.min() == -15
    np.testing.assert_allclose(scales, np.abs(w).max(1) / 15)


def test_a_channel_of_zeros_has_codes_of_zero() -> None:
    w = np.zeros((2, 3), np.float32)
    w[1] = 1
    codes, scales = arithmetic.weight_codes(w, 8, 3.0, "T40")
    assert (codes[0] == 0).all() and (scales > 0).all() and (codes[1] == 255).all()
    assert (fake_quant.quantized_weight(torch.from_numpy(w), 8, 3.0, "T40")[0] == 0).all()


@pytest.mark.parametrize("clip_min", [0.0, -2.0])
def test_the_gradient_of_a_feature_passes_inside_of_the_limits(clip_min: float) -> None:
    x = torch.tensor([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0], requires_grad=True)
    g = torch.arange(1.0, 8.0)
    fake_quant.feature(x, 4, clip_min, 2.0, "T40").backward(g)
    inside = [0, 0, 3, 4, 5, 0, 0] if clip_min < 0 else [0, 0, 0, 0, 5, 0, 0]
    assert x.grad is not None and x.grad.tolist() == inside


def test_the_gradient_of_weights_passes_and_that_of_a_small_gain_does_not() -> None:
    w = torch.randn(4, 9, requires_grad=True)
    g = torch.randn(4, 9)
    fake_quant.weight(w, 2, 3.0, "Txx").backward(g)
    assert w.grad is not None and torch.equal(w.grad, g)
    gain = torch.tensor([0.001, 0.5, -1.0], requires_grad=True)
    y = fake_quant.gamma(gain)
    y.sum().backward()
    assert gain.grad is not None
    assert y.tolist() == pytest.approx([0.01, 0.5, 0.01]) and gain.grad.tolist() == [0.0, 1.0, 0.0]


def test_32_bits_are_none() -> None:
    x = torch.randn(5)
    assert fake_quant.feature(x, 32, 0.0, 6.0, "T40") is x and fake_quant.weight(x, 32, 3.0, "T40") is x
