"""Networks that train: the same under a seed, and one of nearly every operator for a chip."""

from __future__ import annotations

from pathlib import Path

import magik_trainingkit as kit
import numpy as np
import pytest
import torch
from magik_trainingkit import ops
from torch import Tensor, nn

from tests.trainingkit.nets import converted, made

BITS = {"quantize": True, "weight_bitwidth": 4, "input_bitwidth": 4, "output_bitwidth": 4, "target_device": "T40"}


class Classifier(nn.Module):
    """Preprocess, BatchNorm, Conv2D, Maxpool2D, Route, Unpool2D, Shortcut, PReLU, Flatten, FullConnected."""

    def __init__(self) -> None:
        super().__init__()
        wide, norm = {**BITS, "clip_max_value": 2.0}, {"enable_batch_norm": True, "padding": 1}
        self.pixels = ops.Preprocess(128, 128, "T40")
        self.norm = ops.BatchNorm(3, quantize=True, first_layer=True, clip_max_value=2.0, target_device="T40")
        self.conv = ops.Conv2D(3, 32, activation_fn=ops.Linear(), **norm, **{**wide, "input_bitwidth": 8})
        self.pool = ops.Maxpool2D(2, 2, 2, target_device="T40")
        self.left, self.right = (ops.Conv2D(32, 32, activation_fn=ops.Linear(), **norm, **wide) for _ in range(2))
        self.route, self.unpool = ops.Route("T40"), ops.Unpool2D(2, 2, "nearest", quantize=True, target_device="T40")
        self.mix = ops.Conv2D(64, 32, activation_fn=ops.Linear(), **norm, **wide)
        self.shortcut, self.prelu = ops.Shortcut(32, quantize=True, target_device="T40"), ops.PReLU(32, "T40")
        self.flatten = ops.Flatten([-1, 32 * 64], "T40")
        self.full = ops.FullConnected(32 * 64, 16, enable_batch_norm=True, **wide)
        self.last = ops.FullConnected(16, 4, activation_fn=None, last_layer=True, **wide)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.norm(self.pixels(x)))
        small = self.pool(x)
        joined = self.mix(self.unpool(self.route(self.left(small), self.right(small))))
        return self.last(self.full(self.flatten(self.prelu(self.shortcut(x, joined)))))


def images() -> tuple[Tensor, Tensor]:
    """Pictures of four kinds: a bright quarter."""
    torch.manual_seed(3)
    kinds = torch.arange(32) % 4
    pixels = torch.randint(0, 120, (32, 3, 8, 8)).float()
    for i, kind in enumerate(kinds.tolist()):
        pixels[i, :, 4 * (kind // 2) :, 4 * (kind % 2) :][:, :4, :4] += 130
    return (pixels - 128) / 128, kinds


@pytest.mark.usefixtures("everything")
def test_a_classifier_of_nearly_every_operator(tmp_path: Path) -> None:
    """Trained at 4 bits it tells the pictures apart, and so does its program, with the same numbers."""
    x, kinds = images()
    net = Classifier()
    kit.check(net)
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    for _ in range(40):
        loss = nn.functional.cross_entropy(net(x), kinds)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        y = net.eval()(x).numpy()
    assert (y.argmax(1) == kinds.numpy()).mean() > 0.9
    np.testing.assert_array_equal(converted(net, x, tmp_path, soc="T40"), y)


def test_training_is_the_same_under_a_seed() -> None:
    states = [made("shortcut", 4, "T40", True, 128.0)[0].state_dict() for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*(s.values() for s in states), strict=True))
