"""Operators that are made of others, or that move and weigh features: the formulas, states, and what they refuse."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import magik_trainingkit as kit
import numpy as np
import pytest
import torch
from magik_trainingkit import ops
from magik_trainingkit.errors import TrainingError
from torch import Tensor, nn
from torch.nn import functional

from tests.trainingkit import estimators
from tests.trainingkit.bodies import MORE
from tests.trainingkit.nets import WIDE, Chain, converted, made_of
from tests.trainingkit.test_layers import refused

COMMON = {"quantize": True, "input_bitwidth": 4, "output_bitwidth": 4}
WEIGHTED = {**COMMON, "weight_bitwidth": 4}
Formula = Callable[[Any, Tensor], Tensor]


def conv(layer: Any, x: Tensor, clip_min: float) -> Tensor:
    """A convolution of the kit, as its formula says; unsigned but where clip_min is negative."""
    device, m = layer.target_device, float(layer.clip_max_value)
    w = estimators.weights(layer.Conv2d.weight, 4, device, is_depthwise=layer.is_depthwise)
    pads = (1, 1, 1, 1) if layer.padding else (0, 0, 0, 0)
    wide = functional.pad(x, pads, value=-1.0 if clip_min < 0 and device == "T40" else 0.0)
    v = functional.conv2d(wide, w, layer.Conv2d.bias.double(), groups=layer.groups)
    return estimators.feature(v + (3.0 if "Hsigmoid" in str(layer.activation_fn) else 0.0), 4, 0.0, m, device)


def larger(layer: Any, x: Tensor) -> Tensor:
    low, large = float(x.detach().min()), x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    if layer.target_device == "Txx":
        large, low = conv(layer.DepthwiseConv2D, large, low), 0.0
    return conv(layer.Conv2D, large, low)


def squeezed(layer: Any, x: Tensor) -> Tensor:
    low, device = (-1.0 if x.min() < 0 else 0.0), layer.conv1.target_device
    means = estimators.feature(x.mean((2, 3), keepdim=True), 4, low, 1.0, device)
    return estimators.feature(x * conv(layer.conv2, conv(layer.conv1, means, low), 0.0), 4, low, 1.0, device)


def hswish(layer: Any, x: Tensor) -> Tensor:
    y = x * (x + 3).clamp(0, 6) / 6
    return estimators.feature(y, 4, -1.0 if x.min() < 0 else 0.0, 1.0, layer.target_device)


def shuffled(layer: Any, x: Tensor) -> Tensor:
    return x[:, [c + WIDE // layer.groups * g for c in range(WIDE // layer.groups) for g in range(layer.groups)]]


def pixels(layer: Any, x: Tensor) -> Tensor:
    y = torch.zeros(x.shape[0], x.shape[1] // 4, 2 * x.shape[2], 2 * x.shape[3], dtype=x.dtype)
    for k in range(2):
        for j in range(2):
            y[:, :, k::2, j::2] = x[:, 2 * k + j :: 4]
    return y


def attended(layer: Any, x: Tensor) -> Tensor:
    if isinstance(layer, ops.SoftAttention):
        inner = torch.tanh(x @ layer.fc[0].weight.double().t() + layer.fc[0].bias.double())
        scores = inner @ layer.linear.weight.double().t()
    else:
        scores = torch.tanh(x @ layer.linear.weight.double().t() + layer.bias.double())
    share = scores.exp() / scores.exp().sum(1, keepdim=True)
    low, m = (-1.0 if x.min() < 0 else 0.0), float(layer.clip_max_value)
    return estimators.feature((x * share).sum(1), 4, low * m, m, layer.target_device)


IMAGE, LARGE, SEQUENCE = (1, WIDE, 3, 4), (1, 4 * WIDE, 3, 2), (2, 5, 8)
CASES: list[tuple[Callable[[str], nn.Module], tuple[int, ...], Formula]] = [
    (lambda d: ops.ConvTranspose2D(WIDE, 3, clip_max_value=1.0, target_device=d, auto_bitwidth=False, **WEIGHTED),
     IMAGE, larger),
    (lambda d: ops.Se_Block(WIDE, 1, clip_max_value=1.0, target_device=d, **{**WEIGHTED, "weight_bitwidth": 4}),
     IMAGE, squeezed),
    (lambda d: ops.Hswish(WIDE, d), IMAGE, hswish),
    (lambda d: ops.Channel_Shuffle(8, d), IMAGE, shuffled),
    (lambda d: ops.Pixel_Shuffle(2, "T40"), LARGE, pixels),
    (lambda d: ops.SoftAttention(8, 6, True, 4, 0.5, d), SEQUENCE, attended),
    (lambda d: ops.MILPoolAttention(8, True, 4, 0.5, d), SEQUENCE, attended),
]  # fmt: skip


def plain(layer: nn.Module) -> nn.Module:
    """With the widths that were asked for, where a chip would choose others."""
    for module in layer.modules():
        if isinstance(module, ops.Conv2D):
            module.weight_bitwidth = module.output_bitwidth = 4
    return layer


@pytest.mark.parametrize(("make", "shape", "formula"), CASES)
@pytest.mark.parametrize("device", ["T40", "Txx"])
@pytest.mark.parametrize("is_signed", [False, True])
def test_training_is_the_formula(
    device: str, is_signed: bool, make: Callable[[str], nn.Module], shape: tuple[int, ...], formula: Formula
) -> None:
    """Forward, and backward to the input and to every parameter."""
    exact = estimators.values(4, device, shape, is_signed=is_signed).requires_grad_()
    layer = plain(make(device))
    x = exact.detach().float().requires_grad_()
    y, bits, clip_min = layer((x, 4, -1.0 if is_signed else 0.0))
    expected = formula(layer, exact)
    assert (bits, clip_min < 0) == (4, is_signed and not isinstance(layer, ops.ConvTranspose2D))
    far = (y.double() - expected).abs() > 1e-5
    assert len(y.unique()) > 2 and (y.double() - expected).abs().max() < 1.01 * 2 / 15
    assert far.double().mean() < (0.06 if formula is squeezed else 1e-9)  # products of codes often lie on a tie
    slope = torch.linspace(-1, 2, y.numel(), dtype=torch.float64).reshape(y.shape)
    (y * slope.float()).sum().backward()
    own = [p.grad.double() for p in layer.parameters() if p.grad is not None]
    layer.zero_grad()
    (expected * slope).sum().backward()
    others = [p.grad.double() for p in layer.parameters() if p.grad is not None]
    assert x.grad is not None and exact.grad is not None and len(own) == len(others)
    torch.testing.assert_close(x.grad.double(), exact.grad, rtol=1e-3, atol=1e-4)
    for mine, theirs in zip(own, others, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("device", ["T40", "Txx"])
def test_a_mean_between_two_codes_goes_to_the_even_one(device: str) -> None:
    """Two equal steps over 2: every odd code is a tie."""
    x = (torch.arange(16).float() / 15).reshape(1, 1, 16).repeat(1, 2, 1)
    layer = ops.MILPoolAttention(16, True, 4, 2.0, device)
    codes = layer((x, 4, 0.0))[0] * 15
    assert codes.round().int().tolist() == [[0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5, 6, 6, 6, 7, 8]]
    up = layer.eval()((x, 4, 0.0))[0] * 15
    assert up.round().int().tolist()[0][:15] == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]


@pytest.mark.parametrize("is_signed", [False, True])
def test_the_largest_is_one_of_them_and_has_the_gradient(is_signed: bool) -> None:
    a, b, c = (estimators.values(4, "T40", (2, 4, 3), is_signed=is_signed, seed=s).float() for s in range(3))
    low, leaf = (-1.0 if is_signed else 0.0), a.clone().requires_grad_()
    y, bits, clip_min = ops.Max("T40")((leaf, 4, low), (b, 4, low), (c, 4, low))
    assert torch.equal(y, torch.stack([a, b, c]).amax(0)) and (bits, clip_min) == (4, low)
    y.sum().backward()
    assert leaf.grad is not None
    is_alone = (a > b) & (a > c)
    assert is_alone.any() and (leaf.grad[is_alone] == 1).all() and not leaf.grad[(a < b) | (a < c)].any()
    assert torch.equal(ops.Max("T40").eval()([(a, 4, low), (b, 4, low), (c, 4, low)])[0], y.detach())


def test_channels_are_split_as_they_are_listed() -> None:
    x = torch.randn(1, 6, 2, 2)
    one, two, three = ops.Channel_Split([1, 2, 3])((x, 4, -1.0))
    assert torch.equal(torch.cat([one[0], two[0], three[0]], 1), x) and two.tensor.shape[1] == 2
    assert {v[1:] for v in (one, two, three)} == {(4, -1.0)}
    assert [part.shape[1] for part in ops.Channel_Split(2)(x)] == [2, 2, 2]


@pytest.mark.parametrize("layer", [ops.Channel_Shuffle(2), ops.Pixel_Shuffle(2), ops.Hswish(8)])
def test_bare_tensors_stay_bare(layer: nn.Module) -> None:
    x = torch.randn(1, 8, 3, 3)
    y = layer(x)
    assert isinstance(y, Tensor) and torch.equal(layer((x, 32, 0.0))[0], y)


@pytest.mark.parametrize("shape", [(4, 8), (4, 8, 5)])
def test_a_normalization_of_no_image_is_that_of_a_narrow_one(shape: tuple[int, ...]) -> None:
    layer, x = ops.BatchNorm(8, quantize=True, target_device="T40"), torch.rand(shape)
    assert layer((x, 8, 0.0))[0].shape == x.shape
    y, bits, clip_min = layer.eval()((x, 8, 0.0))
    assert torch.equal(y, layer((x.reshape(4, 8, -1, 1), 8, 0.0))[0].reshape(shape)) and (bits, clip_min) == (8, -6.0)


# ---- Embedding ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["T40", "Txx"])
def test_words_are_rows_in_codes(device: str) -> None:
    torch.manual_seed(0)
    layer = ops.Embedding(9, 5, 0, quantize=True, output_bitwidth=4, target_device=device)
    words = torch.tensor([[1, 2, 8, 3], [4, 0, 1, 7]])
    y = layer(words)
    table = layer.embedding.weight.detach().double().requires_grad_()
    rows = torch.cat([table[words[:, :2]], table[words[:, 2:]]], -1)
    expected = estimators.feature(rows, 4, -1.0, 1.0, device)
    torch.testing.assert_close(y.double(), expected, rtol=0, atol=1e-6)
    y.sum().backward()
    expected.sum().backward()
    assert layer.embedding.weight.grad is not None and table.grad is not None
    assert torch.equal(layer.embedding.weight.grad[1:].double(), table.grad[1:])
    assert not layer.embedding.weight.grad[0].any()
    assert ((layer.eval()(words) - y).abs() < 1.01 * (2 / 15 if device == "T40" else 1 / 8)).all()
    single = ops.Embedding(9, 5, multi_inputs=False)
    assert torch.equal(single(words.float()), single.embedding.weight[words])


class Words(nn.Module):
    """Two words side by side, and a product."""

    def __init__(self, bits: int, device: str) -> None:
        super().__init__()
        common = {"quantize": True, "output_bitwidth": bits, "input_bitwidth": bits, "target_device": device}
        self.bits, self.rows = bits, ops.Embedding(11, 16, **common)
        self.full = ops.FullConnected(32, 8, weight_bitwidth=bits, auto_bitwidth=False, clip_max_value=1.0, **common)

    def forward(self, words: Tensor) -> Tensor:
        return self.full((self.rows(words), self.bits, -1.0))[0]


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize(("device", "bits"), [("T40", 8), ("T40", 4), ("T40", 2), ("Txx", 4)])
def test_words_in_the_program(tmp_path: Path, device: str, bits: int, dynamo: bool) -> None:
    torch.manual_seed(2)
    net, words = Words(bits, device).eval(), torch.randint(0, 11, (3, 4))
    with torch.no_grad():
        y = net(words).numpy()
    assert len(np.unique(y)) > 2
    np.testing.assert_array_equal(converted(net, words, tmp_path, dynamo=dynamo), y)


# ---- exports -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [name for name in MORE if name not in ("shuffled", "largest of two")])
def test_both_exporters_write_the_same(tmp_path: Path, body: str) -> None:
    net, x = made_of(MORE[body], 4, "T40", True, 128.0)
    with torch.no_grad():
        y = net(x).numpy()
    np.testing.assert_array_equal(converted(net, x, tmp_path, dynamo=True), y)


@pytest.mark.parametrize("soc", ["T40", "T41"])
@pytest.mark.parametrize("body", ["squeezed", "shuffled in eight", "pixels", "soft attention"])
@pytest.mark.usefixtures("everything")
def test_the_program_of_a_chip_is_that_of_the_host(tmp_path: Path, body: str, soc: str) -> None:
    net, x = made_of(MORE[body], 4, soc, True, 128.0)
    with torch.no_grad():
        np.testing.assert_array_equal(converted(net, x, tmp_path, soc=soc), net(x).numpy())


# ---- states and refusals -----------------------------------------------------------------------------------

CONV = {"Conv2d.weight", "Conv2d.bias"}
KEYS = [
    (lambda: ops.ConvTranspose2D(32, 32), {f"{n}.{k}" for n in ("Conv2D", "DepthwiseConv2D") for k in CONV}),
    (lambda: ops.ConvTranspose2D(32, 32, target_device="T40"), {f"Conv2D.{k}" for k in CONV}),
    (lambda: ops.Se_Block(32, 2), {f"{n}.{k}" for n in ("conv1", "conv2") for k in CONV}),
    (lambda: ops.Embedding(4, 3), {"embedding.weight"}),
    (lambda: ops.SoftAttention(4, 3), {"fc.0.weight", "fc.0.bias", "linear.weight"}),
    (lambda: ops.MILPoolAttention(4), {"bias", "linear.weight"}),
    (lambda: ops.Hswish(4), set()),
    (lambda: ops.Max(), set()),
    (lambda: ops.Channel_Split([2, 2]), set()),
    (lambda: ops.Channel_Shuffle(2), set()),
    (lambda: ops.Pixel_Shuffle(2), set()),
]  # fmt: skip


@pytest.mark.parametrize(("make", "keys"), KEYS)
def test_state_has_the_keys_of_the_kit(make: Callable[[], nn.Module], keys: set[str]) -> None:
    layer, other = make(), make()
    assert set(layer.state_dict()) == keys
    other.load_state_dict(layer.state_dict())
    stored = io.BytesIO()
    torch.save(layer, stored)
    stored.seek(0)
    for copy in (other, torch.load(stored, weights_only=False)):
        pairs = zip(copy.state_dict().values(), layer.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


IMAGES = torch.zeros(1, 64, 2, 2)


@pytest.mark.parametrize(
    ("layer", "x", "found", "need"),
    [
        (ops.Channel_Split([32, 16]), IMAGES, "split [32, 16] of 64 channels",
         "sizes above 0 whose sum is the number of channels"),
        (ops.Channel_Split(0), IMAGES, "split 0 of 64 channels", "sizes above 0 whose sum is the number of channels"),
        (ops.Channel_Shuffle(3), IMAGES, "64 channels in 3 groups", "groups of one size"),
        (ops.Pixel_Shuffle(3), IMAGES, "64 channels", "a multiple of 9"),
        (ops.Pixel_Shuffle(2), (IMAGES, 4, 0.0), "output channels 16", "a multiple of 32 on T40"),
        (ops.Pixel_Shuffle(2, "Txx"), IMAGES, "target_device 'Txx'", "one of: T40, T41, A1, X2500"),
        (ops.Max(), [(IMAGES, 4, 0.0)], "1 values", "two or more"),
        (ops.Max(), [(IMAGES, 4, 0.0), (IMAGES, 4, -1.0)], "4 bits unsigned, 4 bits signed", "one width and sign"),
        (ops.SoftAttention(4, 2), (IMAGES, 4, 0.0), "(1, 64, 2, 2)", "(N, steps, size)"),
        (ops.ConvTranspose2D(64, 32, target_device="T99"), IMAGES, "target_device 'T99'",
         "one of: Txx, Xs1, Xs2, T40, T41, A1, X2500"),
    ],
)  # fmt: skip
def test_what_a_layer_cannot_take_is_one_error(layer: Any, x: Any, found: str, need: str) -> None:
    with pytest.raises(TrainingError) as error:
        layer(x)
    assert [(f, n) for _, f, n in refused(error)] == [(found, need)]
    assert type(layer).__name__ in error.value.problems[0].where


def test_rules_of_the_layers_inside_are_said() -> None:
    given = {**WEIGHTED, "target_device": "T40"}
    with pytest.raises(TrainingError) as error:
        kit.check(Chain(ops.Se_Block(64, 3, **given), ops.ConvTranspose2D(48, 32, **given)))
    assert refused(error) == [
        ("Conv2D '0.conv2'", "in_channels 21", "a multiple of 32 on T40"),
        ("Conv2D '1.Conv2D'", "in_channels 48", "a multiple of 32 on T40"),
    ]
