"""Operators that are made of others, or that move and weigh features: eval() is the packed program, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainingkit.bodies import MORE
from tests.trainingkit.nets import converted, made_of
from tests.trainingkit.test_converted import KINDS

PLACES = [(body, *kind) for body in MORE for kind in KINDS if (body, kind[0]) != ("pixels", "Txx")]  # it is T40's


@pytest.mark.parametrize(("body", "device", "bits", "is_signed"), PLACES)
def test_evaluation_is_the_program(tmp_path: Path, body: str, device: str, bits: int, is_signed: bool) -> None:
    net, x = made_of(MORE[body], bits, device, is_signed, mean=128.0 if is_signed else 0.0)
    with torch.no_grad():
        y = net(x).numpy()
    assert len(np.unique(y)) > 2, "the case shows nothing"
    np.testing.assert_array_equal(converted(net, x, tmp_path), y)
