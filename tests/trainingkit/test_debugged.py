"""magik debug of trained networks: a layer whose program computes what eval() does is not blamed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from magik_core.debug import debug
from magik_core.debugging.measure import Layer
from tests.trainingkit.nets import converted, made


def sqnr(layer: Layer) -> float:
    assert layer.accumulated is not None
    return layer.accumulated.sqnr_db


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_what_the_net_clips_and_rounds_is_no_error(tmp_path: Path, bits: int) -> None:
    """Where f32 falls on the other side of a tie it may be one code."""
    net, x = made("conv", bits, "T41", is_signed=True)
    y = net(x).detach().numpy()
    np.testing.assert_allclose(converted(net, x, tmp_path), y, atol=1e-5)
    np.save(tmp_path / "x.npy", x.numpy())
    layers = debug(tmp_path / "net.onnx", tmp_path / "x.npy").layers
    assert {layer.op for layer in layers} >= {"Conv"} and min(map(sqnr, layers)) > 40
    assert sum(sqnr(layer) == np.inf for layer in layers) >= len(layers) - 2
