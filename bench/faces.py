"""Count the faces that an ultraface detector finds."""

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path

import numpy as np

WIDTH, HEIGHT = 320, 240
SCORE, OVERLAP = 0.7, 0.3
MIN_BOXES = {8: (10, 16, 24), 16: (32, 48), 32: (64, 96), 64: (128, 192, 256)}
CENTER, SIZE = 0.1, 0.2  # variances of the SSD offsets


def boxes(path: Path) -> np.ndarray:
    """Head boxes (n, 4) as parts of width and height: x1, y1, x2, y2; in order of the file names."""
    with path.open() as file:
        rows = sorted(csv.DictReader(file), key=lambda r: r["file"])
    return np.array([
        [float(r["x1"]) / float(r["width"]), float(r["y1"]) / float(r["height"]),
         float(r["x2"]) / float(r["width"]), float(r["y2"]) / float(r["height"])] for r in rows
    ])  # fmt: skip


def priors() -> np.ndarray:
    """(4420, 4): center x, center y, width, height."""
    out = []
    for stride, sizes in MIN_BOXES.items():
        rows, columns = -(-HEIGHT // stride), -(-WIDTH // stride)
        for j, i in product(range(rows), range(columns)):
            for s in sizes:
                out.append(((i + 0.5) * stride / WIDTH, (j + 0.5) * stride / HEIGHT, s / WIDTH, s / HEIGHT))
    return np.clip(np.array(out), 0, 1)


def decode(offsets: np.ndarray) -> np.ndarray:
    """SSD offsets (4420, 4) as corners."""
    p = priors()
    center = p[:, :2] + offsets[:, :2] * CENTER * p[:, 2:]
    size = p[:, 2:] * np.exp(offsets[:, 2:] * SIZE)
    return np.concatenate([center - size / 2, center + size / 2], 1)


def detections(scores: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Corners of what remains after the score limit and non-maximum suppression."""
    pick = scores > SCORE
    corners, scores = corners[pick], scores[pick]
    order, kept = np.argsort(-scores), []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(corners[best])
        order = order[overlap(corners[best], corners[order]) <= OVERLAP]
    return np.array(kept).reshape(-1, 4)


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with several."""
    low, high = np.maximum(a[:2], b[:, :2]), np.minimum(a[2:], b[:, 2:])
    inter = np.prod(np.clip(high - low, 0, None), 1)
    area = np.prod(a[2:] - a[:2]) + np.prod(b[:, 2:] - b[:, :2], 1)
    return inter / (area - inter + 1e-12)


def is_right(detection: np.ndarray, box: np.ndarray) -> bool:
    """More than 85 % of the detection lies in the head box, its center in the middle 60 % of the width."""
    low, high = np.maximum(detection[:2], box[:2]), np.minimum(detection[2:], box[2:])
    inside = np.prod(np.clip(high - low, 0, None)) / max(np.prod(detection[2:] - detection[:2]), 1e-12)
    middle = ((detection[0] + detection[2]) / 2 - box[0]) / (box[2] - box[0])
    return bool(inside > 0.85 and 0.2 < middle < 0.8)


def found(outputs: dict[str, np.ndarray], heads: np.ndarray) -> int:
    """Pictures whose face is found."""
    count = 0
    for scores, raw, head in zip(outputs["scores"], outputs["boxes"], heads, strict=True):
        corners = raw if _looks_decoded(raw) else decode(raw.astype(np.float64))
        count += any(is_right(d, head) for d in detections(scores[:, 1], corners))
    return count


def _looks_decoded(raw: np.ndarray) -> bool:
    """Corners grow from the first to the last prior's place; offsets are around 0."""
    centers = (raw[:, :2] + raw[:, 2:]) / 2
    return bool(np.corrcoef(centers[:, 0], priors()[:, 0])[0, 1] > 0.95)
