"""Ranges from running the float graph."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from magik_core import calibrate as calibration
from magik_core.calibrate import calibrate, each_sample, watch
from magik_core.errors import DataError
from magik_core.float_session import FloatSession
from magik_core.quantizers import found

TEXT = """<ir_version: 10, opset_import: ["" : 20]>
g (float[1,2] x, int64[2] i) => (float[1,2] y) <float[1,2] c = {0.5, -2.0}> {
   a = Mul (x, c)
   b = Relu (a)
   zero = Constant <value_ints: ints = [0]> ()
   ii = Unsqueeze (i, zero)
   d = GatherElements <axis = 1> (b, ii)
   y = Log (d)
}"""


@pytest.fixture
def model():
    return ir.from_onnx_text(TEXT)


def feeds(*rows):
    return [{"x": np.float32([row]), "i": np.float32([0, 1])} for row in rows]


GOOD = feeds([2, -1], [8, -3], [4, -0.5])


def test_ranges_cover_all_samples(model):
    ranges = calibrate(model, GOOD, dict.fromkeys(("x", "a", "b"), 8), found()["MAX_ABS"])
    assert ranges == {"x": (-3.0, 8.0), "a": (0.0, 6.0), "b": (0.0, 6.0)}
    assert [o.name for o in model.graph.outputs] == ["y"]  # the model is left as it was


@pytest.mark.parametrize("name", ["MAX_ABS", "KL", "MSE"])
def test_threads_and_progress(model, name):
    samples = feeds(*np.random.default_rng(0).uniform(1, 9, (40, 2)) * [1, -1])
    one = calibrate(model, samples, {"x": 8, "b": 8, "y": 8}, found()[name])
    seen = []
    more = calibrate(
        model, samples, {"x": 8, "b": 8, "y": 8}, found()[name], threads=5, progress=lambda *a: seen.append(a)
    )
    assert more == one and seen == [(i, 40) for i in range(1, 41)]


def test_samples_run_in_order_and_few_at_once():
    taken = []

    def source():
        for i in range(10):
            taken.append(i)
            yield i

    for done, value in enumerate(each_sample(lambda _, i: i * i, source(), threads=3)):
        assert value == done**2 and len(taken) <= done + 3


def test_no_samples(model):
    with pytest.raises(DataError) as caught:
        calibrate(model, [], {"a": 8}, found()["MAX_ABS"])
    assert caught.value.problems[0].what == "there are no samples to calibrate with"


def test_an_error_of_the_samples_passes_through(model):
    def source():
        yield GOOD[0]
        raise DataError("broken")

    with pytest.raises(DataError, match="broken"):
        calibrate(model, source(), {"a": 8}, found()["MAX_ABS"], threads=4)


def test_values_that_are_not_finite_are_named(model):
    samples = [*GOOD, *feeds([0, -1], [3, 3]), *feeds([np.nan, 1])]
    with pytest.raises(DataError) as caught:
        calibrate(model, samples, {"x": 8, "a": 8, "y": 8}, found()["MSE"], threads=2)
    problems = caught.value.problems
    assert [p.where for p in problems] == [f"value '{n}', sample {i}" for n, i in (("y", 3), ("y", 4), ("x", 5))]
    assert problems[0].what == "an activation is not finite"
    assert problems[0].found == "1 of 2 values are NaN or infinite"
    assert "MEAN" in problems[0].hint


def test_problems_beyond_the_twentieth_are_counted(model):
    samples = [*GOOD, *feeds(*[[np.nan, 1]] * 25)]
    with pytest.raises(DataError) as caught:
        calibrate(model, samples, {"x": 8}, found()["MSE"])
    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1].what == "and 5 more problems of the same stage"


def test_a_float_session_gives_outputs_inputs_and_values(model):
    outputs = FloatSession(model).run(GOOD[0])
    assert list(outputs) == ["y"] and np.allclose(outputs["y"], np.log([[1, 2]]))
    named = FloatSession(model, ["i", "a"]).run(GOOD[0])
    assert named["i"].dtype == np.int64 and np.array_equal(named["a"], [[1, 2]])
    assert FloatSession(model, ["x"]).run(GOOD[0])["x"].tolist() == [[2, -1]]


class _Watcher:
    """Writes down what it sees, and fails at one of them."""

    def __init__(self, log, name, fails_at=None):
        self._log, self._name, self._fails_at = log, name, fails_at

    def observe(self, x):
        self._log.append((self._name, float(x[0, 0])))
        if x[0, 0] == self._fails_at:
            raise RuntimeError("broken observer")


def test_each_value_is_seen_in_the_order_of_the_samples(model, monkeypatch):
    monkeypatch.setattr(calibration, "PART_BYTES", 1)
    samples, log = feeds(*[[i, -1] for i in range(1, 60)]), []
    watch(model, samples, [(name, _Watcher(log, name)) for name in ("x", "a", "b")], threads=6)
    assert len(log) == 3 * len(samples)
    for name in ("x", "a", "b"):
        seen = [value for one, value in log if one == name]
        assert seen == sorted(seen) and len(seen) == len(samples)


def test_nobody_waits_for_a_sample_that_fails(model, monkeypatch):
    monkeypatch.setattr(calibration, "PART_BYTES", 1)
    samples = feeds(*[[i, -1] for i in range(1, 60)])
    with pytest.raises(RuntimeError, match="broken observer"):
        watch(model, samples, [("x", _Watcher([], "x")), ("b", _Watcher([], "b", fails_at=3.5))], threads=6)
