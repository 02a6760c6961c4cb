"""Padding that a convolution does not say: from its sizes."""

from __future__ import annotations

import pytest

from magik_core.ops.convolution import same_pads
from magik_core.program import Shape


@pytest.mark.parametrize(
    ("small", "large", "kernel", "strides", "dilations", "upper", "missing"),
    [
        ((4,), (7,), (3,), (2,), (1,), (1, 1), (0,)),
        ((4,), (8,), (3,), (2,), (1,), (0, 1), (0,)),
        ((7,), (7,), (3,), (1,), (2,), (2, 2), (0,)),
        ((3,), (9,), (2,), (3,), (1,), (0, 0), (1,)),
        ((4, 3), (8, 9), (3, 2), (2, 3), (1, 1), (0, 0, 1, 0), (0, 1)),
    ],
    ids=str,
)
def test_the_larger_part_of_padding_is_where_auto_pad_has_it(
    small: Shape, large: Shape, kernel: Shape, strides: Shape, dilations: Shape, upper: Shape, missing: Shape
) -> None:
    rank = len(small)
    for auto in ("SAME_UPPER", "SAME_LOWER", "NOTSET"):
        want = upper if auto == "SAME_UPPER" else (*upper[rank:], *upper[:rank])
        assert same_pads(auto, small, large, kernel, strides, dilations) == (want, missing)
