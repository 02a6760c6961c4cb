"""Filler behind the channels of a dump, and what is none: cut files and unrelated numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_compare_folders import CODES, REALS, ROW, only, write


def padded(array: np.ndarray, wide: int, filler: float = 0) -> np.ndarray:
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, wide - array.shape[-1])], constant_values=filler)


@pytest.mark.parametrize(
    ("folder", "a", "wide", "filler"),
    [
        ("ptq_model", CODES, 32, 0),
        ("ptq_model", CODES, 32, 128),
        ("ptq_model", CODES, 16, 0),
        ("ptq_model", CODES.reshape(-1, 40), 64, 0),
        ("ptq_model", CODES.astype("<u2") * 20, 32, 0),
        ("ptq_model", CODES.astype("<u2") * 20, 32, 0x8000),
        ("float_model", REALS, 32, 0),
        ("float_model", REALS, 8, -1.5),
        ("own", REALS, 32, 0),
    ],
)
def test_channels_of_filler(tmp_path: Path, folder: str, a: np.ndarray, wide: int, filler: float) -> None:
    left, right = write(tmp_path / "a" / folder, x=a), write(tmp_path / "b" / folder, x=padded(a, wide, filler))
    text = f"has {wide} channels, the first {a.shape[-1]} of them are the other's"
    assert only(left, right).looks_like == f"padding: B {text}"
    assert only(right, left).looks_like == f"padding: A {text}"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (CODES, CODES.reshape(-1)[:-3]),
        (CODES.reshape(-1)[:64], CODES.reshape(-1)[:61]),
        (padded(CODES.reshape(1, -1), 128), CODES),  # a single pixel
        (np.concatenate((CODES, CODES[..., ::-1], CODES), axis=-1), CODES),  # the rest is no filler
        (np.zeros(4 * 32, np.uint8), np.zeros(4 * 4, np.uint8)),  # filler alone
    ],
)
def test_other_sizes_are_no_padding(tmp_path: Path, a: np.ndarray, b: np.ndarray) -> None:
    left, right = write(tmp_path / "a/ptq_model", x=a), write(tmp_path / "b/ptq_model", x=b)
    assert only(left, right).looks_like == f"sizes: {a.size} and {b.size} bytes"


def test_channels_are_those_of_the_shape(tmp_path: Path) -> None:
    pixels = CODES.reshape(1, 3, 5, 8)
    a, b = write(tmp_path / "a", x=pixels), write(tmp_path / "b", x=padded(pixels, 64))
    assert only(a, b).looks_like == "padding: B has 32 channels, the first 4 of them are the other's"
    (tmp_path / "a/tensors.json").write_text(json.dumps([{**ROW, "shape": pixels.shape}]))
    assert only(a, b).looks_like == "padding: B has 64 channels, the first 8 of them are the other's"
    write(b, x=padded(pixels, 36))
    assert only(a, b).looks_like == "padding: B has 36 channels, the first 8 of them are the other's"
    write(b, x=pixels.reshape(-1)[:-3])
    assert only(a, b).looks_like == "sizes: 120 and 117 bytes"
    write(b, x=pixels[..., :5])
    assert only(a, b).looks_like == "sizes: 120 and 75 bytes"
    a, b = write(tmp_path / "c", x_1_3_5_8=pixels), write(tmp_path / "d", x_1_3_5_64=padded(pixels, 64))
    assert only(a, b).looks_like == "padding: B has 64 channels, the first 8 of them are the other's"


@pytest.mark.parametrize(("wide", "offset"), [(100, 0), (1, 50)])
def test_unrelated_reals_have_no_offset(tmp_path: Path, wide: int, offset: int) -> None:
    x, y = np.random.default_rng(3).random((2, 1000), np.float32) * [[wide], [1]] + [[0], [offset]]
    a, b = write(tmp_path / "a/float_model", x=x.astype("<f4")), write(tmp_path / "b/float_model", x=y.astype("<f4"))
    layer = only(a, b)
    assert (layer.guess, layer.looks_like) == ("numbers", f"numbers: at most {layer.largest:g} apart")


def test_half_a_dump_has_no_offset(tmp_path: Path) -> None:
    """It is as long as codes of 4 bits."""
    half = CODES.reshape(-1)[: CODES.size // 2]
    layer = only(write(tmp_path / "a", x_1_6_5_4=CODES), write(tmp_path / "b", x=half))
    assert (layer.guess, layer.looks_like) == ("numbers", f"numbers: at most {layer.largest:g} apart")
