"""Rules of chips: each with its layer, its numbers and its words, and all of a network at once."""

from __future__ import annotations

from typing import Any

import magik_trainingkit as kit
import pytest
import torch
from magik_trainingkit import ops
from magik_trainingkit.errors import TrainingError
from torch import nn

from magik_core.errors import Problem

FOUR: dict[str, Any] = {"quantize": True, "weight_bitwidth": 4, "input_bitwidth": 4, "output_bitwidth": 4}
FIXED = {**FOUR, "auto_bitwidth": False}
KNOWN = "one of: Txx, Xs1, Xs2, T40, T41, A1, X2500, T02"
D8 = KNOWN.removesuffix(", T02")
IMAGES = torch.zeros(1, 32, 2, 2)


def problems(*layers: nn.Module) -> list[Problem]:
    try:
        kit.check(nn.Sequential(*layers))
    except TrainingError as error:
        return [*error.problems]
    return []


def make(kind: str, device: str) -> nn.Module:
    """A layer of every kind, quantized where it can be."""
    sizes: dict[str, tuple[Any, ...]] = {
        "Conv2D": (32, 32), "Conv1D": (32, 32), "DepthwiseConv2D": (32,), "ConvTranspose2D": (32, 32),
        "FullConnected": (32, 32), "BatchNorm": (32,), "Shortcut": (32,), "Avgpool2D": (32,), "Mul": (32,),
        "AdaptiveAvgpool2D": (32,), "Embedding": (3, 3), "SoftAttention": (3, 3), "MILPoolAttention": (3,),
        "PReLU": (32,), "Hsigmoid": (32,), "Hswish": (32,), "Flatten": ([-1],), "RoIPooling": (3,), "LSTM": (3, 4),
        "Se_Block": (32, 1), "Channel_Split": (2,), "Channel_Shuffle": (2,), "Pixel_Shuffle": (2,),
    }  # fmt: skip
    layer: nn.Module = getattr(ops, kind)(*sizes.get(kind, ()), target_device=device)
    return layer


KINDS = [
    "Conv2D", "Conv1D", "DepthwiseConv2D", "ConvTranspose2D", "FullConnected", "BatchNorm", "Shortcut",
    "Avgpool2D", "Mul", "AdaptiveAvgpool2D", "Embedding", "SoftAttention", "MILPoolAttention", "PReLU",
    "Hsigmoid", "Hswish", "Flatten", "RoIPooling", "LSTM", "Channel_Split", "Channel_Shuffle", "Pixel_Shuffle",
    "Preprocess", "Route", "Maxpool2D", "Unpool2D", "ReLU6", "ReLU", "LeakyReLU", "Linear", "Focus", "Max",
]  # fmt: skip


@pytest.mark.parametrize("device", ["T4O", "t40"])
def test_every_operator_knows_its_chip(device: str) -> None:
    found = problems(*(make(kind, device) for kind in KINDS))
    assert [p.where for p in found] == [f"{kind} '{i}'" for i, kind in enumerate(KINDS)]
    assert {(p.what, p.found) for p in found} == {("a chip is not known", f"target_device {device!r}")}
    assert {p.need for p in found} == {KNOWN, D8, "one of: T40, T41, A1, X2500"}
    with pytest.raises(TrainingError, match="a chip is not known"):
        make("Maxpool2D", device)(IMAGES)


def test_operators_that_t02_has_not() -> None:
    others = ("DepthwiseConv2D", "ConvTranspose2D", "Preprocess")
    found = problems(
        *(make(kind, "T02") for kind in (*others, "Conv2D", "FullConnected", "Route", "LSTM", "Maxpool2D"))
    )
    assert [(p.what, p.found, p.need) for p in found] == [
        ("an operator has no kernel on this chip", "target_device 'T02'", D8)
    ] * 3


def test_t02_joins_eight_features() -> None:
    given = [(IMAGES, 4, 0.0)] * 9
    assert ops.Route("T02")(given[:8])[0].shape[1] == 8 * 32 and ops.Route("T40")(given)[0].shape[1] == 9 * 32
    with pytest.raises(TrainingError) as error:
        ops.Route("T02")(given)
    (found,) = error.value.problems
    assert (found.what, found.found, found.need) == ("a chip joins fewer features", "9 features", "at most 8 on T02")


RULES = [
    (ops.DepthwiseConv2D(3, target_device="T40", **FOUR), "in_channels 3", "a multiple of 32 on T40"),
    (ops.DepthwiseConv2D(12, target_device="Txx", **FOUR), "in_channels 12", "a multiple of 16 on Txx"),
    (ops.Conv2D(16, 16, target_device="Txx", **{**FIXED, "output_bitwidth": 2}), "a feature's bits 2",
     "4 to 16, or 32: none"),
    (ops.FullConnected(16, 16, target_device="Xs2", **{**FIXED, "weight_bitwidth": 3}), "weight_bitwidth 3",
     "4 to 8, or 32: none"),
    (ops.Embedding(3, 3, quantize=True, output_bitwidth=99), "a feature's bits 99", "2 to 16, or 32: none"),
    (ops.SoftAttention(3, 3, quantize=True, output_bitwidth=1), "a feature's bits 1", "2 to 16, or 32: none"),
    (ops.Preprocess(123.675, 58.4), "mean 123.675", "a whole number or a half in [0, 255]"),
    (ops.Preprocess(300, 58.4), "mean 300", "a whole number or a half in [0, 255]"),
    (ops.Preprocess(0, 0), "var 0", "a number above 0"),
    (ops.Conv2D(16, 16, **{**FOUR, "clip_max_value": 0}), "clip_max_value 0", "a number above 0"),
    (ops.Conv2D(16, 16, weight_factor=float("nan"), **FOUR), "weight_factor nan", "a number above 0"),
    (ops.BatchNorm(16, quantize=True, clip_max_value=-1.0), "clip_max_value -1", "a number above 0"),
    (ops.Shortcut(16, quantize=True, clip_max_value=0.0), "clip_max_value 0", "a number above 0"),
    (ops.LSTM(16, 4, weight_factor=0.0, **FOUR), "weight_factor 0", "a number above 0"),
    (ops.MILPoolAttention(3, True, 4, float("inf")), "clip_max_value inf", "a number above 0"),
]  # fmt: skip


