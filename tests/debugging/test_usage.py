"""What becomes of the codes of a tensor."""

from __future__ import annotations

import numpy as np
import pytest

from magik_core import numerics
from magik_core.debugging.usage import BINS, Counter, Usage
from magik_core.program import QuantParams


def used(q: QuantParams, *batches: np.ndarray) -> Usage | None:
    counter = Counter(q)
    for x in batches:
        counter.observe(x, numerics.quantize(x, q))
    return counter.result("t", "layer")


def test_shares() -> None:
    q = QuantParams(0.5, 2.0, 4)  # codes 0 … 15 are -1 … 6.5
    found = used(q, np.float32([-2, -1.2, -1, 0]), np.float32([0, 6.5, 6.7, 7, 9, 3.0]))
    assert found is not None
    assert (found.low, found.high, found.seen_low, found.seen_high) == (-1.0, 6.5, -2.0, 9.0)
    assert (found.saturated_low, found.saturated_high) == (0.1, 0.2) and found.saturated == pytest.approx(0.3)
    assert found.zeros == 0.2 and found.unused == 1 - 4 / 16  # 0, 2, 8 and 15 came
    assert (found.edge_low, found.edge_high) == (-2.0, 9.0)
    assert len(found.counts) == BINS and sum(found.counts) == 8


def test_the_histogram_lies_where_the_values_do() -> None:
    x = np.random.default_rng(0).uniform(-4, 4, 100_000).astype(np.float32)
    found = used(QuantParams(1 / 32, 128.0), x)
    assert found is not None and found.saturated == pytest.approx(0.0, abs=0.002)
    want, _ = np.histogram(x, BINS, (found.edge_low, found.edge_high))
    assert np.abs(np.array(found.counts) - want).max() < 0.05 * want.max()
    assert found.unused == 0.0


def test_sixteen_bits_and_nothing() -> None:
    assert used(QuantParams(1.0)) is None and used(QuantParams(1.0), np.zeros(0, np.float32)) is None
    found = used(QuantParams(1e-3, 0.0, 16), np.float32([0, 1, 65]))
    assert found is not None and found.unused == 1 - 3 / 65536 and found.bits == 16


def test_a_tensor_of_zeros() -> None:
    found = used(QuantParams(1.0), np.zeros(5, np.float32))
    assert found is not None and found.zeros == 1.0 and sum(found.counts) == 0 and found.unused == 255 / 256
