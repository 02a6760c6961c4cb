"""How close outputs are to those of float, and how good they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Outputs = dict[str, np.ndarray]
SAME_PLACE = 0.5  # intersection over union from which on two detections are one


@dataclass(frozen=True)
class Detections:
    """What a detector finds in one picture: classes (n), corners (n, 4) x1, y1, x2, y2, best first."""

    classes: np.ndarray
    corners: np.ndarray


def cosine(a: Outputs, b: Outputs) -> float:
    """Mean over outputs and inputs."""
    found = []
    for name, x in a.items():
        for u, v in zip(x.astype(np.float64), b[name].astype(np.float64), strict=True):
            found.append(float((u * v).sum() / np.sqrt((u * u).sum() * (v * v).sum() + 1e-30)))
    return float(np.mean(found))


def sqnr(real: Outputs, found: Outputs) -> float:
    """Signal over the noise of quantization in dB, over all samples, mean over outputs."""
    return float(np.mean([_sqnr(x.astype(np.float64), found[name].astype(np.float64)) for name, x in real.items()]))


def _sqnr(x: np.ndarray, y: np.ndarray) -> float:
    signal, noise = float((x * x).sum()), float(((x - y) ** 2).sum())
    return 10 * float(np.log10(max(signal, 1e-300) / max(noise, 1e-300)))


def best_classes(outputs: Outputs) -> np.ndarray:
    """The class of every sample, (n)."""
    (y,) = outputs.values()
    best: np.ndarray = y.reshape(len(y), -1).argmax(1)
    return best


def right(classes: np.ndarray, labels: Sequence[frozenset[int]]) -> int:
    """Samples whose class is one of their labels."""
    return sum(int(c) in accepted for c, accepted in zip(classes, labels, strict=True))


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with several."""
    low, high = np.maximum(a[:2], b[:, :2]), np.minimum(a[2:], b[:, 2:])
    inter = np.prod(np.clip(high - low, 0, None), 1)
    area = np.prod(a[2:] - a[:2]) + np.prod(b[:, 2:] - b[:, :2], 1)
    return np.asarray(inter / (area - inter + 1e-12))


def suppressed(classes: np.ndarray, scores: np.ndarray, corners: np.ndarray, most: float) -> Detections:
    """Non-maximum suppression within each class: no two boxes overlap by more than `most`."""
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        is_other = (classes[order] != classes[best]) | (overlap(corners[best], corners[order]) <= most)
        order = order[is_other]
    return Detections(classes[kept], corners[kept])


def found_again(real: Sequence[Detections], found: Sequence[Detections]) -> float:
    """F1 of detections with those of float as the truth, over all pictures: same class, same place, one each."""
    matched = sum(_matches(a, b) for a, b in zip(real, found, strict=True))
    total = sum(len(d.classes) for d in (*real, *found))
    return 2 * matched / total if total else 1.0


def _matches(a: Detections, b: Detections) -> int:
    left = np.ones(len(b.classes), bool)
    count = 0
    for kind, box in zip(a.classes, a.corners, strict=True):
        fit = np.where(left & (b.classes == kind), overlap(box, b.corners), 0.0)
        if fit.size and fit.max() >= SAME_PLACE:
            left[fit.argmax()] = False
            count += 1
    return count
