"""numerics.py and fmath.py against fixed.h and fmath.h: at ties, just below, just above, at the extremes."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magik_core import fmath, numerics
from magik_core.ops.convolution import clip
from magik_core.program import QuantParams
from tests.core.numeric_points import (
    HIGH,
    I32,
    I64,
    LOW,
    F,
    average_points,
    fixed_points,
    float_points,
    large_points,
    quantize_points,
    rescale_points,
    shift_points,
    twice_points,
    wide_average_points,
    wide_points,
)
from tests.runtime.native import RUNTIME, Array, Probe, compilers

INTERNAL: dict[str, Callable[..., Array]] = {  # of fmath.h; numpy's own do the same
    "abs": np.abs,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "copysign": np.copysign,
}

# ---- one comparison per primitive --------------------------------------------------------------


def same_bits(a: Array, b: Array) -> bool:
    """Equal to the last bit; any NaN equals any NaN."""
    if a.dtype != np.float32:
        return np.array_equal(a, b)
    both = np.isnan(a) & np.isnan(b)
    return bool(np.all(both | (a.view(np.uint32) == b.astype(np.float32).view(np.uint32))))


def in_shift(c: Probe, py: ModuleType) -> bool:
    v, s = shift_points()
    return same_bits(c("shift", I64, (v, I64), (s, I32)), py.rescale(v, 1, s))


def in_shift_wrap(c: Probe, py: ModuleType) -> bool:
    v, s = shift_points()
    ends = np.array([-(2**63), -(2**63) + 1, 2**63 - 2, 2**63 - 1], I64)
    v, s = np.append(v, np.repeat(ends, 62)), np.append(s, np.tile(np.arange(1, 63, dtype=I32), 4))
    return same_bits(c("shift_wrap", I64, (v, I64), (s, I32)), py.shift(v, s))


def in_fixed(c: Probe, py: ModuleType) -> bool:
    v = fixed_points()
    return same_bits(c("fixed", I32, (v, I64)), py.fixed(v))


def in_fix(c: Probe, py: ModuleType) -> bool:
    v = fixed_points()
    return same_bits(c("fix", I32, (v, I64)), py.fix(v))


def in_rescale(c: Probe, py: ModuleType) -> bool:
    acc, m, s = rescale_points()
    return same_bits(c("rescale", I64, (acc, I32), (m, I32), (s, I32)), py.rescale(acc, m, s))


def in_rescale_wide(c: Probe, py: ModuleType) -> bool:
    acc, m, s = wide_points()
    got = c("rescale_wide", I64, (acc, I64), (m, I32), (s, I32))
    want = py.rescale(acc, m, s)
    return same_bits(np.clip(got, LOW, HIGH), np.clip(want, LOW, HIGH))


def in_rescale_as(c: Probe, py: ModuleType) -> bool:
    acc, m, s = (np.concatenate(v) for v in zip(rescale_points(), twice_points(), strict=True))
    got = [c("rescale_as", I64, (acc, I32), (m, I32), (s, I32), (is_twice, I32)) for is_twice in (0, 1)]
    return same_bits(got[0], py.rescale(acc, m, s)) and same_bits(got[1], py.rescale_twice(acc, m, s))


def in_average(c: Probe, py: ModuleType) -> bool:
    total, count = average_points()
    return same_bits(c("average", I64, (total, I32), (count, I32)), py.average(total, count))


def in_average_wide(c: Probe, py: ModuleType) -> bool:
    total, count = wide_average_points()
    return same_bits(c("average_wide", I64, (total, I64), (count, I32)), py.average(total, count))


def in_reciprocal(c: Probe, py: ModuleType) -> bool:
    total = large_points(30, 60)
    m, k = py.reciprocal(total)
    return same_bits(c("reciprocal_m", I64, (total, I64)), m) and same_bits(c("reciprocal_k", I64, (total, I64)), k)


def in_inverse_root(c: Probe, py: ModuleType) -> bool:
    square = large_points(0, 60)
    m, k = py.inverse_root(square)
    return same_bits(c("inverse_root_m", I64, (square, I64)), m) and same_bits(
        c("inverse_root_k", I64, (square, I64)), k
    )


def in_floor_div(c: Probe, py: ModuleType) -> bool:
    a, n = (v.ravel() for v in np.meshgrid([*range(-20, 21), 2**62, -(2**62)], [1, 2, 3, 7, 2**22]))
    return same_bits(c("floor_div", I64, (a, I64), (n, I64)), a // n)


def in_mac(c: Probe, py: ModuleType) -> bool:
    acc, x, w = (v.ravel() for v in np.meshgrid([0, 5, HIGH, LOW], [0, 1, 255], [-128, -1, 0, 127]))
    wrapped = (acc.astype(I64) + x.astype(I64) * w).astype(np.uint32).view(I32)
    return same_bits(c("mac", I32, (acc, I32), (x, I32), (w, I32)), wrapped)


def in_saturate(c: Probe, py: ModuleType) -> bool:
    v, low = (a.ravel() for a in np.meshgrid([-(2**40), -1, 0, 1, 3, 254, 255, 256, 2**40], [0, 1, 255]))
    ours = np.concatenate([py.saturate(v[low == k], k, 255) for k in (0, 1, 255)])
    order = np.concatenate([np.flatnonzero(low == k) for k in (0, 1, 255)])
    return same_bits(c("u8", np.uint8, (v, I64), (low, I32), (255, I32))[order], ours)


def in_clip(c: Probe, py: ModuleType) -> bool:
    x = float_points()
    return all(
        same_bits(c("clip", F, (x, F), (low, F), (high, F)), clip(x, low, high))
        for low, high in ((0.0, 6.0), (-math.inf, math.inf), (0.0, math.inf), (-0.5, 0.5), (-0.0, 0.0))
    )


def in_quantize(c: Probe, py: ModuleType) -> bool:
    x, scale, zero, top = quantize_points()
    got = c("quantize", I32, (x, F), (scale, F), (zero, F), (top, I32))
    for key in set(zip(scale, zero, top, strict=True)):
        rows = (scale == key[0]) & (zero == key[1]) & (top == key[2])
        q = QuantParams(float(F(key[0])), float(key[1]), int(key[2]).bit_length())
        if not same_bits(got[rows], py.quantize(x[rows], q).astype(I32)):
            return False
    return True


def in_dequantize(c: Probe, py: ModuleType) -> bool:
    q = np.arange(256)
    return all(
        same_bits(c("dequantize", F, (q, I32), (scale, F), (zero, F)), py.dequantize(q, QuantParams(scale, zero)))
        for scale in (1.0, 0.1, 1e-30, 3e36)
        for zero in (0.0, 127.5, 255.0)
    )


COMPARISONS: dict[str, Callable[[Probe, ModuleType], bool]] = {
    "shift": in_shift,
    "shift_wrap": in_shift_wrap,
    "rescale": in_rescale,
    "rescale_wide": in_rescale_wide,
    "rescale_as": in_rescale_as,
    "fixed": in_fixed,
    "fix": in_fix,
    "average": in_average,
    "average_wide": in_average_wide,
    "reciprocal": in_reciprocal,
    "inverse_root": in_inverse_root,
    "floor_div": in_floor_div,
    "mac": in_mac,
    "u8": in_saturate,
    "clip": in_clip,
    "quantize": in_quantize,
    "dequantize": in_dequantize,
}


@np.errstate(all="ignore")
def differing(c: Probe, py: ModuleType) -> set[str]:
    """Names of the primitives that are not the same."""
    return {name for name, is_same in COMPARISONS.items() if not is_same(c, py)}


# ---- C and numpy are one -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    return Probe(tmp_path_factory.mktemp("probe"), "-O2")


@pytest.mark.parametrize("compiler", compilers())
@pytest.mark.parametrize("flags", [("-O0",), ("-O3",), ("-O3", "-march=native")], ids=" ".join)
def test_c_equals_numpy(tmp_path: Path, compiler: str, flags: tuple[str, ...]) -> None:
    assert differing(Probe(tmp_path, *flags, compiler=compiler), numerics) == set()


@pytest.mark.parametrize("compiler", compilers())
@pytest.mark.parametrize("flags", [("-O0",), ("-O3", "-march=native")], ids=" ".join)
def test_functions_of_f32(tmp_path: Path, compiler: str, flags: tuple[str, ...]) -> None:
    c = Probe(tmp_path, *flags, compiler=compiler)
    x = float_points()
    for name, arity in c.functions.items():
        function = INTERNAL[name] if name in INTERNAL else getattr(fmath, name)
        exponents = (0.0, 1.0, -1.0, 2.0, 0.5, 3.0, -2.5, math.inf, math.nan) if arity == 2 else (0.0,)
        for y in exponents:
            with np.errstate(all="ignore"):
                want = np.asarray(function(x, F(y)) if arity == 2 else function(x), F)
            more = ((y, F),) if arity == 2 else ()
            assert same_bits(c(f"fm_{name}", F, (x, F), *more), want), f"{name} {y}"


def test_every_primitive_is_compared(probe: Probe) -> None:
    """A function added to fixed.h or fmath.h needs a line in probe.c and a comparison here."""
    fixed = set(re.findall(r"^static inline [\w ]+ fx_(\w+)\(", (RUNTIME / "src" / "fixed.h").read_text(), re.M))
    assert fixed - {"clamp", "code", "put"} == set(COMPARISONS)  # u8 is clamp, stored; so is put
    missing = [name for name in probe.functions if name not in INTERNAL and not hasattr(fmath, name)]
    assert missing == []


@settings(deadline=None, max_examples=300)
@given(st.integers(LOW, HIGH), st.integers(LOW, HIGH), st.integers(1, 62))
def test_rescale_anywhere(probe: Probe, acc: int, m: int, s: int) -> None:
    want = (acc * m + (1 << (s - 1))) >> s
    assert int(numerics.rescale(np.array(acc), m, s)) == want
    assert int(probe("rescale", I64, ([acc], I32), ([m], I32), ([s], I32))[0]) == want


@settings(deadline=None, max_examples=300)
@given(st.integers(-(2**62), 2**62), st.integers(LOW, HIGH), st.integers(1, 62))
def test_rescale_wide_anywhere(probe: Probe, acc: int, m: int, s: int) -> None:
    want = min(max((acc * m + (1 << (s - 1))) >> s, LOW), HIGH)
    assert min(max(int(numerics.rescale(np.array(acc), m, s)), LOW), HIGH) == want
    assert min(max(int(probe("rescale_wide", I64, ([acc], I64), ([m], I32), ([s], I32))[0]), LOW), HIGH) == want


@settings(deadline=None, max_examples=300)
@given(st.floats(width=32), st.floats(2.0**-100, 2.0**100, width=32), st.integers(0, 255))
def test_quantize_anywhere(probe: Probe, x: float, scale: float, zero: int) -> None:
    c = probe("quantize", I32, ([x], F), ([scale], F), ([zero], F), ([255], I32))[0]
    assert int(c) == int(numerics.quantize(np.array(x, F), QuantParams(scale, float(zero))))


# ---- the tests notice a rounding constant that is off by one -------------------------------------

SHIFT_C, SHIFT_PY = "((int64_t)1 << (s - 1))", "(np.int64(1) << (s - 1))"
TWICE_C, TWICE_PY = "-(1 << 30) : 1 << 30", "-(2**30), 2**30"
SHIFTS = {"shift", "shift_wrap", "rescale", "rescale_wide", "rescale_as", "fix"}
AVERAGES = {"average", "average_wide"}
AVERAGE_C, AVERAGE_PY = "(count >> 1)", "(n >> 1)"
MUTANTS = [
    pytest.param(SHIFT_C, f"({SHIFT_C} + 1)", SHIFT_PY, f"({SHIFT_PY} + 1)", SHIFTS, id="rescale+1"),
    pytest.param(SHIFT_C, f"({SHIFT_C} - 1)", SHIFT_PY, f"({SHIFT_PY} - 1)", SHIFTS, id="rescale-1"),
    *(
        pytest.param(TWICE_C, new, TWICE_PY, new_py, {"rescale_as"}, id=f"twice {new}")
        for new, new_py in (
            ("-(1 << 30) : (1 << 30) + 1", "-(2**30), 2**30 + 1"),
            ("-(1 << 30) : (1 << 30) - 1", "-(2**30), 2**30 - 1"),
            ("-(1 << 30) + 1 : 1 << 30", "-(2**30) + 1, 2**30"),
            ("-(1 << 30) - 1 : 1 << 30", "-(2**30) - 1, 2**30"),
            ("1 << 30 : 1 << 30", "2**30, 2**30"),
        )
    ),
    pytest.param("s > 31)", "s > 32)", "(s) > 31", "(s) > 32", {"rescale_as"}, id="twice above 32"),
    pytest.param("s > 31)", "s > 30)", "(s) > 31", "(s) > 30", {"rescale_as"}, id="twice above 30"),
    pytest.param(AVERAGE_C, f"({AVERAGE_C} + 1)", AVERAGE_PY, f"({AVERAGE_PY} + 1)", AVERAGES, id="average+1"),
    pytest.param(AVERAGE_C, f"({AVERAGE_C} - 1)", AVERAGE_PY, f"({AVERAGE_PY} - 1)", AVERAGES, id="average-1"),
    pytest.param(">= 0.5f", "> 0.5f", ">= np.float32(0.5)", "> np.float32(0.5)", {"quantize"}, id="quantize"),
]


@pytest.mark.parametrize(("old", "new", "old_py", "new_py", "names"), MUTANTS)
def test_a_mutant_of_fixed_h_is_noticed(
    tmp_path: Path, old: str, new: str, old_py: str, new_py: str, names: set[str]
) -> None:
    assert differing(Probe(tmp_path, "-O1", patch={"fixed.h": (old, new)}), numerics) == names


@pytest.mark.parametrize(("old", "new", "old_py", "new_py", "names"), MUTANTS)
def test_a_mutant_of_numerics_is_noticed(
    probe: Probe,
    monkeypatch: pytest.MonkeyPatch,
    old: str,
    new: str,
    old_py: str,
    new_py: str,
    names: set[str],
) -> None:
    source = inspect.getsource(numerics)
    assert source.count(old_py) == 1
    mutant = ModuleType("mutant")
    exec(compile(source.replace(old_py, new_py), "mutant", "exec"), mutant.__dict__)
    for name in ("shift", "rescale", "rescale_twice", "average", "quantize", "fix"):
        monkeypatch.setattr(numerics, name, getattr(mutant, name))
    assert differing(probe, numerics) == names


# ---- what the primitives mean --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "code"),
    [
        (-math.inf, 0),
        (-0.51, 0),
        (-0.5, 0),
        (0.49999997, 0),
        (0.5, 1),
        (1.4999999, 1),
        (1.5, 2),
        (254.49998, 254),
        (254.5, 255),
        (255.5, 255),
        (math.inf, 255),
        (math.nan, 0),
    ],
)
def test_quantize_at_ties(probe: Probe, x: float, code: int) -> None:
    assert int(numerics.quantize(np.array(x, F), QuantParams(1.0))) == code
    assert probe("quantize", I32, ([x], F), ([1.0], F), ([0.0], F), ([255], I32)).tolist() == [code]


def test_exp_is_within_two_units_of_the_last_place() -> None:
    x = np.linspace(-87, 88, 200_001).astype(F)
    exact = np.exp(x.astype(np.float64))
    unit = np.spacing(exact.astype(F)).astype(np.float64)
    assert np.abs(fmath.exp(x) - exact).max() > 0
    assert (np.abs(fmath.exp(x).astype(np.float64) - exact) / unit).max() <= 2
