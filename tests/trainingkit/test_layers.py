"""Layers: their state, what they refuse, and what they compute against the formulas."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import magik_trainingkit as kit
import numpy as np
import pytest
import torch
from magik_trainingkit import ops
from magik_trainingkit.errors import TrainingError
from torch import nn
from torch.nn import functional

from magik_core.errors import MagikError
from tests.trainingkit import reference
from tests.trainingkit.nets import WIDE, made

QUANTIZED = {"quantize": True, "weight_bitwidth": 4, "input_bitwidth": 4, "output_bitwidth": 4}


# ---- what they compute ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("device", "bits"), [("T40", 8), ("T40", 4), ("T40", 2), ("Txx", 8), ("Txx", 4)])
@pytest.mark.parametrize("is_signed", [False, True])
def test_evaluation_is_within_a_code_of_the_formula(device: str, bits: int, is_signed: bool) -> None:
    """In double precision, with running statistics: the same code nearly everywhere, the next one at ties."""
    net, _ = made("depthwise" if bits == 8 else "conv", bits, device, is_signed)
    layer = net.body[0]
    top, half = 2**bits - 1, 2 ** (bits - 1)
    codes = torch.randint(0, top + 1, (2, WIDE, 6, 7))
    low = -1.0 if is_signed else 0.0
    step = {True: (2 / top if device == "T40" else 1 / half), False: 1 / top}[is_signed]
    x = (low + codes.double() * step).float()
    y, out_bits, clip_min = layer((x, bits, low))
    expected = torch.from_numpy(by_formula(layer, x.double(), low))
    difference = ((y.double() - expected).abs() / step).numpy()
    assert out_bits == bits and (clip_min < 0) == is_signed
    assert difference.max() < 1.01 and (difference > 0.5).mean() < 0.02


def by_formula(layer: Any, x: torch.Tensor, low: float) -> np.ndarray:
    device, m = layer.target_device, layer.clip_max_value
    w = reference.weights(layer.Conv2d.weight.detach().numpy(), layer.weight_bitwidth, 3.0, device, layer.is_depthwise)
    padded = functional.pad(x, (1, 1, 1, 1), value=-1.0 if low < 0 and device == "T40" else 0.0)
    bias = layer.Conv2d.bias.detach().double()
    v = functional.conv2d(padded, torch.from_numpy(w), bias, layer.stride, groups=layer.groups)
    norm = layer.BatchNorm2d.batch_norm
    gain = norm.weight.double().clamp(min=0.01) / (norm.running_var.double() + norm.eps).sqrt()
    v = (v - norm.running_mean.double().reshape(-1, 1, 1)) * gain.reshape(-1, 1, 1) + norm.bias.double().reshape(
        -1, 1, 1
    )
    sign = 0.0 if low == 0 else -m
    flat = [reference.feature(float(u), layer.output_bitwidth, sign, m, device) for u in v.detach().reshape(-1)]
    return np.array(flat).reshape(v.shape)


def test_training_is_the_formula() -> None:
    """The forward pass of training, batch statistics included, and the gradients that autograd makes of it."""
    torch.manual_seed(0)
    layer = ops.Conv2D(WIDE, 8, padding=1, clip_max_value=1.0, target_device="T40", **QUANTIZED)
    x = (torch.randint(0, 16, (1, WIDE, 4, 4)).float() / 15).requires_grad_()
    y, _, _ = layer((x, 4, 0.0))
    w = torch.from_numpy(reference.weights(layer.Conv2d.weight.detach().numpy(), 4, 3.0, "T40")).requires_grad_()
    exact = x.detach().double().requires_grad_()
    v = functional.conv2d(functional.pad(exact, (1, 1, 1, 1)), w, layer.Conv2d.bias.detach().double())
    codes = [reference.feature(float(u), 4, 0.0, 1.0, "T40") for u in v.detach().reshape(-1)]
    assert (np.abs(y.detach().numpy().reshape(-1) - codes) > 1e-5).mean() < 0.02
    y.sum().backward()
    v.backward(((v > 0) & (v < 1)).double())
    assert x.grad is not None and exact.grad is not None and w.grad is not None
    torch.testing.assert_close(x.grad.double(), exact.grad, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(layer.Conv2d.weight.grad.double(), w.grad, rtol=1e-3, atol=1e-3)


def test_evaluation_follows_the_weights() -> None:
    layer = ops.Conv2D(WIDE, 8, padding=1, clip_max_value=0.5, target_device="T40", **QUANTIZED).eval()
    x = torch.randint(0, 16, (1, WIDE, 4, 4)).float() / 15, 4, 0.0
    before = layer(x)[0]
    layer.Conv2d.weight.data.neg_()
    after = layer(x)[0]
    assert not torch.equal(before, after)
    layer.Conv2d.weight.data.neg_()
    assert torch.equal(layer(x)[0], before)


def test_float_layers_are_float() -> None:
    layer = ops.Conv2D(3, 4, padding=1, enable_batch_norm=True).eval()
    x = torch.randn(1, 3, 5, 5)
    y, bits, clip_min = layer(x)
    expected = functional.conv2d(x, layer.Conv2d.weight, layer.Conv2d.bias, padding=1) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(y, expected.clamp(0, 6))
    assert (bits, clip_min) == (32, 0.0)


def test_autocast_trains() -> None:
    net, x = made("shortcut", 4, "T40", True, 128.0)
    net.train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = net(x).float().square().mean()
    loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize(("size", "stride"), [(7, 2), (8, 2), (5, 3), (6, 1)])
def test_padding_gives_as_many_windows_as_strides(size: int, stride: int) -> None:
    layer = ops.Conv2D(3, 4, stride, padding=2)
    assert layer(torch.zeros(1, 3, size, size))[0].shape[2] == -(-size // stride)


# ---- their state ---------------------------------------------------------------------------------------------

BN = {f"batch_norm.{n}" for n in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}
KEYS = [
    (lambda q: ops.Conv2D(32, 32, enable_batch_norm=True, **q), {"Conv2d.weight", "Conv2d.bias"}, "BatchNorm2d"),
    (lambda q: ops.Conv2D(32, 32, enable_bias=False, **q), {"Conv2d.weight"}, ""),
    (lambda q: ops.Conv2D(32, 4, activation_fn=ops.PReLU(4), **q),
     {"Conv2d.weight", "Conv2d.bias", "activation_fn.prelu.weight"}, ""),
    (lambda q: ops.DepthwiseConv2D(32, enable_batch_norm=True, **q), {"Conv2d.weight", "Conv2d.bias"}, "BatchNorm2d"),
    (lambda q: ops.FullConnected(8, 4, enable_batch_norm=True, **q), {"Linear.weight", "Linear.bias"}, "BatchNorm1d"),
    (lambda q: ops.BatchNorm(8, quantize=q.get("quantize", False)), set(), "BatchNorm2d"),
    (lambda q: ops.Shortcut(8, quantize=q.get("quantize", False)), set(), ""),
    (lambda q: ops.Unpool2D(), set(), ""),
    (lambda q: ops.PReLU(8), {"prelu.weight"}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("make", "keys", "norm"), KEYS)
@pytest.mark.parametrize("given", [{}, QUANTIZED], ids=["float", "quantized"])
def test_state_has_the_keys_of_the_kit(make: Any, keys: set[str], norm: str, given: dict[str, Any]) -> None:
    layer = make(given)
    state = layer.state_dict()
    assert set(state) == keys | ({f"{norm}.{name}" for name in BN} if norm else set())
    other = make({})
    other.load_state_dict(state)
    assert all(torch.equal(a, b) for a, b in zip(other.state_dict().values(), state.values(), strict=True))


def test_a_network_is_copied_and_pickled_after_evaluation() -> None:
    net, x = made("conv", 4, "T40", False)
    y = net(x)
    stored = io.BytesIO()
    torch.save(net, stored)
    stored.seek(0)
    for other in (copy.deepcopy(net), torch.load(stored, weights_only=False)):
        assert torch.equal(other(x), y)


def test_pickles_of_the_vendors_kit_load() -> None:
    """Under its module paths, and without attributes that it did not have."""
    from ingenic_magik_trainingkit.QuantizationTrainingPlugin.python import ops as vendor
    from ingenic_magik_trainingkit.QuantizationTrainingPlugin.python import quantize_ops

    assert vendor.Conv2D is ops.Conv2D and quantize_ops.Conv2d_Q is ops.Conv2d_Q is vendor.Conv2d_Q
    layer = ops.Conv2D(WIDE, 8, padding=1, target_device="T40", **QUANTIZED).eval()
    path = b"ingenic_magik_trainingkit.QuantizationTrainingPlugin.python.ops"
    old = copy.deepcopy(layer)
    for name in ("is_focus", "conv1d", "auto_threshold", "weight_factor"):
        del old.__dict__[name]
    data = pickle.dumps(old, protocol=0).replace(b"cmagik_trainingkit.conv2d\nConv2D\n", b"c" + path + b"\nConv2D\n")
    assert path in data
    x = torch.randint(0, 16, (1, WIDE, 4, 4)).float() / 15, 4, 0.0
    assert torch.equal(pickle.loads(data)(x)[0], layer(x)[0])


# ---- what they refuse ----------------------------------------------------------------------------------------


def refused(error: pytest.ExceptionInfo[MagikError]) -> list[tuple[str, str, str]]:
    return [(p.where, p.found, p.need) for p in error.value.problems]


CHIPS = "; ".join([
    "T40: Conv2D '0', Conv2D '7'", "Txx: Conv2D '1', FullConnected '5'", "Xs1: DepthwiseConv2D '2'",
    "T41: Conv2D '3'", "T02: Conv2D '4'",
])  # fmt: skip


def test_every_rule_of_a_network_is_said_at_once() -> None:
    given = {**QUANTIZED, "auto_bitwidth": False}
    net = nn.Sequential(
        ops.Conv2D(24, 32, target_device="T40", **given),
        ops.Conv2D(32, 32, dilation=2, target_device="Txx", **given),
        ops.DepthwiseConv2D(20, target_device="Xs1", **given),
        ops.Conv2D(64, 64, groups=4, target_device="T41", **given),
        ops.Conv2D(32, 32, kernel_h=1, target_device="T02", **given),
        ops.FullConnected(2048, 8, target_device="Txx", **given),
        ops.Conv2D(32, 32, target_device="T99", **given),
        ops.Conv2D(32, 32, target_device="T40", **{**given, "weight_bitwidth": 9}),
        ops.Unpool2D(mode="bilinear"),
        ops.Conv2D(24, 32, target_device="T40"),
    )
    with pytest.raises(TrainingError) as error:
        kit.check(net)
    assert refused(error) == [
        ("Conv2D '0'", "in_channels 24", "a multiple of 32 on T40"),
        ("Conv2D '1'", "dilation 2", "1"),
        ("DepthwiseConv2D '2'", "in_channels 20", "a multiple of 16 on Xs1"),
        ("Conv2D '3'", "16 to 16 channels", "multiples of 32 on T41"),
        ("Conv2D '4'", "1x3, padding 0", "3x3 with padding on T02"),
        ("FullConnected '5'", "2048 products of 4 and 4 bits: 262144", "at most 65536 on Txx"),
        ("Conv2D '6'", "target_device 'T99'", "one of: Txx, Xs1, Xs2, T40, T41, A1, X2500, T02"),
        ("Conv2D '7'", "weight_bitwidth 9", "2 to 8, or 32: none"),
        ("Unpool2D '8'", "mode 'bilinear'", "zero, nearest, or bilinear with last_layer=True"),
        ("", CHIPS, "one chip"),
    ]


@pytest.mark.parametrize(
    ("layer", "x", "found"),
    [
        (ops.Conv2D(24, 32, target_device="T40", **QUANTIZED), torch.zeros(1, 24, 4, 4), "in_channels 24"),
        (ops.Conv2D(32, 32, **QUANTIZED), (torch.zeros(1), 4), "2 values"),
        (ops.Conv2D(32, 32, **QUANTIZED), [1], "list"),
        (ops.Conv2D(3, 32, first_layer=True, **QUANTIZED), torch.zeros(1, 3, 4, 4), "a tensor"),
        (ops.Maxpool2D(), ops.Preprocess()(torch.zeros(1, 3, 4, 4)), "the result of Preprocess"),
        (ops.Shortcut(3, quantize=True), [(torch.zeros(1), 4, 0.0), (torch.zeros(1), 8, 0.0)], "4 bits, 8 bits"),
        (ops.Route(), [(torch.zeros(1), 4, 0.0), (torch.zeros(1), 4, -1.0)], "4 bits unsigned, 4 bits signed"),
        (ops.Hsigmoid(3), (torch.zeros(1), 4, -1.0), "4 bits, clip_min -1"),
        (ops.Route(), [], "no values"),
        (ops.Shortcut(3), (), "no values"),
        (ops.Focus(), ops.Preprocess()(torch.zeros(1, 3, 4, 4)), "the result of Preprocess"),
        (ops.Conv2D(32, 32), ((torch.zeros(1), 4, 0.0),) * 3, "3 values"),
        (ops.Conv2D(32, 32, **QUANTIZED).eval(), (torch.zeros(1, 16, 4, 4), 4, 0.0), "16 channels"),
        (ops.Conv2D(32, 32), torch.zeros(1, 16, 4, 4), "16 channels"),
        (ops.FullConnected(32, 32, **QUANTIZED).eval(), (torch.zeros(1, 16), 4, 0.0), "16 channels"),
    ],
)
def test_what_a_layer_cannot_take_is_one_error(layer: Any, x: Any, found: str) -> None:
    with pytest.raises(TrainingError) as error:
        layer(x)
    (problem,) = error.value.problems
    assert problem.found == found and type(layer).__name__ in problem.where


@pytest.mark.parametrize("count", [2, 3, 5])
def test_several_features_are_given_one_by_one_or_together(count: int) -> None:
    """As a tuple too, of as many as a feature or pixels have parts."""
    parts = [(torch.full((1, 2, 1, 1), float(i)), 4, 0.0) for i in range(count)]
    expected = ops.Route()(*parts)[0]
    for given in (parts, tuple(parts), [x for x, *_ in parts], tuple(x for x, *_ in parts)):
        assert torch.equal(ops.Route()(given)[0], expected)


def test_a_feature_in_phases_keeps_its_codes() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    y, *kind = ops.Focus()((x, 4, -1.0))
    assert torch.equal(y, ops.Focus()(x)) and y.shape == (1, 4, 2, 2) and kind == [4, -1.0]
