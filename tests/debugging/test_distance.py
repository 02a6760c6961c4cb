"""Distances of known vectors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from magik_core.debugging.distance import CHUNK, Difference, decibels


def of(*pairs: tuple[object, object]):
    difference = Difference()
    for want, got in pairs:
        difference.observe(np.float32(want), np.float32(got))
    return difference.result()


def test_known_vectors() -> None:
    found = of(([3, 4], [3, 0]), ([0, 2], [0, 2]))
    assert found is not None
    assert found.sqnr_db == pytest.approx(10 * math.log10(29 / 16))
    assert (found.cosine, found.cosine_min, found.cosine_max) == pytest.approx((0.8, 0.6, 1.0))
    assert found.euclidean == 2.0 and found.largest == 4.0 and found.share == 1.0
    assert found.deviation == pytest.approx(np.std([0, -4, 0, 0]))


def test_nothing_and_no_difference() -> None:
    assert of() is None and of(([], [])) is None
    same = of(([1, -2, 0.5], [1, -2, 0.5]))
    assert same is not None and same.sqnr_db == math.inf and same.cosine == pytest.approx(1.0)
    assert (same.euclidean, same.deviation, same.largest, same.share) == (0, 0, 0, 0)


def test_zeros() -> None:
    silent, noise, lost = of(([0, 0], [0, 0])), of(([0, 0], [1, 0])), of(([1, 0], [0, 0]))
    assert silent is not None and noise is not None and lost is not None
    assert (silent.cosine, silent.sqnr_db, silent.share) == (1.0, math.inf, 0.0)
    assert (noise.cosine, noise.sqnr_db, noise.share) == (0.0, -math.inf, math.inf)
    assert (lost.cosine, lost.sqnr_db, lost.share) == (0.0, 0.0, 1.0)
    assert decibels(0, 0) == math.inf


def test_many_elements_are_summed_in_parts() -> None:
    rng = np.random.default_rng(0)
    want = rng.normal(size=(3, 2 * CHUNK + 7)).astype(np.float32)
    got = want + rng.normal(size=want.shape).astype(np.float32) / 10
    found = of(*zip(want, got, strict=True))
    d = got.astype(np.float64) - want
    assert found is not None
    assert found.sqnr_db == pytest.approx(10 * math.log10(np.sum(want.astype(np.float64) ** 2) / np.sum(d**2)))
    assert found.deviation == pytest.approx(d.std()) and found.largest == np.abs(d).max()
    assert found.share == pytest.approx(np.abs(d).max() / (float(want.max()) - float(want.min())))


def test_infinite_noise_and_nan_are_told() -> None:
    wide = of(([1, -2], [math.inf, -2]), ([1, 2], [1, 2]))
    assert wide is not None and decibels(5.0, math.inf) == -math.inf
    assert (wide.sqnr_db, wide.largest, wide.euclidean, wide.share) == (-math.inf, *[math.inf] * 3)
    assert all(math.isnan(v) for v in (wide.cosine, wide.cosine_min, wide.cosine_max, wide.deviation))
    lost = of(([1, 2], [1, 2]), ([1, 2], [math.nan, 2]), ([1, 2], [1, 2]))
    assert lost is not None and all(math.isnan(v) for v in vars(lost).values()), lost
