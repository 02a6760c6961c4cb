"""Real factors and ranges as integers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magik_core import numerics
from magik_core.errors import QuantizeError
from tests.core.numeric_points import ACCUMULATORS, HIGH, I64, LOW, F, rescale_points


def test_rescale_is_round_half_up() -> None:
    acc, m, s = rescale_points()
    want = [
        math.floor(Fraction(int(a) * int(b), 1 << int(k)) + Fraction(1, 2)) for a, b, k in zip(acc, m, s, strict=True)
    ]
    assert numerics.rescale(acc, m, s).tolist() == want


@pytest.mark.parametrize("n", range(1, 31))
def test_a_power_of_two_is_a_shift(n: int) -> None:
    """The multiplier of 2^-n agrees exactly with (acc + 2^(n-1)) >> n."""
    half = 1 << (n - 1)
    near = [k * (1 << n) + half + d for k in (-2, -1, 0, 1) for d in (-1, 0, 1)]
    acc = np.array([a for a in (*near, *ACCUMULATORS) if LOW <= a <= HIGH], I64)
    assert numerics.rescale(acc, *numerics.multiplier(2.0**-n)).tolist() == ((acc + half) >> n).tolist()


RATIOS = [
    2.0**-32,
    2.0**-31,
    1 / 3,
    0.5,
    1.0,
    1.5,
    2.0**29 - 1,
    math.nextafter(2.0**29, 0),
    math.nextafter(1, 0),
]
RATIOS += [math.nextafter(2.0**-5, 0), math.nextafter(2.0**-5, 1), 0.1, 7.7]


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("sign", [1, -1])
def test_multiplier(ratio: float, sign: int) -> None:
    m, s = numerics.multiplier(sign * ratio)
    assert 2**30 <= abs(m) <= HIGH and 1 <= s <= 62
    assert abs(Fraction(m, 1 << s) - Fraction(sign * ratio)) <= Fraction(1, 1 << s)  # half a unit, one at the top


def test_multiplier_of_nothing() -> None:
    assert numerics.multiplier(0.0) == (0, 1)
    assert numerics.multiplier(math.nextafter(2.0**-32, 0)) == (0, 1)


@given(
    st.lists(st.floats(-(2.0**29), 2.0**29, exclude_min=True, exclude_max=True) | st.floats(-1e-8, 1e-8), min_size=1)
)
def test_many_multipliers_are_those_of_each(ratios: list[float]) -> None:
    m, s = numerics.each_multiplier(np.array(ratios))
    assert list(zip(m.tolist(), s.tolist(), strict=True)) == [numerics.multiplier(r) for r in ratios]


def test_many_multipliers_at_the_edges() -> None:
    edges = [0.0, 2.0**-32, math.nextafter(2.0**-32, 0), math.nextafter(1.0, 0), 1.0, -1.0, math.nextafter(2.0**29, 0)]
    m, s = numerics.each_multiplier(np.array(edges))
    assert list(zip(m.tolist(), s.tolist(), strict=True)) == [numerics.multiplier(r) for r in edges]


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan, 2.0**29])
def test_one_of_many_is_out_of_range(bad: float) -> None:
    with pytest.raises(QuantizeError) as error:
        numerics.each_multiplier(np.array([1.0, bad]))
    (problem,) = error.value.problems
    assert (problem.what, problem.need) == ("a rescale factor is out of range", "|factor| < 2^29")


@given(st.floats(-(2.0**28), 2.0**28), st.floats(-(2.0**28), 2.0**28))
def test_multipliers_share_a_shift(a: float, b: float) -> None:
    (m, n), s = numerics.multipliers(a, b)
    assert LOW < m <= HIGH and LOW < n <= HIGH and 1 <= s <= 62
    if max(abs(a), abs(b)) >= 2.0**-32:
        assert max(abs(m), abs(n)) >= 2**30
        assert all(abs(Fraction(k, 1 << s) - Fraction(r)) <= Fraction(1, 1 << s) for k, r in ((m, a), (n, b)))


@pytest.mark.parametrize("bad", [(math.inf,), (math.nan,), (2.0**29,), (-(2.0**29),), (1.0, math.nan), (math.nan, 1.0)])
def test_a_ratio_out_of_range(bad: tuple[float, ...]) -> None:
    with pytest.raises(QuantizeError) as error:
        numerics.multipliers(*bad)
    (problem,) = error.value.problems
    assert problem.what == "a rescale factor is out of range" and problem.need == "|factor| < 2^29"


@given(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30), st.sampled_from([4, 8, 10, 16]))
def test_a_range_holds_zero(a: float, b: float, bits: int) -> None:
    q = numerics.params_of_range(min(a, b), max(a, b), bits)
    assert q.scale > 0 and q.scale == float(F(q.scale))
    assert q.zero_point == int(q.zero_point) and 0 <= q.zero_point <= q.top
    zero = numerics.dequantize(numerics.quantize(np.zeros(1, F), q), q)
    assert zero.tolist() == [0.0]


@pytest.mark.parametrize("bad", [(-math.inf, 1.0), (0.0, math.inf), (0.0, 1e300), (math.nan, 1.0), (0.0, math.nan)])
def test_a_range_that_is_not_finite(bad: tuple[float, float]) -> None:
    with pytest.raises(QuantizeError) as error:
        numerics.params_of_range(*bad)
    assert error.value.problems[0].what == "a range is not finite"
