"""The figures of the bench on numbers that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bench import metrics
from bench.metrics import Detections

BOXES = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [0, 0, 2, 1]], np.float64)


def detections(*found: tuple[int, int]) -> Detections:
    """Pairs of a class and an index of BOXES."""
    return Detections(np.array([c for c, _ in found]), BOXES[[i for _, i in found]].reshape(-1, 4))


def test_sqnr_is_power_over_power_averaged_over_outputs():
    real = {"a": np.full((2, 5), 10.0), "b": np.full((2, 3), 1.0)}
    assert metrics.sqnr(real, {"a": real["a"] + 1, "b": real["b"] - 1}) == pytest.approx(10.0)


def test_cosine_does_not_see_the_size():
    x = {"y": np.array([[1.0, 0.0], [0.0, 2.0]])}
    assert metrics.cosine(x, {"y": 3 * x["y"]}) == pytest.approx(1.0)
    assert metrics.cosine(x, {"y": x["y"][:, ::-1]}) == pytest.approx(0.0)


def test_right_is_one_of_the_labels():
    classes = metrics.best_classes({"y": np.array([[0.1, 0.9], [0.8, 0.2], [0.5, 0.4]])})
    assert classes.tolist() == [1, 0, 0]
    assert metrics.right(classes, [frozenset({0, 1}), frozenset({1}), frozenset({0})]) == 2


def test_overlap_is_intersection_over_union():
    assert metrics.overlap(BOXES[0], BOXES) == pytest.approx([1, 1 / 3, 1 / 2])


def test_suppression_keeps_the_best_of_a_class():
    scores = np.array([0.5, 0.9, 0.7])
    one = metrics.suppressed(np.zeros(3), scores, BOXES, 0.3)
    assert one.corners.tolist() == [BOXES[1].tolist(), BOXES[2].tolist()]
    two = metrics.suppressed(np.array([1, 0, 0]), scores, BOXES, 0.3)
    assert len(two.classes) == 3


def test_found_again_counts_same_class_and_place_once():
    real = [detections((0, 0), (1, 1))]
    assert metrics.found_again(real, real) == 1
    assert metrics.found_again(real, [detections((0, 0), (0, 1))]) == 1 / 2
    assert metrics.found_again(real, [detections((0, 0), (0, 0), (1, 1))]) == 4 / 5
    assert metrics.found_again([detections()], [detections()]) == 1
