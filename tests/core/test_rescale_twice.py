"""rescale_twice is what it says: the two steps of a source that rounds twice, in one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magik_core import numerics
from tests.core.numeric_points import HIGH, I32, I64, LOW, twice_points
from tests.runtime.native import Probe


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    return Probe(tmp_path_factory.mktemp("probe"), "-O2")


def in_two_steps(acc: int, m: int, exponent: int) -> int:
    """acc * m / 2^31 * 2^exponent in 32 bits as TFLite's reference kernels have it: shifted left, or rounded again."""
    acc <<= max(exponent, 0)
    assert LOW <= acc <= HIGH and m > 0
    product, nudge = acc * m, 1 << 30 if acc * m >= 0 else 1 - (1 << 30)
    high = abs(product + nudge) // 2**31 * (1 if product + nudge >= 0 else -1)  # C's quotient, cut off towards zero
    assert LOW <= high <= HIGH
    n = max(-exponent, 0)
    mask = (1 << n) - 1
    threshold = (mask >> 1) + (1 if high < 0 else 0)
    return (high >> n) + (1 if (high & mask) > threshold else 0)


@pytest.mark.parametrize("s", range(1, 63))
def test_rescale_twice_is_two_steps(s: int) -> None:
    """At every kind of tie of the first step, of the second, and of both."""
    points = ((a, m, k) for a, m, k in zip(*map(np.ndarray.tolist, twice_points()), strict=True) if k == s)
    fits = [(a, m, k) for a, m, k in points if LOW <= a << max(31 - s, 0) <= HIGH]
    acc, m, shift = (np.array(v) for v in zip(*fits, strict=True))
    want = [in_two_steps(a, b, 31 - k) for a, b, k in fits]
    assert numerics.rescale_twice(acc, m, shift).tolist() == want
    if 32 <= s <= 60:  # the ties are there: another rounding of either step would be another number
        assert numerics.rescale(acc, m, shift).tolist() != want
        products = acc * m
        highs = (products + 2**30) >> 31
        assert (products % 2**31 == 2**30).any()
        for side in (highs > 0, highs < 0):
            assert (highs[side] % 2 ** (s - 31) == 2 ** (s - 32)).any()


@settings(deadline=None, max_examples=300)
@given(st.integers(LOW, HIGH), st.integers(2**30, HIGH), st.integers(1, 62))
def test_rescale_twice_anywhere(probe: Probe, acc: int, m: int, s: int) -> None:
    acc = acc if s > 31 else acc >> (31 - s)  # what still fits 32 bits when it is shifted left
    want = in_two_steps(acc, m, 31 - s)
    assert int(numerics.rescale_twice(np.array(acc), m, s)) == want
    assert int(probe("rescale_as", I64, ([acc], I32), ([m], I32), ([s], I32), ([1], I32))[0]) == want
