"""What users stumble over, each with its message: losses that stay, devices, weights, states, layers left in float."""

from __future__ import annotations

from typing import Any

import magik_trainingkit as kit
import pytest
import torch
from magik_trainingkit import ops
from magik_trainingkit.errors import TrainingError
from torch import Tensor, nn

from magik_core.errors import Problem

BITS = {"quantize": True, "weight_bitwidth": 4, "input_bitwidth": 4, "output_bitwidth": 4, "target_device": "T40"}


class Net(nn.Sequential):
    """A first layer, a convolution, and a convolution that ends."""

    def __init__(self, *more: nn.Module, bias: float = 0.0, norm: bool = True) -> None:
        given = {**BITS, "padding": 1, "enable_batch_norm": norm}
        super().__init__(
            ops.Preprocess(0, 255, "T40"),
            ops.Conv2D(3, 32, first_layer=True, **{**given, "input_bitwidth": 8}),
            ops.Conv2D(32, 32, **given),
            ops.Conv2D(32, 4, activation_fn=None, last_layer=True, **{**given, "enable_batch_norm": False}),
            *more,
        )
        if bias:
            nn.init.constant_(self[2].Conv2d.bias, bias)


def problems(net: nn.Module, *inputs: Any, **given: Any) -> tuple[Problem, ...]:
    with pytest.raises(TrainingError) as error:
        kit.check(net, *inputs, **given)
    return error.value.problems


def images() -> Tensor:
    return torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


# ---- a loss that does not fall -----------------------------------------------------------------------------------


def test_features_of_one_code_are_found() -> None:
    """A bias far below zero, which nothing normalizes: every feature is 0, and so is every gradient."""
    torch.manual_seed(0)
    first, *rest = problems(Net(bias=-9.0, norm=False), images())
    assert first.what == "nearly all features of a layer have one code, so nothing is learned from them"
    assert (first.where, first.found) == ("Conv2D '2'", "100.0% of features of 4 bits are 0")
    assert first.need == "at most 99%" and first.hint.startswith("enable_batch_norm=True")
    assert [(p.what, p.where, p.found) for p in rest] == [
        ("weights of a layer get no gradient, so they stay as they are", f"Conv2D '{i}'", "Conv2d.weight: all 0")
        for i in (1, 2, 3)
    ]


def test_weights_that_no_result_depends_on_are_found() -> None:
    class Beside(Net):
        def forward(self, x: Tensor) -> Tensor:
            for layer in list(self)[:4]:
                x = layer(x)
            return x

    (found,) = problems(Beside(ops.Conv2D(32, 32, **BITS)), images())
    assert (found.where, found.found) == ("Conv2D '4'", "Conv2d.weight: none")


def test_an_lstm_without_a_gradient_is_found() -> None:
    class Beside(Net):
        def forward(self, x: Tensor) -> Tensor:
            for layer in list(self)[:4]:
                x = layer(x)
            return x

    (found,) = problems(Beside(ops.LSTM(32, 32, **BITS)), images())
    assert (found.where, found.found) == ("LSTM '4'", "weight_l0: none")


def test_a_step_on_nothing_is_refused() -> None:
    (found,) = problems(Net(), images()[:0])
    assert found.what == "a step of training is tried on nothing"
    assert (found.found, found.need) == ("a tensor of 0x3x8x8", "inputs that are not empty")


def test_quantized_layers_of_several_chips_are_found() -> None:
    """Of an operator that is not told its chip, mostly; those of floats may be of any."""
    net = Net(ops.AdaptiveAvgpool2D(4, quantize=True), ops.Shortcut(4, quantize=True), ops.Maxpool2D())
    (found,) = problems(net)
    assert found.what == "quantized layers are for several chips"
    assert found.found == "T40: Conv2D '1', Conv2D '2', Conv2D '3'; Txx: AdaptiveAvgpool2D '4', Shortcut '5'"
    assert found.need == "one chip" and "target_device" in found.hint
    kit.check(Net(ops.AdaptiveAvgpool2D(4, quantize=True, target_device="T40"), ops.Maxpool2D()))


def test_a_frozen_network_is_no_trouble() -> None:
    net = Net().requires_grad_(False)
    kit.check(net, images())
    assert not any(p.requires_grad for p in net.parameters())


def test_a_sound_network_passes_and_is_left_as_it_is() -> None:
    torch.manual_seed(0)
    net = Net(bias=-9.0).eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    drawn = torch.get_rng_state()
    kit.check(net, images())
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert not net.training and all(p.grad is None for p in net.parameters())
    assert torch.equal(torch.get_rng_state(), drawn)


# ---- devices -----------------------------------------------------------------------------------------------------


