"""LSTM beyond its cases: outputs that are left out, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.errors import LowerError
from magik_core.ops.cases import Case, Input, case, floats
from tests import harness

GATES = "Sigmoid, Tanh, Tanh"


def lstm(*more: Input | np.ndarray | None, dirs: int = 1, outputs: int = 3, **attributes: Any) -> Case:
    w, r = floats(dirs, 16, 3), floats(dirs, 16, 4, seed=1)
    return case("LSTM", w, r, *more, x=(5, 2, 3), hidden_size=4, outputs=outputs, **attributes)


@pytest.mark.parametrize(
    ("item", "what", "found", "need"),
    [
        (lstm(layout=1), "LSTM: unsupported layout", "1", "0"),
        (lstm(input_forget=1), "LSTM: unsupported input_forget", "1", "0"),
        (
            lstm(activations=["Sigmoid", "Relu", "Tanh"]),
            "LSTM: unsupported activations",
            "Sigmoid, Relu, Tanh",
            "Sigmoid, Tanh, Tanh",
        ),
        (
            lstm(None, np.array([5, 3], np.int32)),
            "LSTM: unsupported sequence_lens",
            "several lengths",
            "all 5",
        ),
        (lstm(Input((1, 32))), "LSTM needs a constant B", "a computed tensor", "a constant"),
    ],
    ids=["layout", "input_forget", "activations", "sequence_lens", "B"],
)
def test_a_refusal_names_what_it_found(item: Case, what: str, found: str, need: str) -> None:
    m = harness.model_of(item)
    with pytest.raises(LowerError) as caught:
        harness.in_float(m)
    (problem,) = caught.value.problems
    assert (problem.what, problem.found, problem.need) == (what, found, need)
    assert problem.where == "node 'node'"


def test_states_run_on() -> None:
    """Two halves, the state of the first given to the second, are the whole."""
    weights = floats(1, 16, 3), floats(1, 16, 4, seed=1)
    x = np.random.default_rng(2).uniform(-1, 1, (6, 2, 3)).astype(np.float32)
    sizes: dict[str, Any] = {"hidden_size": 4, "outputs": 3}
    whole = harness.in_float(harness.model_of(case("LSTM", *weights, x=(6, 2, 3), **sizes)))
    y, h, c = harness.in_c(whole, {"x0": x})
    states = Input((1, 2, 4)), Input((1, 2, 4))
    half = harness.in_float(harness.model_of(case("LSTM", *weights, None, None, *states, x=(3, 2, 3), **sizes)))
    zero = np.zeros((1, 2, 4), np.float32)
    y1, h1, c1 = harness.in_c(half, {"x0": x[:3], "x5": zero, "x6": zero})
    y2, h2, c2 = harness.in_c(half, {"x0": x[3:], "x5": h1, "x6": c1})
    for a, b in ((y, np.concatenate([y1, y2])), (h, h2), (c, c2)):
        assert a.tobytes() == b.tobytes()


def test_outputs_that_are_left_out_are_computed_for_nobody() -> None:
    item = lstm(outputs=1)
    program = harness.in_float(harness.model_of(item))
    (step,) = program.steps
    assert len(step.outputs) == 3
    assert program.outputs == ("y0",)
    full = harness.in_float(harness.model_of(lstm()))
    feeds = harness.data_of(item)
    assert harness.in_c(program, feeds)[0].tobytes() == harness.in_c(full, feeds)[0].tobytes()
