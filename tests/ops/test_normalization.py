"""Normalizations beyond their CASES: codes that do not vary; refusals."""

from __future__ import annotations

import numpy as np
import pytest

from magik_core import numerics
from magik_core.errors import LowerError
from magik_core.ops.cases import Case, Input, case, floats
from magik_core.ops.normalization import Normalization
from magik_core.program import QuantParams, Tensor
from tests import harness


@pytest.mark.parametrize("code", [0, 7, 255])
def test_codes_that_do_not_vary_give_the_bias(code: int) -> None:
    one = Tensor("one", "f32", (4,), None, np.ones(4, np.float32))
    bias = Tensor("bias", "f32", (4,), None, np.array([-1, 0, 1, 300], np.float32))
    x, y = Tensor("x", "u8", (2, 4), QuantParams(0.5, 3)), Tensor("y", "u8", (2, 4), QuantParams(0.1, 100))
    for epsilon in (0.0, 1e-5):
        op = Normalization(1, 1, 1, epsilon)
        (codes,) = op.run((x, one, bias), (y,), (np.full((2, 4), code, np.uint8), one.data, bias.data))
        assert (codes == [90, 100, 110, 255]).all()


def test_inverse_root_is_cut_off() -> None:
    squares = [1, 2, 3, 4, 2**31 - 1, 2**58 - 1, 2**58, 2**59 + 12345, 2**60 - 1]
    m, k = numerics.inverse_root(np.array(squares))
    for square, a, b in zip(squares, m.tolist(), k.tolist(), strict=True):
        wide = square * 4**b
        assert 2**60 <= wide < 2**62
        assert abs(a * a * wide - 2**122) < 2 ** (122 - 28)


def test_a_large_epsilon_is_computed_on_f32() -> None:
    one = case("LayerNormalization", floats(5), floats(5), x=Input((2, 5), -1e-4, 1e-4), epsilon=1.0)
    program = harness.quantized(one, harness.model_of(one))
    assert [type(s.op).__name__ for s in program.steps] == ["Dequantize", "Normalization"]


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (case("LayerNormalization", (5,), x=(2, 5)), "LayerNormalization needs a constant scale"),
        (case("LayerNormalization", floats(5), None, x=(2, 5), outputs=2), "mean and deviation as outputs"),
        (case("LayerNormalization", floats(5), x=(2, 5), stash_type=11), "stash_type"),
    ],
)
def test_refusals(bad: Case, what: str) -> None:
    with pytest.raises(LowerError, match=what):
        harness.in_float(harness.model_of(bad))
