"""The network of the operator manual: all of its operators in one classifier, from training to the board's program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import magik_trainingkit as kit
import numpy as np
import pytest
import torch
from magik_trainingkit import ops
from torch import Tensor, nn

import magik_core as magik
from magik_core.net import load
from tests.trainingkit.nets import converted

CLASSES = 4


class Manual(nn.Module):
    """Preprocess, BatchNorm, Conv2D, Maxpool2D, Route, Unpool2D, Shortcut, PReLU, LSTM, Flatten, FullConnected.

    Args: is_real: whether the last layer's result has no codes.
    """

    def __init__(self, bits: int, device: str, is_real: bool) -> None:
        super().__init__()
        given: dict[str, Any] = {"quantize": True, "weight_bitwidth": bits, "output_bitwidth": bits}
        given |= {"input_bitwidth": bits, "target_device": device}
        conv = {**given, "auto_bitwidth": False, "clip_max_value": 2.0, "enable_batch_norm": True}
        window = {**conv, "padding": 1, "activation_fn": ops.Linear(device)}
        self.pixels = ops.Preprocess(128, 128, device)
        self.norm = ops.BatchNorm(3, quantize=True, first_layer=True, clip_max_value=2.0, target_device=device)
        self.conv = ops.Conv2D(3, 32, 2, **{**window, "input_bitwidth": 8})
        self.pool = ops.Maxpool2D(2, 2, 2, target_device=device)
        self.left, self.right = (ops.Conv2D(32, 32, **window) for _ in range(2))
        self.route, self.unpool = ops.Route(device), ops.Unpool2D(2, 2, "nearest", quantize=True, target_device=device)
        self.mix = ops.Conv2D(64, 32, pre_lstm_layer=True, **window)
        self.shortcut, self.prelu = ops.Shortcut(32, quantize=True, target_device=device), ops.PReLU(32, device)
        self.rows = ops.Flatten([-1, 32, 1, 16], device)
        self.lstm = ops.LSTM(32, 16, use_squeeze=True, **given)
        self.flatten = ops.Flatten([-1, 16 * 16], device)
        self.full = ops.FullConnected(16 * 16, 16, **conv)
        end = {**conv, "enable_batch_norm": False, "activation_fn": None if is_real else ops.Linear(device)}
        end["clip_max_value"] = 0.5
        self.last = ops.FullConnected(16, CLASSES, last_layer=is_real, **end)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.norm(self.pixels(x)))
        small = self.pool(x)
        joined = self.mix(self.unpool(self.route(self.left(small), self.right(small))))
        sequence, _ = self.lstm(self.rows(self.prelu(self.shortcut(x, joined))))
        y = self.last(self.full(self.flatten(sequence)))
        return y[0] if isinstance(y, tuple) else y


def pictures() -> tuple[Tensor, Tensor]:
    """Of four kinds: a bright quarter."""
    kinds = torch.arange(24) % CLASSES
    pixels = torch.randint(0, 120, (24, 3, 8, 8)).float()
    for i, kind in enumerate(kinds.tolist()):
        pixels[i, :, 4 * (kind // 2) :, 4 * (kind % 2) :][:, :4, :4] += 130
    return (pixels - 128) / 128, kinds


def trained(bits: int, device: str, is_real: bool, steps: int) -> tuple[Manual, Tensor, Tensor, list[float]]:
    """The network after some steps, the pictures and their kinds, and the losses."""
    torch.manual_seed(7)
    x, kinds = pictures()
    net = Manual(bits, device, is_real)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.5  # so that few steps are enough
    kit.check(net)
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    losses = []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(net(x) * (1 if is_real else 6), kinds)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return net.eval(), x, kinds, losses


def test_it_learns_and_its_program_knows_the_same(tmp_path: Path) -> None:
    net, x, kinds, losses = trained(8, "T40", True, 40)
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    y = net(x).detach().numpy()
    assert (y.argmax(1) == kinds.numpy()).mean() > 0.9
    np.testing.assert_array_equal(converted(net, x, tmp_path), y)


@pytest.mark.parametrize(("bits", "soc", "dynamo"), [
    (8, "T40", False), (4, "T40", True), (2, "T40", False), (4, "T41", False), (8, "host", True), (4, "Txx", False),
])  # fmt: skip
@pytest.mark.usefixtures("everything")
def test_its_integers_are_those_of_the_program(tmp_path: Path, bits: int, soc: str, dynamo: bool) -> None:
    net, x, _, losses = trained(bits, "T40" if soc == "host" else soc, False, 6)
    with torch.no_grad():
        y = net(x).numpy()
    assert np.isfinite(losses).all() and len(np.unique(y)) > 2
    chip = "host" if soc == "Txx" else soc
    np.testing.assert_array_equal(converted(net, x, tmp_path, dynamo=dynamo, soc=chip), y)


@pytest.mark.parametrize("device", ["T40", "Txx"])
def test_every_step_of_its_program_is_one_in_integers(tmp_path: Path, device: str) -> None:
    net, x, _, _ = trained(4, device, False, 1)
    torch.onnx.export(net, (x,), str(tmp_path / "net.onnx"), dynamo=False, verbose=False)
    result = magik.convert(tmp_path / "net.onnx", tmp_path / "net.bin")
    program = result.program
    kernels = {s.op.kernel(program.reads(s), program.writes(s)) for s in program.steps}
    assert "lstm_u8" in kernels and not {name for name in kernels if name.endswith("_f32")}
    codes = load(result.outputs[1]).run_quantized({program.inputs[0]: np.zeros((24, 8, 8, 3), np.uint8)})
    assert [v.dtype for v in codes.values()] == [np.uint8]
