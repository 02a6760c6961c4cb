"""Operators that are made of others, or that move and weigh features: eval() is the packed program, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainingkit.bodies import MORE
from tests.trainingkit.nets import converted, made_of
from tests.trainingkit.test_converted import KINDS


@pytest.mark.parametrize(("device", "bits", "is_signed"), KINDS)
@pytest.mark.parametrize("body", MORE)
def test_evaluation_is_the_program(tmp_path: Path, body: str, device: str, bits: int, is_signed: bool) -> None:
    if body == "pixels" and device == "Txx":
        pytest.skip("Pixel_Shuffle is not for Txx")
    net, x = made_of(MORE[body], bits, device, is_signed, mean=128.0 if is_signed else 0.0)
    with torch.no_grad():
        y = net(x).numpy()
    assert len(np.unique(y)) > 2, "the case shows nothing"
    np.testing.assert_array_equal(converted(net, x, tmp_path), y)
