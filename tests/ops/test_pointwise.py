"""Pointwise operators beyond their CASES: every kind of f32 in C and numpy, and codes without a meaning."""

from __future__ import annotations

import numpy as np
import pytest

from magik_core import ops
from magik_core.errors import LowerError
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise
from magik_core.program import QuantParams, Tensor
from tests import harness

SPECIAL = (
    0.0,
    -0.0,
    np.inf,
    -np.inf,
    np.nan,
    1e-45,
    -1e-45,
    3.4028235e38,
    -3.4028235e38,
    0.5,
    2.5,
    4,
    -87.5,
    88.5,
)
NEEDS = {"Pow": (np.array(1.7, np.float32),), "Clip": (np.array(-1, np.float32), np.array(2, np.float32))}
NAMES = sorted(
    name for op in ops.found().values() if issubclass(op, Pointwise) and "f32" in op.dtypes for name in op.onnx
)


def sweep() -> np.ndarray:
    bits = np.arange(0, 2**32, 99_991, dtype=np.uint64).astype(np.uint32)
    return np.concatenate([bits.view(np.float32), np.array(SPECIAL, np.float32)])


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal bits; any NaN equals any other."""
    return bool(((a.view(np.uint32) == b.view(np.uint32)) | (np.isnan(a) & np.isnan(b))).all())


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_f32(name: str) -> None:
    x = sweep()
    program = harness.in_float(harness.model_of(case(name, *NEEDS.get(name, ()), x=Input(x.shape))))
    (want,), (got,) = harness.in_numpy(program, {"x0": x}), harness.in_c(program, {"x0": x})
    assert same(got, want)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 8, -1, -2, 0.5, -0.5, 0.75, 11, -13, 1e8])
def test_powers_of_every_kind_of_f32(exponent: float) -> None:
    x = sweep()
    program = harness.in_float(harness.model_of(case("Pow", np.array(exponent, np.float32), x=Input(x.shape))))
    (want,), (got,) = harness.in_numpy(program, {"x0": x}), harness.in_c(program, {"x0": x})
    assert same(got, want)


@pytest.mark.parametrize(
    ("name", "code", "want"),
    [("Log", 0, 20), ("Log", 10, 0), ("Log", 255, 61), ("Sqrt", 0, 20), ("Reciprocal", 10, 255)],
)
def test_codes_outside_the_domain(name: str, code: int, want: int) -> None:
    """NaN becomes real zero, an infinity the last code."""
    x = Tensor("x", "u8", (1,), QuantParams(0.25, 10))
    y = Tensor("y", "u8", (1,), QuantParams(0.1, 20))
    (table,) = ops.by_onnx()[name]().tables((x,), (y,))
    assert table[code] == want


@pytest.mark.parametrize("exponents", [np.array([1, 2], np.float32), np.array(np.inf, np.float32)])
def test_pow_refuses_other_exponents(exponents: np.ndarray) -> None:
    with pytest.raises(LowerError, match="exponents that differ or are not finite"):
        harness.in_float(harness.model_of(case("Pow", exponents, x=(3, 2))))


def test_prelu_refuses_a_slope_over_several_axes() -> None:
    with pytest.raises(LowerError, match="slope over several axes"):
        harness.in_float(harness.model_of(case("PRelu", np.ones((3, 2), np.float32), x=(2, 3, 2))))


def test_prelu_refuses_a_computed_slope() -> None:
    with pytest.raises(LowerError, match="PRelu needs a constant slope"):
        harness.in_float(harness.model_of(case("PRelu", (3, 1), x=(2, 3, 2))))


@pytest.mark.parametrize("name", ["Max", "Min", "Mul", "Div"])
def test_integers_are_refused(name: str) -> None:
    hint = "hint: --constant NAME=VALUE puts a number in the place of an input: 'x0', 'x1'"
    with pytest.raises(LowerError, match=f"(?s){name}: of integers.*{hint}"):
        harness.in_float(harness.model_of(case(name, Input((2,), dtype="s32"), x=Input((2,), dtype="s32"))))
