"""Every quantizer against brute force, and the promises that all of them make."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magik_core.quantizers import Quantizer, found
from magik_core.quantizers._grid import activation_grid, search, weight_top
from magik_core.quantizers._histogram import Histogram
from magik_core.quantizers.mse import squared_error, weight_error
from magik_core.quantizers.percentile import TAIL

ALL = list(found().values())
FEATURES = [q for q in ALL if q.activation]
WEIGHTS = [q for q in ALL if q.weight]
ids = {"ids": lambda q: q.name}


def range_of(q: Quantizer, *batches: np.ndarray, bits: int = 8) -> tuple[float, float]:
    assert q.activation
    estimator = q.activation(bits)
    for batch in batches:
        estimator.observe(batch)
    return estimator.range()


def error(x: np.ndarray, lo: float, hi: float, bits: int = 8) -> float:
    """Mean squared error of the grid, value by value."""
    scale, zero_point = activation_grid(lo, hi, bits)
    q = np.clip(np.rint(x.astype(np.float64) / scale) + zero_point, 0, (1 << bits) - 1)
    return float(np.mean((x - (q - zero_point) * scale) ** 2))


def laplace(seed: int = 0, count: int = 20_000) -> np.ndarray:
    return np.random.default_rng(seed).laplace(0.2, 1.0, count).astype(np.float32)


def test_the_names_of_the_config_file_are_there():
    assert {q.name for q in FEATURES} == {"MAX_ABS", "PERCENTILE", "KL", "MSE", "ADMM"}
    assert {q.name for q in WEIGHTS} == {"MAX_ABS", "KL", "MSE", "ADMM"}


@pytest.mark.parametrize("q", FEATURES, **ids)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_the_range_does_not_depend_on_how_values_arrive(q, data):
    floats = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
    x = np.array(data.draw(st.lists(floats, min_size=1, max_size=60)), np.float32)
    cuts = data.draw(st.lists(st.integers(0, len(x)), max_size=5))
    order = data.draw(st.permutations(range(len(x))))
    assert range_of(q, x) == range_of(q, *np.split(x[list(order)], sorted(cuts)))


@pytest.mark.parametrize("q", FEATURES, **ids)
@pytest.mark.parametrize("bits", [8, 10, 16])
def test_the_range_holds_zero_and_only_what_was_seen(q, bits):
    for x in (laplace(), np.abs(laplace()), -np.abs(laplace()), laplace() * 1e-30, laplace() * 1e30):
        lo, hi = range_of(q, x, bits=bits)
        step = (hi - lo) / 255
        assert lo <= 0 <= hi and lo < hi
        assert lo >= min(x.min(), 0) - step and hi <= max(x.max(), 0) + step
        if x.min() >= 0:
            assert lo == 0.0


@pytest.mark.parametrize("q", FEATURES, **ids)
def test_zeros_and_nothing_have_the_range_zero(q):
    assert range_of(q) == (0.0, 0.0)
    assert range_of(q, np.zeros((2, 3), np.float32), np.zeros(0, np.float32)) == (0.0, 0.0)


@pytest.mark.parametrize("q", FEATURES, **ids)
def test_a_constant_is_representable(q):
    lo, hi = range_of(q, np.full(100, 3.7, np.float32))
    assert lo == 0.0 and hi == pytest.approx(3.7, rel=2e-3)
    lo, hi = range_of(q, np.full(100, -3.7, np.float32))
    assert hi == 0.0 and lo == pytest.approx(-3.7, rel=2e-3)


@pytest.mark.parametrize("q", FEATURES, **ids)
def test_memory_does_not_grow_with_what_is_observed(q):
    def held(estimator: object) -> int:
        parts = [estimator, *vars(estimator).values()]
        parts += [v for p in parts if isinstance(p, Histogram) for v in vars(p).values()]
        return sum(p.nbytes for p in parts if isinstance(p, np.ndarray))

    assert q.activation
    for bits, limit in ((8, 1 << 16), (16, 1 << 19)):
        estimator = q.activation(bits)
        estimator.observe(laplace())
        first = held(estimator)
        for i in range(20):
            estimator.observe(laplace(i) * 2.0**i)
        assert held(estimator) == first <= limit


def test_max_abs_is_the_smallest_and_the_largest():
    assert range_of(found()["MAX_ABS"], np.float32([-2, 1]), np.float32([5])) == (-2.0, 5.0)
    assert range_of(found()["MAX_ABS"], np.float32([3, 5])) == (0.0, 5.0)


def test_percentile_agrees_with_the_sorted_values():
    x = laplace(count=400_000)
    lo, hi = range_of(found()["PERCENTILE"], x)
    ordered = np.sort(x.astype(np.float64))
    out = int(TAIL * len(x))
    width = (x.max() - x.min()) / 4096  # at least half of the bins are in use
    assert ordered[out - 1] - width <= lo <= ordered[out] + width
    assert ordered[-out - 1] - width <= hi <= ordered[-out] + width


@pytest.mark.parametrize(("low", "high"), [(-1.0, 0.25), (-0.125, 1.0), (-0.5, 0.5), (-0.75, 0.125), (-1.0, 1.0)])
def test_a_search_finds_both_ends_wherever_they_are(low, high):
    assert search(-1.0, 1.0, lambda lo, hi: abs(lo - low) + abs(hi - high)) == (low, high)


def test_a_search_takes_the_better_of_two_ways():
    """Shrinking both ends first is caught in the valley of equal ends; one by one is not."""

    def loss(lo: float, hi: float) -> float:
        return 0.0 if (lo, hi) == (-1.0, 0.25) else 1.0 + abs(hi - 0.5) if lo == -hi else 3.0 - (lo == -1.0) + hi

    assert search(-1.0, 1.0, loss) == (-1.0, 0.25)


def test_a_search_keeps_the_widest_of_equal_ranges():
    assert search(-2.0, 1.0, lambda lo, hi: 0.0) == (-2.0, 1.0)
    assert search(0.0, 1.0, lambda lo, hi: 0.0 if hi <= 0.5 else 1.0) == (0.0, 0.5)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("make", [laplace, lambda: np.maximum(laplace(), 0), lambda: laplace() ** 3])
def test_mse_is_as_good_as_trying_every_pair_of_ends(make, bits):
    x = make()
    ends = np.linspace(0.02, 1, 50)
    low, high = float(min(x.min(), 0)), float(x.max())
    lows = [low * f for f in ends] if low else [0.0]
    best = min(error(x, lo, high * f, bits) for lo in lows for f in ends)
    assert error(x, *range_of(found()["MSE"], x, bits=bits), bits) <= best * 1.01


@pytest.mark.parametrize("bits", [4, 8])
def test_admm_is_no_worse_than_max_abs_and_close_to_mse(bits):
    for x in (laplace(), np.maximum(laplace(), 0), laplace() ** 3):
        full, mse, admm = (error(x, *range_of(found()[n], x, bits=bits), bits) for n in ("MAX_ABS", "MSE", "ADMM"))
        assert admm <= full and admm <= 1.1 * mse


def test_kl_clips_a_lonely_outlier_but_not_a_uniform_range():
    r = np.random.default_rng(0)
    x = r.normal(size=100_000).astype(np.float32)
    lo, hi = range_of(found()["KL"], np.append(x, np.float32(100)))
    assert 3 < hi < 20 and lo < -2
    x = np.append(np.minimum(np.abs(x), 3), np.float32(60))  # a clamp puts many values on one
    assert 3 <= range_of(found()["KL"], x)[1] < 15
    lo, hi = range_of(found()["KL"], r.uniform(0, 6, 200_000).astype(np.float32))
    assert lo == 0.0 and hi == pytest.approx(6, rel=0.02)


def test_kl_leaves_out_few_values_whatever_they_cost_but_not_more():
    """Ten values in 200,000 may go although they outweigh every rounding; forty of them may not."""
    x = np.random.default_rng(0).normal(size=200_000).astype(np.float32)
    for count, is_kept in ((10, False), (40, True)):
        seen = np.append(x, np.full(count, 100, np.float32))
        lo, hi = range_of(found()["KL"], seen)
        assert (hi >= 95) == is_kept
        assert is_kept or error(seen, lo, hi) > error(seen, float(x.min()), 100.0)


def test_kl_keeps_the_rare_large_values():
    """Boxes beside many small scores: entropy alone would clip the boxes away."""
    r = np.random.default_rng(0)
    x = np.append(r.exponential(0.01, 100_000), r.uniform(0, 5, 2_000)).astype(np.float32)
    lo, hi = range_of(found()["KL"], x)
    assert lo == 0.0 and np.count_nonzero(x > hi) <= 1.5e-4 * len(x)


def test_the_squared_error_of_a_histogram_is_that_of_its_values():
    x = laplace(count=200_000)
    h = Histogram(8192)
    h.observe(x)
    counts, edges = h.bins()
    for lo, hi, bits in ((-5, 5, 8), (-1, 12, 8), (0, 3, 4), (-6, 0, 4), (-9, 9, 16)):
        expected = error(x, lo, hi, bits) * len(x)
        assert squared_error(counts, edges, *activation_grid(lo, hi, bits), bits) == pytest.approx(expected, rel=0.02)


def test_a_histogram_counts_what_numpy_counts():
    x = np.concatenate([laplace(), np.zeros(7, np.float32), np.float32([1024.0, -0.0])])
    h = Histogram(4096)
    for batch in np.array_split(x, 9):
        h.observe(batch)
    counts, edges = h.bins()
    assert counts.sum() == np.count_nonzero(x) and h.zeros == 8
    assert np.array_equal(counts, np.histogram(x[x != 0].astype(np.float64), edges)[0])
    assert len(counts) <= 4096 and len(counts) > 2048 / 2


@pytest.mark.parametrize("q", WEIGHTS, **ids)
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("shape", [(1, 1), (3, 9), (5, 1000)])
def test_weight_scales_are_positive_f32_and_hardly_above_max_abs(q, bits, shape):
    w = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    w[0] *= 0
    scales = q.weight(w, bits)
    assert scales.shape == (shape[0],) and scales.dtype == np.float64
    assert scales[0] == 1.0
    assert np.array_equal(scales, scales.astype(np.float32))
    full = np.abs(w).max(axis=1) / weight_top(bits)
    assert np.all(scales[1:] <= full[1:] * 1.01) and np.all(scales > 0)


@pytest.mark.parametrize("q", [q for q in FEATURES if q.name != "PERCENTILE"], **ids)
@pytest.mark.parametrize("make", [laplace, lambda: np.maximum(laplace(), 0), lambda: laplace() ** 3])
def test_more_bits_are_closer(q, make):
    """PERCENTILE alone leaves out the outermost values whatever the bits."""
    x = make()
    errors = [error(x, *range_of(q, x, bits=bits), bits) for bits in (8, 10, 12, 14, 16)]
    assert all(more < less / 2 for less, more in pairwise(errors))


@pytest.mark.parametrize("q", [q for q in WEIGHTS if q.name != "MAX_ABS"], **ids)
@pytest.mark.parametrize("bits", [2, 4])
def test_few_codes_are_no_worse_than_those_of_max_abs(q, bits):
    w = np.random.default_rng(6).normal(size=(8, 500)).astype(np.float32)
    most = weight_error(w, found()["MAX_ABS"].weight(w, bits), bits)
    assert np.all(weight_error(w, q.weight(w, bits), bits) <= most)


@pytest.mark.parametrize("q", WEIGHTS, **ids)
def test_weights_too_small_for_an_f32_scale_count_as_zero(q):
    assert q.weight(np.full((2, 3), 1e-44, np.float32), 8).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("q", WEIGHTS, **ids)
def test_a_channel_does_not_see_the_others(q):
    w = np.random.default_rng(2).standard_t(3, (6, 600)).astype(np.float32)
    together = q.weight(w, 4)
    assert np.array_equal(together, np.concatenate([q.weight(w[i : i + 1], 4) for i in range(6)]))


@pytest.mark.parametrize("name", ["MSE", "ADMM"])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_weight_error_is_close_to_the_least(name, bits):
    w = np.random.default_rng(3).standard_t(4, (8, 300)).astype(np.float32)
    full = np.abs(w).max(axis=1).astype(np.float64) / weight_top(bits)
    best = np.min([weight_error(w, full * f, bits) for f in np.linspace(0.02, 1, 800)], axis=0)
    assert np.all(weight_error(w, found()[name].weight(w, bits), bits) <= best * 1.06)


def test_kl_clips_the_outlier_of_a_weight():
    w = np.random.default_rng(4).normal(size=(1, 5000)).astype(np.float32)
    w[0, 0] = 40
    assert found()["KL"].weight(w, 8)[0] < 0.5 * found()["MAX_ABS"].weight(w, 8)[0]
