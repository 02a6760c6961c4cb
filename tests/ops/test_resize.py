"""Resize beyond its cases: every mode by every rounding, exact ratios, other sizes at run time, refusals."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np
import pytest

from magik_core.errors import LowerError
from magik_core.ops.cases import case, ints
from magik_core.ops.resize import COORDINATES, ROUNDING, Resize
from magik_core.program import Program
from tests import harness


def position(op: Resize, i: int, size: int, out: int) -> Fraction:
    """Where element i of y lies in x, as ONNX Resize writes it."""
    scale = Fraction(op.num[0], op.den[0])
    half = (i + Fraction(1, 2)) / scale - Fraction(1, 2)
    return {
        "asymmetric": i / scale,
        "half_pixel": half,
        "pytorch_half_pixel": half if out > 1 else Fraction(0),
        "align_corners": Fraction(i * (size - 1), out - 1) if out > 1 else Fraction(0),
        "half_pixel_symmetric": Fraction(size, 2) * (1 - out / (size * scale)) + half,
    }[op.coordinates]


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("rounding", ROUNDING)
def test_nearest_is_exact(coordinates: str, rounding: str) -> None:
    half = Fraction(1, 2)
    rounded = {
        "floor": floor,
        "ceil": ceil,
        "round_prefer_floor": lambda v: ceil(v - half),
        "round_prefer_ceil": lambda v: floor(v + half),
    }[rounding]
    for num, den in ((2, 1), (1, 2), (7, 3), (3, 7), (10, 9), (1, 1), (1, 5)):
        op = Resize(0, (num, 1), (den, 1), "nearest", coordinates, rounding)
        for size in (5, 6, 12):
            out = size * num // den
            want = [min(max(rounded(position(op, i, size, out)), 0), size - 1) for i in range(out)]
            assert op.nearest(0, size, out).tolist() == want


def program_of(*sizes: np.ndarray | None, x: tuple[int, ...] = (1, 3, 10, 12), **attributes: Any) -> Program:
    return harness.in_float(harness.model_of(case("Resize", None, *sizes, x=x, **attributes)))


@pytest.mark.parametrize("scale", [0.7, 1.1, 429 / 405, 1.7777778, 1 / 3, 2 / 3])
def test_a_scale_is_the_fraction_it_stands_for(scale: float) -> None:
    program = program_of(np.array([1, 1, scale, 1], np.float32), x=(1, 3, 401, 4))
    (op,) = (s.op for s in program.steps)
    assert isinstance(op, Resize)
    assert Fraction(op.num[1], op.den[1]) == Fraction(scale).limit_denominator(2048)


@pytest.mark.parametrize(("scale", "size", "out"), [(640 / 427, 427, 639), (0.7, 400, 279)])
def test_a_scale_whose_fraction_misses_the_size_is_nudged(scale: float, size: int, out: int) -> None:
    program = program_of(np.array([1, 1, scale, 1], np.float32), x=(1, 3, size, 4))
    (op,) = (s.op for s in program.steps)
    assert isinstance(op, Resize)
    assert op.shape((1, size, 4, 3)) == ((1, out, 4, 3),)  # the f32 is a little below the fraction
    assert abs(op.num[1] / op.den[1] - scale) < 2e-6


def test_a_ratio_from_sizes_holds_at_any_size() -> None:
    program = program_of(None, ints(1, 3, 20, 18))
    (op,) = (s.op for s in program.steps)
    assert op.shape((1, 32, 64, 3)) == ((1, 64, 96, 3),)


def test_a_resize_to_the_same_size_is_no_step() -> None:
    program = program_of(np.ones(4, np.float32), mode="linear")
    assert [type(s.op).__name__ for s in program.steps] == ["Reshape"]  # the output's own storage


@pytest.mark.parametrize(
    ("attributes", "what"),
    [
        ({"mode": "cubic"}, "no kernel for this mode"),
        ({"mode": "linear", "antialias": 1}, "no kernel for this antialias"),
        ({"keep_aspect_ratio_policy": "not_larger"}, "no kernel for this keep_aspect_ratio_policy"),
        ({"coordinate_transformation_mode": "tf_crop_and_resize"}, "coordinate_transformation_mode"),
    ],
    ids=str,
)
def test_refusal(attributes: dict[str, Any], what: str) -> None:
    sizes = ints(20, 12)
    with pytest.raises(LowerError, match=what):
        program_of(None, sizes, axes=[2, 3], **attributes)


def test_linear_along_three_axes_is_refused() -> None:
    with pytest.raises(LowerError, match="axes that do not lie together") as caught:
        program_of(np.array([2, 1, 2, 2], np.float32), mode="linear")
    assert caught.match(r"axes \[0, 2, 3\]")


def test_a_ratio_of_large_terms_is_refused() -> None:
    with pytest.raises(LowerError, match="a ratio of large terms"):
        program_of(None, ints((1 << 20) + 1), x=(7,))
