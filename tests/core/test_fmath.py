"""The functions of f32: their stated errors over the range, and what they say at the edges."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from magik_core import fmath

Function = Callable[[np.ndarray], np.ndarray]
F = np.float32
SMALLEST = F(2.0**-126)


def every(step: int = 4001) -> np.ndarray:
    """One f32 bit pattern in `step`, and many ordinary numbers."""
    bits = np.arange(0, 2**32, step, dtype=np.uint64).astype(np.uint32).view(F)
    plain = np.random.default_rng(3).uniform(-20, 20, 200_000).astype(F)
    return np.concatenate([bits[np.isfinite(bits)], plain])


def worst(y: np.ndarray, want: np.ndarray) -> float:
    """Largest error in ulp of the exact result."""
    ulp = np.spacing(np.maximum(np.abs(want.astype(F)), SMALLEST)).astype(np.float64)
    return float((np.abs(y.astype(np.float64) - want) / ulp).max())


@pytest.mark.parametrize(
    ("mine", "exact", "low", "high", "ulps"),
    [
        (fmath.exp, np.exp, -87, 88, 2),
        (fmath.log, np.log, 0, math.inf, 1),
        (fmath.sqrt, np.sqrt, 0, math.inf, 0.5),
        (fmath.tanh, np.tanh, -math.inf, math.inf, 2),
        (fmath.erf, np.vectorize(math.erf, otypes=[float]), -math.inf, math.inf, 3),
        (fmath.softplus, lambda x: np.logaddexp(0, x), -87, math.inf, 4),
        (fmath.sin, np.sin, -math.inf, math.inf, 3),
        (fmath.cos, np.cos, -math.inf, math.inf, 3),
        (lambda x: fmath.power(x, 2), np.square, -1e19, 1e19, 6),
        (lambda x: fmath.power(x, 7), lambda x: x**7, -1e5, 1e5, 6),
        (lambda x: fmath.power(x, -0.5), lambda x: x**-0.5, 0, 1e38, 2),
    ],
)
def test_stated_error(mine: Function, exact: Function, low: float, high: float, ulps: float) -> None:
    x = every()
    x = x[(x > low) & (x < high)]
    with np.errstate(all="ignore"):
        assert worst(mine(x), exact(x.astype(np.float64))) <= ulps


@pytest.mark.parametrize("c", [0.75, 2.2, -1.3, 1 / 3, 11.0, -20.0])
def test_power_error_grows_with_the_exponent(c: float) -> None:
    x = every()
    x = x[x > 0]
    with np.errstate(all="ignore"):
        exponent = F(c) * np.log(x.astype(np.float64))
        inside = np.abs(exponent) < 87
        y, want = fmath.power(x, c)[inside], np.exp(exponent)[inside]
    allowed = (3 + 2 * np.abs(exponent[inside])) * np.spacing(want.astype(F))
    assert (np.abs(y - want) <= allowed).all()


INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("mine", "pairs"),
    [
        (fmath.exp, [(INF, INF), (-INF, 0), (-0.0, 1), (88.5, INF), (-87.5, 0)]),
        (fmath.log, [(INF, INF), (0, -INF), (-0.0, -INF), (-1, NAN), (-INF, NAN), (1, 0)]),
        (fmath.sqrt, [(INF, INF), (0, 0), (-0.0, -0.0), (-1, NAN), (1e-45, 3.7433924e-23)]),
        (fmath.tanh, [(INF, 1), (-INF, -1), (-0.0, -0.0), (1e-40, 1e-40), (3e38, 1)]),
        (fmath.erf, [(INF, 1), (-INF, -1), (-0.0, -0.0), (4, 1)]),
        (fmath.softplus, [(INF, INF), (-INF, 0), (3e38, 3e38)]),
        (fmath.sin, [(INF, NAN), (-0.0, -0.0), (1e-40, 1e-40), (3.4028235e38, -0.5218765)]),
        (fmath.cos, [(-INF, NAN), (0, 1), (3.4028235e38, 0.8530211)]),
        (lambda x: fmath.power(x, 3), [(-0.0, -0.0), (-INF, -INF), (-2, -8)]),
        (lambda x: fmath.power(x, -1), [(-0.0, -INF), (0, INF), (-INF, -0.0)]),
        (lambda x: fmath.power(x, 0.5), [(-0.0, 0), (-1, NAN), (-INF, INF)]),
        (lambda x: fmath.power(x, 2.5), [(0, 0), (-1, NAN), (INF, INF)]),
    ],
)
def test_edges(mine: Function, pairs: list[tuple[float, float]]) -> None:
    x, want = (np.array(v, F) for v in zip(*[*pairs, (NAN, NAN)], strict=True))
    with np.errstate(all="ignore"):
        y = mine(x)
    assert np.allclose(y, want, rtol=3e-7, atol=0, equal_nan=True)
    assert (np.signbit(y) == np.signbit(want))[~np.isnan(want)].all()


def test_power_of_zero_is_one() -> None:
    assert (fmath.power(np.array([0, NAN, -INF], F), 0) == 1).all()


def test_sums_run_in_order() -> None:
    lines = np.array([1e8, 1, 1, 1, 1, -1e8], F)[:, None]
    assert fmath.total(lines)[0] == 0
    assert fmath.largest(np.array([1, NAN, 3, 2], F)[:, None])[0] == 3
