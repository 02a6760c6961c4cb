"""Pickles of other versions of the kit: they load under its paths, and compute what a layer made anew computes."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from magik_trainingkit import ops, quantize_ops
from magik_trainingkit.errors import TrainingError
from torch import nn

from tests.trainingkit import older_kit
from tests.trainingkit.nets import WIDE
from tests.trainingkit.test_layers import BN, refused

BITS = {"quantize": True, "weight_bitwidth": 4, "input_bitwidth": 4, "output_bitwidth": 4, "clip_max_value": 2.0}
EXTRA = {  # of older kits; some have the names of our methods
    "layer_name": "layer_3", "sum": torch.zeros(3), "run": 5, "rules": [], "where": "here", "norm": 2, "weights": None,
    "node": 7, "fields": {}, "index": 12, "is_depthwise": "no", "op": object,
}  # fmt: skip


def restored(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), weights_only=False)["model"]


def feature(device: str, *, is_signed: bool = False) -> tuple[torch.Tensor, int, float]:
    torch.manual_seed(5)
    codes = torch.randint(0, 16, (2, WIDE, 6, 6)).float()
    return (codes * 2 / 15 - 1 if is_signed else codes / 15), 4, -1.0 if is_signed else 0.0


@pytest.mark.parametrize("device", ["T40", "Txx"])
@pytest.mark.parametrize("kind", ["Conv2D", "DepthwiseConv2D"])
@pytest.mark.parametrize(
    "extra", [{}, {"padding": 1, "input_bitwidth": 4, "auto_bitwidth": False, "activation_fn": None}]
)
def test_a_convolution_computes_what_it_did(device: str, kind: str, extra: dict[str, Any]) -> None:
    given = {**BITS, "enable_batch_norm": True, "padding": extra.get("padding", 0), "target_device": device}
    given["auto_bitwidth"] = False
    sizes = (WIDE, 8, 2, 3, 2) if kind == "Conv2D" else (WIDE, 2, 3, 2)
    layer = getattr(ops, kind)(*sizes, **given)
    x = feature(device)
    layer(x)  # statistics
    with older_kit.kit() as of:
        data = older_kit.stored(older_kit.conv(of, layer, **extra, **EXTRA))
    other = restored(data)
    assert type(other) is type(layer)
    kinds = {type(m).__name__ for m in other.modules()}
    assert kinds - {"ReLU6"} == {kind, "Conv2d_Q", "batchNorm2d", "BatchNorm2d", "AWeight"}
    assert set(other.state_dict()) == {"Conv2d.weight", "Conv2d.bias"} | {f"BatchNorm2d.{name}" for name in BN}
    for mode in (False, True):
        (y, *kind_of), (z, *other_kind) = layer.train(mode)(x), other.train(mode)(x)
        assert torch.equal(y, z) and kind_of == other_kind == [4, 0.0]
    assert len(z.unique()) > 3


def test_a_network_of_every_class_that_pickles_hold() -> None:
    x = feature("T40", is_signed=True)
    with older_kit.kit() as of:
        shortcut = older_kit.module(
            of["Shortcut"], quantize=1, target_device="T40", clip_max_value=1.5, alpha=torch.zeros(1)
        )
        unpool = older_kit.module(of["Unpool2D"], mode="nearest", quantize=1, target_device="T40", ratio=2)
        nop = older_kit.module(of["NOp"], op_target="output")
        data = older_kit.stored(nn.ModuleList([shortcut, unpool, nop, older_kit.module(of["NOp"])]))
    add, larger, mark, empty = restored(data).eval()
    expected = ops.Shortcut(WIDE, quantize=True, clip_max_value=1.5, target_device="T40").eval()(x, x)
    y = empty(mark(larger(add([x, x]))))
    assert torch.equal(y[0], expected[0].repeat_interleave(2, 2).repeat_interleave(2, 3)) and y[1:] == expected[1:]
    assert (mark.op_target, empty.op_target, larger.kernel_h) == ("output", "", 2)


@pytest.mark.parametrize("device", ["T40", "Txx"])
def test_quantizers_compute_by_themselves(device: str) -> None:
    with older_kit.kit() as of:
        given = {"output_bitwidth": 4, "clip_min_value": -2.0, "clip_max_value": 2.0, "target_device": device}
        said = older_kit.module(of["QuantizeFeature"], **given, first_layer=False)
        weight = older_kit.module(
            of["QuantizeWeight"], weight_bitwidth=4, target_device=device, is_quantize_per_channel=1
        )
        gain = older_kit.module(of["AWeight"])
        data = older_kit.stored(nn.ModuleList([said, weight, gain, older_kit.module(of["QuantizeFeature"])]))
    said, weight, gain, bare = restored(data)
    x, anew = torch.randn(5, 7), quantize_ops.QuantizeFeature(4, -2.0, 2.0, device)
    trained = said([x, torch.zeros(1)])
    assert torch.equal(trained, anew(x)) and len(trained.unique()) > 6 and bare(x) is x
    step = 2 / 15 if device == "T40" else 1 / 8
    assert ((said.eval()(x) - trained).abs() < 1.01 * step).all() and torch.equal(said(x), anew.eval()(x))
    w = torch.randn(3, 4)
    assert torch.equal(weight(w, torch.zeros(3)), quantize_ops.QuantizeWeight(4, 3.0, device)(w))
    assert gain(torch.tensor([0.0, 2.0])).tolist() == pytest.approx([0.01, 2.0])


def test_what_nothing_tells_is_one_error() -> None:
    with older_kit.kit() as of:
        data = older_kit.stored(older_kit.module(of["Flatten"], target_device="T40"))
    with pytest.raises(TrainingError) as error:
        restored(data)
    assert refused(error) == [("Flatten", "no shape_list", "")]
    assert error.value.problems[0].hint == "make the network anew and load its state_dict"


class OwnConv(ops.Conv2D):
    """A user's layer with a quantizer of its own."""

    def __init__(self) -> None:
        super().__init__(WIDE, 4)
        self.more = quantize_ops.QuantizeFeature(4, 0.0, 1.0, "T40")


def test_a_users_layer_keeps_its_quantizer() -> None:
    assert pickle.loads(pickle.dumps(OwnConv())).more.output_bitwidth == 4
    assert restored(older_kit.stored(OwnConv())).Conv2d.out_channels == 4


class Tagged(ops.Conv2D):
    """A user's layer whose instances have what its class has otherwise."""

    tag = None
    factor = 0

    def __init__(self) -> None:
        super().__init__(WIDE, 4)
        self.tag, self.factor = 5, 0.5


def test_a_users_layer_keeps_its_attributes() -> None:
    for layer in (copy.deepcopy(Tagged()), pickle.loads(pickle.dumps(Tagged()))):
        assert (layer.tag, layer.factor) == (5, 0.5)


def test_the_paths_of_the_kit_are_those_of_its_pickles() -> None:
    from ingenic_magik_trainingkit.QuantizationTrainingPlugin.python import ops as theirs
    from ingenic_magik_trainingkit.QuantizationTrainingPlugin.python import quantize_ops as parts

    missing = [name for name in older_kit.CLASSES["ops"] if not hasattr(theirs, name)]
    missing += [
        name for name in older_kit.CLASSES["quantize_ops"] if not (hasattr(parts, name) and hasattr(theirs, name))
    ]
    assert missing == []
    x = torch.zeros(2)
    assert parts.InputNOp()(x) is x and parts.OutputNOp(model_output_num=3)(x) is x
