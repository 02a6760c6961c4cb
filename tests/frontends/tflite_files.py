"""What tests/data/tflite/make.py recorded, and files cut short or changed."""

from __future__ import annotations

import io
import lzma
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[1] / "data/tflite/cases.npz.xz"
Case = dict[str, np.ndarray]


def recorded() -> dict[str, Case]:
    """By case: model, in:N and out:N in order, inq:N and outq:N (scale and zero point, 0 where there are none)."""
    return {name: case for name, case in _archive().items() if not name.startswith("built/")}


def built(name: str) -> Case:
    """A file that TFLite itself does not run here: only `model`."""
    return _archive()[f"built/{name}"]


@cache
def _archive() -> dict[str, Case]:
    out: dict[str, Case] = {}
    with np.load(io.BytesIO(lzma.decompress(DATA.read_bytes()))) as archive:
        for key in archive.files:
            case, _, part = key.rpartition("/")
            out.setdefault(case, {})[part] = archive[key]
    return out


def names(prefix: str) -> list[str]:
    return [name for name in recorded() if name.startswith(prefix)]


def write(folder: Path, data: bytes | np.ndarray) -> Path:
    path = folder / "net.tflite"
    path.write_bytes(bytes(data))
    return path


def opened(name: str, sizes: Sequence[int], now: Sequence[int]) -> np.ndarray:
    """The model of a case with other sizes of its first input; -1 is an open one."""
    old, new = (np.asarray(s, "<i4").tobytes() for s in (sizes, now))
    data = recorded()[name]["model"].tobytes()
    assert data.count(old) == 1
    return np.frombuffer(data.replace(old, new), np.uint8)


def real(codes: np.ndarray, how: np.ndarray) -> np.ndarray:
    """Codes as the reals that they stand for; others as they are."""
    if not how[0]:
        return codes
    return (np.float32(how[0]) * (codes.astype(np.int64) - int(how[1]))).astype(np.float32)


def codes(x: np.ndarray, how: np.ndarray) -> np.ndarray:
    """Reals as the codes that stand for them."""
    return np.rint(x.astype(np.float64) / np.float32(how[0])) + how[1]
