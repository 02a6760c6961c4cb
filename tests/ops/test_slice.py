"""Slice and Split beyond their cases: other sizes at run time, views, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from magik_core.errors import LowerError
from magik_core.ops.cases import Case, case, ints
from magik_core.ops.slice import TO_END, Slice, extent
from magik_core.plan import plan
from magik_core.program import Program
from tests import harness

LAST = 2**63 - 1


def program_of(item: Case) -> Program:
    return harness.in_float(harness.model_of(item))


def slices(program: Program) -> list[Slice]:
    return [s.op for s in program.steps if isinstance(s.op, Slice)]


@pytest.mark.parametrize("step", [1, 2, 5, -1, -3])
def test_extent_is_that_of_python_slices(step: int) -> None:
    for dim in (1, 4):
        for start in range(-6, 7):
            for end in range(-6, 7):
                if step < 0 and start < -dim:
                    continue  # ONNX limits a backward start to element 0, Python makes the range empty
                want = range(dim)[start:end:step]
                first, n = extent(dim, start, end, step)
                assert n == len(want)
                assert n == 0 or first == want[0]


@pytest.mark.parametrize("end", [LAST, 2**31 - 1, 8, 1000])
def test_an_end_at_the_size_is_the_end_at_any_size(end: int) -> None:
    (op,) = slices(program_of(case("Slice", ints(2), ints(end), ints(2), x=(1, 3, 8, 8))))
    assert op.shape((1, 20, 12, 3)) == ((1, 18, 12, 3),)


def test_the_last_part_of_a_split_takes_what_is_left() -> None:
    ops = slices(program_of(case("Split", ints(3, 5), x=(1, 3, 8, 8), axis=2, outputs=2)))
    assert [op.shape((1, 20, 8, 3))[0][1] for op in ops] == [3, 17]


def offsets(item: Case) -> list[int]:
    program = program_of(item)
    (step,) = program.steps
    return [v.offset for v in step.op.views(program.reads(step), program.writes(step))]


@pytest.mark.parametrize(
    ("item", "want"),
    [
        (case("Slice", ints(2), ints(5), ints(2), x=(1, 3, 7, 4)), [2 * 4 * 3 * 4]),
        (case("Slice", ints(-1), ints(LAST), ints(0), x=(4, 6)), [3 * 6 * 4]),
        (case("Slice", ints(2), ints(5), ints(3), x=(1, 3, 7, 4)), []),  # H precedes W
        (case("Slice", ints(2), ints(5), ints(2), ints(2), x=(1, 3, 7, 4)), []),
        (case("Slice", ints(2), ints(5), ints(2), x=(2, 3, 7, 4)), []),
        (case("Slice", ints(0), ints(LAST), ints(0), x=(4, 6)), [0]),
        (case("Slice", ints(-1), ints(-LAST), ints(0), ints(-1), x=(4, 6)), []),
        (case("Slice", ints(1, 1), ints(2, 3), ints(0, 1), x=(4, 6)), []),
    ],
    ids=str,
)
def test_view(item: Case, want: list[int]) -> None:
    assert offsets(item) == want


def test_parts_of_a_split_lie_in_what_was_split() -> None:
    item = case("Split", ints(3, 5), x=(1, 3, 8, 8), axis=2, outputs=2)
    program = program_of(item)
    assert any("x0" in group for group in plan(program).groups)
    feeds = harness.data_of(item)
    for y, w in zip(harness.in_c(program, feeds), harness.in_numpy(program, feeds), strict=True):
        assert np.array_equal(y, w)


@pytest.mark.parametrize(
    ("item", "what"),
    [
        (case("Slice", ints(3), ints(3), ints(1), x=(2, 5)), "the result is empty"),
        (case("Split", ints(5, 0), x=(5, 2), outputs=2), "a part is empty"),
    ],
)
def test_refusal(item: Case, what: str) -> None:
    with pytest.raises(LowerError, match=what):
        program_of(item)


def test_open_end_is_larger_than_any_size() -> None:
    assert extent(2**31 - 1, 0, TO_END, 1) == (0, 2**31 - 1)
