"""Where, Compare, Cast and BatchNormalization beyond their CASES."""

from __future__ import annotations

import numpy as np
import pytest

from magik_core.errors import LowerError
from magik_core.ops.cases import Case, Input, case, floats
from tests import harness


def test_where_of_conditions() -> None:
    """onnxruntime has no such kernel."""
    flags = Input((3, 4), dtype="bool")
    program = harness.in_float(harness.model_of(case("Where", flags, Input((4,), dtype="bool"), x=flags)))
    rng = np.random.default_rng(0)
    feeds = {f"x{i}": rng.random(s) < 0.5 for i, s in enumerate([(3, 4), (3, 4), (4,)])}
    want = np.where(feeds["x0"], feeds["x1"], feeds["x2"])
    assert np.array_equal(harness.in_c(program, feeds)[0], want)
    assert np.array_equal(harness.in_numpy(program, feeds)[0], want)


@pytest.mark.parametrize(
    ("value", "want"),
    [(np.nan, 0), (np.inf, 2**31 - 1), (-np.inf, -(2**31)), (-1.9, -1), (3e9, 2**31 - 1), (2147483520, 2147483520)],
)
def test_cast_to_integers_saturates(value: float, want: int) -> None:
    program = harness.in_float(harness.model_of(case("Cast", x=Input((3,)), to=7)))
    feeds = {"x0": np.full(3, value, np.float32)}
    assert harness.in_c(program, feeds)[0].tolist() == [want] * 3
    with np.errstate(invalid="ignore"):
        assert harness.in_numpy(program, feeds)[0].tolist() == [want] * 3


@pytest.mark.parametrize("name", ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"])
def test_relations_with_nan(name: str) -> None:
    program = harness.in_float(harness.model_of(case(name, (4,), x=(4,))))
    feeds = {
        "x0": np.array([np.nan, 1, np.inf, 0.0], np.float32),
        "x1": np.array([np.nan, np.nan, np.inf, -0.0], np.float32),
    }
    assert np.array_equal(harness.in_c(program, feeds)[0], harness.in_numpy(program, feeds)[0])
    assert harness.in_c(program, feeds)[0].tolist()[:2] == [0, 0]


@pytest.mark.parametrize("scales", [(1.0, 1 / 3), (1e-4, 7.0), (2.0**20, 2.0**-20), (3.0, 3.0)])
def test_relations_of_codes_are_exact(scales: tuple[float, float]) -> None:
    """Every pair of codes, against exact products of integers."""
    a, b = scales
    both = case("Less", Input((256,), -9 * b, 246 * b), x=Input((256, 1), -3 * a, 252 * a))
    program = harness.quantized(both, harness.model_of(both))
    qa, qb = (program.tensors[n].quant for n in ("x0", "x1"))
    (got,) = harness.run(
        program, {"x0": np.arange(256, dtype=np.uint8)[:, None], "x1": np.arange(256, dtype=np.uint8)}
    )[program.outputs[0]][None]
    left, right = ([int(q.scale * 2**60) * (c - int(q.zero_point)) for c in range(256)] for q in (qa, qb))
    assert np.array_equal(got, np.array([[u < v for v in right] for u in left]))


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (case("Cast", x=(3,), to=2), "Cast: to UINT8"),
        (case("Cast", x=(3,), to=10), "Cast: to FLOAT16"),
        (case("BatchNormalization", floats(3), floats(3), floats(3), (3,), x=(2, 3)), "needs a constant variance"),
    ],
)
def test_refusals(bad: Case, what: str) -> None:
    with pytest.raises(LowerError, match=what):
        harness.in_float(harness.model_of(bad))
