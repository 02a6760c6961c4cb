"""Samples of the shared data folders as the inputs of a network, before mean and normal.

Pictures are u8, every other kind f32; samples lie along axis 0. Labels are the answers that count as right.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

KWS_ZERO_POINT, KWS_SCALE = 83, 0.5847029089927673  # of the stored features: data/README.md
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
TEXT_LINES = 440


@dataclass(frozen=True)
class Frame:
    """How a photograph becomes pixels (height, width, channels).

    Args: size: height, width; crop: the shorter side before a crop in the middle; 0 stretches the picture instead.
    """

    size: tuple[int, int]
    color: str = "RGB"
    crop: int = 0
    resample: Image.Resampling = Image.Resampling.BILINEAR


@dataclass(frozen=True)
class Data:
    """Samples, and for each the set of labels that are right, or the corners of its one face as a row."""

    x: np.ndarray
    labels: tuple[frozenset[int], ...] = ()
    boxes: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)

    def pick(self, rows: np.ndarray) -> Data:
        boxes = None if self.boxes is None else self.boxes[rows]
        return Data(self.x[rows], tuple(self.labels[i] for i in rows if self.labels), boxes)


Load = Callable[[Path, Frame], Data]  # from the shared folder


def split(data: Data, calibrate: int, most: int | None = None) -> tuple[Data, Data]:
    """Samples to calibrate with, spread over all of them, and others to evaluate with, at most `most`, spread too."""
    chosen = _spread(len(data), calibrate)
    rest = np.setdiff1d(np.arange(len(data)), chosen)
    return data.pick(chosen), data.pick(rest if most is None else rest[_spread(len(rest), most)])


def splits(data: Data, calibrate: int, most: int | None, count: int) -> Iterator[tuple[Data, Data]]:
    """What `split` gives, `count` times: each with other samples to calibrate with, one at random of each stretch."""
    if count == 1:
        yield split(data, calibrate, most)
        return
    rng = np.random.default_rng(0)
    ends = np.arange(calibrate + 1) * len(data) // calibrate
    for _ in range(count):
        chosen = rng.integers(ends[:-1], ends[1:])
        rest = np.setdiff1d(np.arange(len(data)), chosen)
        yield data.pick(chosen), data.pick(rest if most is None else rest[_spread(len(rest), most)])


def _spread(count: int, wanted: int) -> np.ndarray:
    wanted = min(wanted, count)
    return np.arange(wanted) * count // max(wanted, 1)


def read(path: Path, frame: Frame) -> np.ndarray:
    """Pixels of one photograph."""
    image = Image.open(path).convert("RGB")
    height, width = frame.size
    if frame.crop:
        factor = frame.crop / min(image.size)
        image = image.resize((round(image.width * factor), round(image.height * factor)), frame.resample)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
    else:
        image = image.resize((width, height), frame.resample)
    pixels = np.asarray(image)
    return pixels[..., ::-1] if frame.color == "BGR" else pixels


def _photographs(paths: Iterable[Path], frame: Frame) -> np.ndarray:
    return np.stack([read(path, frame) for path in paths])


def _labels(folder: Path) -> dict[str, frozenset[int]]:
    """Accepted classes per file, in order of the names."""
    with (folder / "labels.csv").open() as file:
        rows = sorted(list(csv.reader(file))[1:])
    return {row[0]: frozenset(map(int, row[2].split())) for row in rows}


def labeled(folder: str) -> Load:
    """Photographs of a folder with a labels.csv."""
    return partial(_labeled, folder)


def _labeled(folder: str, shared: Path, frame: Frame) -> Data:
    at = shared / "data" / folder
    labels = _labels(at)
    return Data(_photographs((at / name for name in labels), frame), tuple(labels.values()))


def faces(shared: Path, frame: Frame) -> Data:
    """Photographs with one face each; boxes (n, 4) x1, y1, x2, y2 as parts of width and height."""
    at = shared / "data/faces"
    with (at / "boxes.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda r: r["file"])
    sides = ("width", "height") * 2
    corners = ("x1", "y1", "x2", "y2")
    boxes = [[float(r[c]) / float(r[side]) for c, side in zip(corners, sides, strict=True)] for r in rows]
    return Data(_photographs((at / r["file"] for r in rows), frame), boxes=np.array(boxes))


def persons(shared: Path, frame: Frame) -> Data:
    """Photographs with a person (class 1, those of faces) among others without (class 0, those of caltech101)."""
    somebody, nobody = faces(shared, frame).x, _labeled("caltech101", shared, frame).x
    labels = (frozenset({1}),) * len(somebody) + (frozenset({0}),) * len(nobody)
    return Data(np.concatenate([somebody, nobody]), labels)


def keywords(shared: Path, _: Frame) -> Data:
    """Features (n, 49, 10, 1) of spoken words."""
    with np.load(shared / "data/kws01/kws01_mfcc_int8.npz") as stored:
        codes, y = stored["x"], stored["y"]
    x = (codes[..., None].astype(np.float32) - KWS_ZERO_POINT) * np.float32(KWS_SCALE)
    return Data(x, tuple(frozenset({int(label)}) for label in y))


def text_lines(_: Path, frame: Frame) -> Data:
    """Rendered lines of text, upright (class 0) and upside down (class 1) by turns.

    Every other pair is black on white, the rest colored and noisy.
    """
    rng = np.random.default_rng(0)
    x = np.stack([_text_line(rng, frame.size, i // 2 % 2 == 0, i % 2 == 1) for i in range(TEXT_LINES)])
    return Data(x, tuple(frozenset({i % 2}) for i in range(TEXT_LINES)))


def _text_line(rng: np.random.Generator, size: tuple[int, int], is_plain: bool, is_turned: bool) -> np.ndarray:
    ink, paper = ((0,) * 3, (255,) * 3) if is_plain else (rng.integers(0, 110, 3), rng.integers(150, 256, 3))
    image = Image.new("RGB", size[::-1], tuple(int(v) for v in paper))
    words = ["".join(rng.choice(list(LETTERS), rng.integers(2, 9))) for _ in range(rng.integers(1, 4))]
    font = ImageFont.load_default(size=float(rng.uniform(16, 34)))
    fill = tuple(int(v) for v in ink)
    ImageDraw.Draw(image).text((4, size[0] // 2), " ".join(words), fill=fill, font=font, anchor="lm")
    noise = 0 if is_plain else rng.normal(0, rng.uniform(0, 12), (*size, 3))
    pixels = np.asarray(image.rotate(180 * is_turned), np.float64) + noise
    return np.clip(pixels, 0, 255).astype(np.uint8)
