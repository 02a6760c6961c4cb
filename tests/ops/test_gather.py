"""Gather and Tile beyond their cases: indices out of range, axes in memory order, refusals."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from magik_core.errors import LowerError
from magik_core.ops.cases import Case, Input, case, ints
from tests import harness


def test_a_computed_index_out_of_range_takes_the_nearest_element() -> None:
    values = (-100, -8, -7, 0, 6, 7, 2**31 - 1, -(2**31))
    item = case("Gather", Input((8,), dtype="s32", values=values), x=(7, 2))
    program = harness.in_float(harness.model_of(item))
    feeds = harness.data_of(item)
    (want,) = harness.in_numpy(program, feeds)
    assert np.array_equal(want, feeds["x0"][[0, 0, 0, 0, 6, 6, 6, 0]])
    for threads in (1, 3):
        assert np.array_equal(harness.in_c(program, feeds, threads)[0], want)


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_nothing_is_transposed_for_a_gather(axis: int) -> None:
    item = case("Gather", ints(1, 0), x=(2, 3, 4, 5), axis=axis)
    program = harness.in_float(harness.model_of(item))
    assert [type(s.op).__name__ for s in program.steps] == ["Gather"]


@pytest.mark.parametrize(
    ("item", "what", "found"),
    [
        (case("Gather", ints(1, 3), x=(3, 2)), "an index is outside of the axis", r"\[1, 3\]"),
        (case("Gather", ints(-4), x=(3, 2)), "an index is outside of the axis", r"\[-4, -4\]"),
        (case("Tile", ints(1, 0), x=(3, 2)), "the result is empty", "0"),
        (case("Gather", np.zeros((1,) * 8, np.int64), x=(2, 3)), "its output is too large", "9 axes"),
    ],
    ids=str,
)
def test_refusal(item: Case, what: str, found: str) -> None:
    with pytest.raises(LowerError, match=what) as caught:
        harness.in_float(harness.model_of(item))
    assert caught.match(found)


@pytest.mark.parametrize(
    ("item", "what"),
    [
        (case("Expand", Input((2,), dtype="s32"), x=(1, 3)), "Expand needs a constant shape"),
        (case("Tile", Input((2,), dtype="s32"), x=(1, 3)), "Tile needs a constant repeats"),
        (case("Slice", Input((1,), dtype="s32"), ints(2), x=(1, 3)), "Slice needs a constant starts"),
        (case("Slice", ints(0), Input((1,), dtype="s32"), x=(1, 3)), "Slice needs a constant ends"),
        (case("Pad", Input((4,), dtype="s32"), x=(1, 3)), "Pad needs a constant pads"),
        (case("Resize", None, Input((2,)), x=(1, 3)), "Resize needs a constant scales"),
    ],
    ids=str,
)
def test_what_shapes_the_result_is_constant(item: Case, what: str) -> None:
    model = harness.model_of(item)
    model.graph.outputs[0].shape = ir.Shape((2, 3))
    with pytest.raises(LowerError, match=what):
        harness.in_float(model)
