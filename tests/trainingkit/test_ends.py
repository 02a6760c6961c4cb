"""Layers of which not all has codes: eval() is the packed program, to the last bit, whichever exporter wrote it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainingkit.ends import ENDS
from tests.trainingkit.nets import converted, made_of

KINDS = [("T40", 8, True, False), ("Txx", 4, False, False)]
CASES = [(body, *kind) for body in ENDS for kind in KINDS]
CASES += [(body, "T40", 4, True, True) for body in ("hsigmoid", "bilinear", "bare with slopes")]


@pytest.mark.parametrize(("body", "device", "bits", "is_signed", "dynamo"), CASES)
def test_evaluation_is_the_program(
    tmp_path: Path, body: str, device: str, bits: int, is_signed: bool, dynamo: bool
) -> None:
    net, x = made_of(ENDS[body], bits, device, is_signed, mean=128.0 if is_signed else 0.0)
    with torch.no_grad():
        y = net(x).numpy()
    assert len(np.unique(y)) > 2, "the case shows nothing"
    np.testing.assert_array_equal(converted(net, x, tmp_path, dynamo=dynamo), y)
