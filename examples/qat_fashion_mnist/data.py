"""Fashion-MNIST from its original files, gzipped IDX: train*-images-idx3-ubyte.gz, t10k-…, and those of labels."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

IMAGES, LABELS = 2051, 2049  # what the files begin with
SIZE, CLASSES = 28, 10


def read(folder: Path, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """(images (n, 1, 28, 28) f32 in [0, 1], classes (n)) of `kind`, which is train or t10k."""
    images = _array(_file(folder, kind, "images-idx3"), IMAGES)
    labels = _array(_file(folder, kind, "labels-idx1"), LABELS)
    if images.shape[1:] != (SIZE, SIZE) or len(images) != len(labels) or labels.max(initial=0) >= CLASSES:
        raise SystemExit(f"{folder}: {kind} is not Fashion-MNIST: {images.shape} images, {labels.shape} labels")
    return (images.astype(np.float32) / 255)[:, None], labels.astype(np.int64)


def _file(folder: Path, kind: str, what: str) -> Path:
    found = sorted(folder.glob(f"{kind}*-{what}-ubyte.gz"))
    if len(found) != 1:
        raise SystemExit(f"{folder}: one file {kind}*-{what}-ubyte.gz is needed, found {len(found)}")
    return found[0]


def _array(path: Path, magic: int) -> np.ndarray:
    """The bytes of an IDX file in their shape."""
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise SystemExit(f"{path}: {error}") from error
    rank = magic & 255
    start = 4 * (1 + rank)
    if data[:4] != magic.to_bytes(4, "big") or len(data) < start:
        raise SystemExit(f"{path}: not an IDX file of {rank} axes")
    shape = tuple(int(n) for n in np.frombuffer(data[4:start], ">i4"))
    pixels = np.frombuffer(data, np.uint8, offset=start)
    if pixels.size != np.prod(shape):
        raise SystemExit(f"{path}: {pixels.size} bytes for a shape of {shape}")
    return pixels.reshape(shape)
