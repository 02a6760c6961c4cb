"""MaxPool, AveragePool and ConvTranspose beyond their cases: other sizes at run time, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from magik_core.errors import LowerError, Problem
from magik_core.ops.cases import Case, Input, case, floats
from magik_core.ops.max_pool import MaxPool
from tests import harness


def problem_of(item: Case) -> Problem:
    """What lowering says of a case that it refuses."""
    with pytest.raises(LowerError) as caught:
        harness.in_float(harness.model_of(item))
    (problem,) = caught.value.problems
    return problem


REFUSED = [
    (case("MaxPool", x=(1, 2, 4, 4), kernel_shape=[2, 2], outputs=2), "unsupported output", "Indices"),
    (case("MaxPool", x=(1, 2, 4, 4, 4), kernel_shape=[2, 2, 2]), "unsupported rank", "3 spatial axes"),
    (case("AveragePool", x=(1, 2, 4, 4, 4), kernel_shape=[2, 2, 2]), "unsupported rank", "3 spatial axes"),
    (case("AveragePool", x=(1, 1, 3000), kernel_shape=[2049]), "the window is too large", "[2049]"),
    (case("ConvTranspose", floats(2, 3, 2, 2, 2), x=(1, 2, 4, 4, 4)), "unsupported rank", "3 spatial axes"),
    (case("ConvTranspose", floats(2, 3, 257), x=(1, 2, 4)), "the window is too large", "[257]"),
    (case("ConvTranspose", Input((2, 3, 2)), x=(1, 2, 4)), "needs a constant weight", "a computed tensor"),
    (case("ConvTranspose", floats(2, 3, 2), Input((3,)), x=(1, 2, 4)), "needs a constant bias", "a computed tensor"),
]


@pytest.mark.parametrize(("item", "what", "found"), REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_a_refusal_names_what_it_found(item: Case, what: str, found: str) -> None:
    problem = problem_of(item)
    assert problem.what.startswith(item.op_type)
    assert problem.what.endswith(what)
    assert (problem.where, problem.found) == ("node 'node'", found)
    assert problem.need


def test_ceil_mode_holds_at_any_size() -> None:
    op = MaxPool(kernel_shape=(3, 3), strides=(2, 2), pads=(0, 1, 0, 1), ceil_mode=True)
    for n in range(3, 12):
        (shape,) = op.shape((1, n, n, 2))
        starts = [i for i in range(0, n + 2, 2) if i == 0 or (i - 2 + 3 < n and i < n)]
        assert shape[1] == len(starts)
        assert shape[2] >= (n + 2 - 3) // 2 + 1


def test_a_window_past_the_input_gives_the_lowest() -> None:
    item = case("MaxPool", x=(1, 2, 1, 1), kernel_shape=[2, 2], dilations=[2, 2], pads=[1, 1, 1, 1])
    program = harness.in_float(harness.model_of(item))
    feeds = harness.data_of(item)
    (y,) = harness.in_c(program, feeds)
    assert np.all(np.isneginf(y))
    assert y.tobytes() == harness.in_numpy(program, feeds)[0].tobytes()
