"""Pad beyond its cases: constants out of range, other sizes at run time, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from magik_core.errors import LowerError
from magik_core.ops.cases import Case, Input, case, ints
from magik_core.ops.pad import Pad
from tests import harness


@pytest.mark.parametrize(("value", "code"), [(-np.inf, 0), (-5.0, 0), (0.0, 85), (9.0, 255)])
def test_a_constant_out_of_range_saturates(value: float, code: int) -> None:
    item = case("Pad", ints(1, 0), np.array(value, np.float32), x=Input((3,), -1, 2))
    program = harness.quantized(item, harness.model_of(item))
    (y,) = harness.in_c(program, harness.data_of(item, program))
    assert y[0] == code


def test_pads_hold_at_any_size() -> None:
    item = case("Pad", ints(0, 0, -1, 2, 0, 0, 3, -2), x=(1, 3, 8, 8))
    cut, pad = (s.op for s in harness.in_float(harness.model_of(item)).steps)
    assert isinstance(pad, Pad)
    assert pad.shape(*cut.shape((1, 20, 12, 3))) == ((1, 22, 12, 3),)


@pytest.mark.parametrize(
    ("item", "what", "found"),
    [
        (case("Pad", ints(3, 0), x=(3,), mode="reflect"), "reflect padding is larger", "at most 2"),
        (case("Pad", ints(0, 4), x=(3,), mode="wrap"), "wrap padding is larger", "at most 3"),
        (case("Pad", ints(-3, 0), x=(3,)), "no axes or is empty", r"\(0,\)"),
    ],
    ids=str,
)
def test_refusal(item: Case, what: str, found: str) -> None:
    with pytest.raises(LowerError, match=what) as caught:
        harness.in_float(harness.model_of(item))
    assert caught.match(found)
