"""What a difference looks like: every kind is made on purpose and recognized."""

from __future__ import annotations

import numpy as np
import pytest

from magik_core.explain import divisors, explain

SHAPE = (1, 12, 10, 6)
RANDOM = np.random.default_rng(5)
CODES = RANDOM.integers(0, 256, SHAPE).astype(float)
IMAGE = RANDOM.integers(0, 256, (1, 12, 10, 3)).astype(float)
UP = np.arange(16)
VALLEY = np.abs(UP - 7.5)  # without relation to UP
SQUARE = RANDOM.integers(0, 256, (1, 9, 9, 5)).astype(float)


def guess(a: np.ndarray, b: np.ndarray, shape: tuple[int, ...] = (), step: float = 1.0) -> tuple[str, str]:
    x, y = a.reshape(-1).astype(float), b.reshape(-1).astype(float)
    found = explain(x, y, x != y, shape, step)
    return found.kind, found.text


def border(a: np.ndarray, width: int = 1) -> np.ndarray:
    out = a + 7
    out[:, width:-width, width:-width] = a[:, width:-width, width:-width]
    return out


def moved(a: np.ndarray) -> np.ndarray:
    return np.roll(a, (1, 1), axis=(1, 2))


@pytest.mark.parametrize(
    ("a", "b", "shape", "kind", "text"),
    [
        (CODES.transpose(0, 3, 1, 2), CODES, SHAPE, "layout", "layout: A is NCHW with 6 channels where B is NHWC"),
        (CODES, CODES.transpose(0, 3, 1, 2), SHAPE, "layout", "layout: A is NHWC where B is NCHW with 6 channels"),
        (CODES, CODES.transpose(0, 3, 1, 2), (), "layout", "layout: A is NHWC where B is NCHW with 6 channels"),
        (CODES, CODES.transpose(0, 2, 1, 3), SHAPE, "layout", "layout: height and width are exchanged"),
        (IMAGE, IMAGE[..., ::-1], (1, 12, 10, 3), "channel order", "channel order: red and blue are exchanged"),
        (IMAGE, IMAGE[..., ::-1], (), "channel order", "channel order: red and blue are exchanged"),
        (CODES, border(CODES), SHAPE, "padding", "padding: only the border of 1 differs, 33.3 % of the numbers"),
        (CODES, border(CODES, 2), SHAPE, "padding", "padding: only the border of 2 differs, 60.0 % of the numbers"),
        (SQUARE, border(SQUARE), (), "padding", "padding: only the border of 1 differs, 39.5 % of the numbers"),
        (CODES, moved(CODES), SHAPE, "padding", "padding: B is A moved by 1 down and 1 right"),
        (CODES, CODES - 128, SHAPE, "offset and scale", "offset and scale: B is 1 * A - 128"),
        (CODES, CODES * 0.5 + 3, (), "offset and scale", "offset and scale: B is 0.5 * A + 3"),
        (CODES, CODES.clip(20, 200), SHAPE, "saturation", "saturation: B is cut off at 20 and 200"),
        (CODES, CODES.clip(20, None), SHAPE, "saturation", "saturation: B is cut off at 20"),
        (CODES, np.zeros(SHAPE), SHAPE, "constant", "B is 0 everywhere"),
        (np.full(SHAPE, 9), CODES, SHAPE, "constant", "A is 9 everywhere"),
        (CODES, CODES + RANDOM.integers(0, 2, SHAPE), SHAPE, "rounding", "numbers: rounding, at most 1 apart"),
        (CODES, RANDOM.permutation(CODES.reshape(-1)), SHAPE, "numbers", "numbers: at most 2"),
    ],
)
def test_kinds(a: np.ndarray, b: np.ndarray, shape: tuple[int, ...], kind: str, text: str) -> None:
    found = guess(a, b, shape)
    assert found[0] == kind and found[1].startswith(text)


def test_what_noise_lies_over_is_recognized_too() -> None:
    real = RANDOM.standard_normal((1, 16, 16, 8))
    other = (real + 0.02 * RANDOM.standard_normal(real.shape)).transpose(0, 3, 1, 2)
    assert guess(real, other, (1, 16, 16, 8), 1e-6)[1] == "layout: A is NHWC where B is NCHW with 8 channels"


@pytest.mark.parametrize(
    ("a", "b", "apart"),
    [
        (100 * UP, VALLEY, "1492.5"),  # as if B were 0 * A + 4: the numbers of A are large
        (UP, VALLEY + 1000, "1007.5"),  # those of B
        (UP, 50 + (VALLEY > 1) + (VALLEY > 7), "52"),  # within a code of 0 * A + 51
        (UP, 1000 + 100 * (UP // 6), "1188"),  # the factor explains 0.88 of B
    ],
)
def test_unrelated_numbers_of_other_magnitude_are_no_offset(a: np.ndarray, b: np.ndarray, apart: str) -> None:
    assert guess(a, b) == ("numbers", f"numbers: at most {apart} apart")


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        (100 * UP, VALLEY + 100 * UP + 5000, "B is 1 * A + 5004"),
        (UP, -0.001 * UP + 50, "B is -0.001 * A + 50"),
        (UP, UP // 4, "B is 0.235294 * A - 0.264706"),  # 5 / 21.25, the covariance by the variance
        (UP // 4, 10 * UP, "B is 40 * A + 15"),
    ],
)
def test_factors_and_offsets_with_what_rounding_leaves(a: np.ndarray, b: np.ndarray, text: str) -> None:
    assert guess(a, b) == ("offset and scale", f"offset and scale: {text}")


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_no_number_is_no_offset(wrong: float) -> None:
    with np.errstate(invalid="ignore"):
        assert guess(UP, np.where(UP == 3, wrong, UP + 100.0))[0] == "numbers"


def test_few_differences_are_no_pattern() -> None:
    b = CODES.copy()
    b[0, 0, 0, :3] += 50
    assert guess(CODES, b, SHAPE) == ("numbers", "numbers: at most 50 apart")


def test_divisors() -> None:
    assert divisors(12) == [2, 3, 4, 6] and divisors(49) == [7] and divisors(7) == [] and divisors(1) == []
