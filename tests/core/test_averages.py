"""The mean of a sum is the exact one, rounded half up to its fraction bits, in C and in numpy."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magik_core import numerics
from tests.core.numeric_points import HIGH, I32, I64
from tests.runtime.native import Probe

COUNTS = st.integers(1, 2**22)


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    return Probe(tmp_path_factory.mktemp("probe"), "-O2")


def exact(total: int, count: int) -> int:
    return math.floor(Fraction(total << numerics.AVERAGE_BITS, count) + Fraction(1, 2))


@settings(deadline=None, max_examples=300)
@given(st.integers(-HIGH, HIGH), COUNTS)
def test_sums_of_32_bits(probe: Probe, total: int, count: int) -> None:
    assert int(numerics.average(np.array(total), count)) == exact(total, count)
    assert int(probe("average", I64, ([total], I32), ([count], I32))[0]) == exact(total, count)


@settings(deadline=None, max_examples=300)
@given(st.integers(1 - 2**46, 2**46 - 1), COUNTS)
def test_sums_of_46_bits(probe: Probe, total: int, count: int) -> None:
    assert int(numerics.average(np.array(total), count)) == exact(total, count)
    assert int(probe("average_wide", I64, ([total], I64), ([count], I32))[0]) == exact(total, count)
