"""What the outputs of the shared detectors mean: boxes of ultraface and of fastestdet."""

from __future__ import annotations

from itertools import product

import numpy as np

from bench.metrics import Detections, Outputs, suppressed

# ---- ultraface -----------------------------------------------------------------------------------------------

WIDTH, HEIGHT = 320, 240
FACE_SCORE, FACE_OVERLAP = 0.7, 0.3
MIN_BOXES = {8: (10, 16, 24), 16: (32, 48), 32: (64, 96), 64: (128, 192, 256)}
CENTER, SIZE = 0.1, 0.2  # variances of the SSD offsets


def faces(outputs: Outputs) -> list[Detections]:
    """The faces in each picture."""
    out = []
    for scores, raw in zip(outputs["scores"], outputs["boxes"], strict=True):
        corners = raw if _looks_decoded(raw) else decode(raw.astype(np.float64))
        is_face = scores[:, 1] > FACE_SCORE
        kinds = np.zeros(is_face.sum(), int)
        out.append(suppressed(kinds, scores[is_face, 1], corners[is_face], FACE_OVERLAP))
    return out


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


def finds(found: Detections, head: np.ndarray) -> bool:
    """Whether one of the boxes is right for the head box."""
    return any(is_right(corners, head) for corners in found.corners)


def is_right(corners: np.ndarray, head: np.ndarray) -> bool:
    """More than 85 % of the box lies in the head box, its center in the middle 60 % of the width."""
    low, high = np.maximum(corners[:2], head[:2]), np.minimum(corners[2:], head[2:])
    inside = np.prod(np.clip(high - low, 0, None)) / max(np.prod(corners[2:] - corners[:2]), 1e-12)
    middle = ((corners[0] + corners[2]) / 2 - head[0]) / (head[2] - head[0])
    return bool(inside > 0.85 and 0.2 < middle < 0.8)


def _looks_decoded(raw: np.ndarray) -> bool:
    """Corners grow from the first to the last prior's place; offsets are around 0."""
    centers = (raw[:, :2] + raw[:, 2:]) / 2
    return bool(np.corrcoef(centers[:, 0], priors()[:, 0])[0, 1] > 0.95)


# ---- fastestdet ----------------------------------------------------------------------------------------------

OBJECT_SCORE, OBJECT_OVERLAP = 0.5, 0.45


def objects(outputs: Outputs) -> list[Detections]:
    """The objects in each picture; classes are those of COCO-80."""
    (y,) = outputs.values()
    return [_objects(one.astype(np.float64)) for one in y]


def _objects(y: np.ndarray) -> Detections:
    """Of one picture (85, rows, columns): objectness, the box in its cell, then classes."""
    _, rows, columns = y.shape
    kinds, scores = y[5:].argmax(0), y[0] ** 0.6 * y[5:].max(0) ** 0.4
    row, column = np.mgrid[:rows, :columns]
    center = np.stack([(column + np.tanh(y[1])) / columns, (row + np.tanh(y[2])) / rows], -1)
    half = np.moveaxis(1 / (1 + np.exp(-y[3:5])), 0, -1) / 2
    corners = np.concatenate([center - half, center + half], -1)
    is_object = scores > OBJECT_SCORE
    return suppressed(kinds[is_object], scores[is_object], corners[is_object], OBJECT_OVERLAP)
