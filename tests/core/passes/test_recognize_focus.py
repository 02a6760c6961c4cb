"""Hold recognize_focus against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.passes import recognize_focus

FOCUS = ((0, 0), (1, 0), (0, 1), (1, 1))
SPACE_TO_DEPTH = ((0, 0), (0, 1), (1, 0), (1, 1))
STEPS = {
    "n0": np.array([0]),
    "n1": np.array([1]),
    "end": np.array([2**31]),
    "h": np.array([2]),
    "w": np.array([3]),
    "two": np.array([2]),
}


def focus(order: Any, size: int = 6, axis: int = 1) -> str:
    body = ""
    for i, (row, column) in enumerate(order):
        body += f"r{i} = Slice(x, n{row}, end, h, two) p{i} = Slice(r{i}, n{column}, end, w, two) "
    body += f"y = Concat<axis={axis}>(p0, p1, p2, p3)"
    return f"agraph (float[1,3,{size},{size}] x) => (float[a,b,c,d] y) {{ {body} }}"


@pytest.mark.parametrize("order", [FOCUS, SPACE_TO_DEPTH])
def test_four_slices_are_a_move_of_axes(rewrite: Any, order: Any) -> None:
    assert rewrite(recognize_focus, focus(order), **STEPS).ops == {"Reshape": 2, "Transpose": 1}


def test_another_order_is_declined(rewrite: Any) -> None:
    done = rewrite(recognize_focus, focus(FOCUS[::-1]), **STEPS)
    assert done.count == 0
    assert "which no reshape gives" in done.declined[0][1]


def test_another_axis_is_declined(rewrite: Any) -> None:
    done = rewrite(recognize_focus, focus(FOCUS, axis=2), **STEPS)
    assert done.count == 0
    assert "not along channels" in done.declined[0][1]


def test_a_slice_that_ends_early_is_none(rewrite: Any) -> None:
    assert rewrite(recognize_focus, focus(FOCUS, size=8), **{**STEPS, "end": np.array([6])}).count == 0
