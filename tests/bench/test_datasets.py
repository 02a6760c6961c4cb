"""Samples to calibrate with and to evaluate with are never the same."""

from __future__ import annotations

import numpy as np
import pytest

from bench.datasets import Data, split, splits


def data(count: int) -> Data:
    return Data(np.arange(count), tuple(frozenset({i}) for i in range(count)), np.arange(4 * count).reshape(-1, 4))


@pytest.mark.parametrize("most", [None, 5])
def test_a_split_is_disjoint(most):
    calibration, held_out = split(data(23), 7, most)
    assert len(calibration) == 7 and len(held_out) == (most or 16)
    assert not set(calibration.x) & set(held_out.x)


@pytest.mark.parametrize("most", [None, 9])
def test_splits_calibrate_with_others_each_time_and_evaluate_on_the_rest(most):
    found = list(splits(data(23), 7, most, 3))
    assert [(len(calibration), len(held_out)) for calibration, held_out in found] == [(7, most or 16)] * 3
    assert all(not set(calibration.x) & set(held_out.x) for calibration, held_out in found)
    assert len({tuple(calibration.x) for calibration, _ in found}) == 3
    assert all(
        np.searchsorted([3, 6, 9, 13, 16, 19], calibration.x, "right").tolist() == [*range(7)]
        for calibration, _ in found
    )  # spread


def test_one_split_is_that_of_split():
    ((calibration, held_out),) = splits(data(23), 7, 5, 1)
    expected = split(data(23), 7, 5)
    assert (calibration.x == expected[0].x).all() and (held_out.x == expected[1].x).all()


def test_labels_and_boxes_stay_with_their_samples():
    picked = data(9).pick(np.array([4, 1]))
    assert picked.x.tolist() == [4, 1] and picked.labels == (frozenset({4}), frozenset({1}))
    assert picked.boxes is not None and picked.boxes[:, 0].tolist() == [16, 4]