def test_every_rule_that_is_broken_is_said_at_once() -> None:
    *found, chips = problems(*(layer for layer, _, _ in RULES))
    assert chips.what == "quantized layers are for several chips"
    assert [(p.where, p.found, p.need) for p in found] == [
        (f"{type(layer).__name__} '{i}'", what, need) for i, (layer, what, need) in enumerate(RULES)
    ]
    assert [p.hint for p in found if p.found == "mean 123.675"] == ["take 123.5, also where images are normalized"]
    assert {p.what for p in found if p.need == "a number above 0"} == {"a number of a layer is not above 0"}


@pytest.mark.parametrize("number", range(len(RULES)))
def test_a_layer_that_breaks_a_rule_is_not_called(number: int) -> None:
    layer, found, need = RULES[number]
    with pytest.raises(TrainingError) as error:
        layer(IMAGES)
    assert [(p.found, p.need) for p in error.value.problems] == [(found, need)]


def test_what_a_layer_is_made_of_is_not_said_again() -> None:
    assert [p.where for p in problems(make("ConvTranspose2D", "T99"))] == ["ConvTranspose2D '0'"]


def test_features_that_arrive_wider_than_declared_overflow() -> None:
    """9 * 64 products of 4 bits are the most that Txx holds; a Route may bring 5."""
    layer = ops.Conv2D(64, 64, padding=1, target_device="Txx", **FIXED)
    x = torch.zeros(1, 64, 4, 4)
    assert problems(layer) == [] and layer((x, 4, 0.0))[1] == 4
    with pytest.raises(TrainingError) as error:
        layer((x, 5, 0.0))
    (found,) = error.value.problems
    assert (found.found, found.need) == ("576 products of 5 and 4 bits: 147456", "at most 73728 on Txx")


# ---- widths that Txx and Xs choose ---------------------------------------------------------------------------

AUTO = [  # kernel, inputs, outputs, first, last: weight, input and output bits
    ((1, 128, 127, False, False), (5, 4, 5)), ((1, 144, 128, False, False), (4, 4, 4)),
    ((2, 16, 64, False, False), (4, 4, 5)), ((2, 16, 65, False, False), (4, 4, 4)),
    ((3, 16, 32, False, False), (4, 4, 5)), ((3, 16, 33, False, False), (4, 4, 4)),
    ((5, 16, 32, False, False), (4, 4, 5)), ((3, 3, 31, True, False), (4, 8, 5)),
    ((3, 3, 32, True, False), (4, 8, 4)), ((1, 64, 16, False, True), (5, 4, 32)),
    ((3, 64, 16, False, True), (4, 4, 32)),
]  # fmt: skip


@pytest.mark.parametrize("device", ["Txx", "Xs1", "Xs2"])
@pytest.mark.parametrize("asked", [4, 32])
def test_widths_below_eight_are_chosen(device: str, asked: int) -> None:
    """`asked` of the output: weights below 8 bits alone are enough."""
    given = {**FOUR, "target_device": device, "output_bitwidth": asked}
    for (kernel, inputs, outputs, first, last), expected in AUTO:
        layer = ops.Conv2D(
            inputs, outputs, 1, kernel, kernel, first_layer=first, last_layer=last, **given
        )  # fmt: skip
        assert widths(layer) == expected
    assert [widths(ops.DepthwiseConv2D(n, **given)) for n in (112, 128)] == [(8, 4, 5), (8, 4, 4)]
    assert widths(ops.DepthwiseConv2D(32, last_layer=True, **given)) == (8, 4, 32)
    assert [widths(ops.FullConnected(n, 256 - n, **given)) for n in (128, 129)] == [(5, 4, 4), (4, 4, 5)]


def test_widths_stay_what_is_asked_for() -> None:
    eight = {**FOUR, "weight_bitwidth": 8, "output_bitwidth": 8}
    assert widths(ops.Conv2D(16, 16, target_device="Txx", **eight)) == (8, 4, 8)
    assert widths(ops.Conv2D(16, 16, target_device="Txx", **FIXED)) == (4, 4, 4)
    assert widths(ops.Conv2D(16, 16, target_device="T40", **FOUR)) == (4, 4, 4)
    assert widths(ops.Conv2D(16, 16, target_device="Txx")) == (32, 32, 32)
    assert widths(ops.Conv2D(16, 16, target_device="Txx", **{**eight, "output_bitwidth": 4})) == (4, 4, 5)


def widths(layer: Any) -> tuple[int, int, int]:
    return layer.weight_bitwidth, layer.input_bitwidth, layer.output_bitwidth