def test_a_network_on_several_devices_is_found() -> None:
    net = Net()
    net[2].to("meta")
    (found,) = problems(net)
    assert found.what == "a network lies on several devices" and "map_location" in found.hint
    cpu, meta = found.found.split("; ")
    assert cpu.startswith("cpu: 1.Conv2d.weight, 1.Conv2d.bias, ") and cpu.endswith(" more")
    assert meta == "meta: 2.Conv2d.weight, 2.Conv2d.bias, 2.BatchNorm2d.batch_norm.weight and 4 more"


@pytest.mark.parametrize("given", [{}, BITS], ids=["float", "quantized"])
@pytest.mark.parametrize("make", [lambda q: ops.Conv2D(32, 32, **q), lambda q: ops.FullConnected(32, 32, **q)])
def test_an_input_on_another_device_is_refused_before_a_kernel_reads_it(make: Any, given: dict[str, Any]) -> None:
    layer = make(given).to("meta")
    with pytest.raises(TrainingError) as error:
        layer((torch.zeros(1, 32) if isinstance(layer, ops.FullConnected) else images(), 4, 0.0))
    (found,) = error.value.problems
    assert found.what == "a layer's input lies on another device than its weights"
    assert (found.found, found.need) == ("input on cpu, weights on meta", "one device")
    assert type(layer).__name__ in found.where and ".to(device)" in found.hint


# ---- .weight -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["weight", "bias"])
@pytest.mark.parametrize(("layer", "own"), [(ops.Conv2D(3, 4), "Conv2d"), (ops.FullConnected(3, 4), "Linear")])
def test_reading_weights_of_a_layer_says_where_they_are(layer: nn.Module, own: str, name: str) -> None:
    assert not hasattr(layer, name)
    with pytest.raises(TrainingError) as error:
        getattr(layer, name)
    (found,) = error.value.problems
    assert found.what == "a layer does not have its weights itself"
    assert (found.found, found.need) == (f".{name}", f".{own}.{name}")
    assert isinstance(error.value, AttributeError)


def test_other_attributes_are_missing_as_of_any_module() -> None:
    with pytest.raises(AttributeError, match="no attribute 'wieght'") as error:
        _ = ops.Conv2D(3, 4).wieght
    assert not isinstance(error.value, TrainingError)


def test_weights_that_another_module_reads_are_found() -> None:
    net = Net()
    net[2].Conv2d.weight = net[1].Conv2d.weight
    (found,) = problems(net)
    assert found.what == "weights of a quantized layer are read by another module"
    assert found.found == "1.Conv2d.weight, 2.Conv2d.weight"


# ---- states and layers of PyTorch --------------------------------------------------------------------------------


def plain() -> nn.Module:
    return nn.Sequential(nn.Identity(), nn.Conv2d(3, 32, 3), nn.Conv2d(32, 32, 3), nn.Conv2d(32, 4, 3))


@pytest.mark.parametrize("strict", [True, False])
def test_the_state_of_a_float_network_is_not_loaded_silently(strict: bool) -> None:
    with pytest.raises(RuntimeError) as error:
        Net().load_state_dict(plain().state_dict(), strict=strict)
    text = str(error.value)
    assert text.count("a state is that of a layer of PyTorch, not of the kit") == 6
    for key in ("1.weight", "1.bias", "2.weight", "2.bias", "3.weight", "3.bias"):
        place, _, name = key.partition(".")
        assert f"found: {key}" in text and f"need: {place}.Conv2d.{name}" in text


def test_layers_of_pytorch_are_found_beside_quantized_ones_and_alone() -> None:
    found = problems(Net(nn.BatchNorm2d(4), nn.Sequential(nn.Conv2d(4, 4, 1))))
    assert {p.what for p in found} == {"a layer has no codes"}
    assert [(p.where, p.found) for p in found] == [
        ("BatchNorm2d '4'", "torch.nn.BatchNorm2d"),
        ("Conv2d '5.0'", "torch.nn.Conv2d"),
    ]
    more = nn.GRU(4, 4), nn.PReLU(), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4)
    kinds = ["GRU '4'", "PReLU '5'", "GroupNorm '6'", "InstanceNorm2d '7'"]
    assert [p.where for p in problems(Net(*more))] == kinds
    assert [p.where for p in problems(plain())] == ["Conv2d '1'", "Conv2d '2'", "Conv2d '3'"]


def test_layers_of_pytorch_may_be_meant_and_may_stand_in_a_float_network() -> None:
    mixed = Net(nn.Conv2d(4, 4, 1))
    kit.check(mixed, images(), is_mixed=True)
    kit.check(nn.Sequential(ops.Conv2D(3, 8), nn.Identity(), nn.Linear(3, 4)))
    assert len(problems(mixed)) == 1
