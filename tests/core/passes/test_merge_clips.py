"""Hold merge_clips against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.passes import merge_clips

N = {"zero": np.float32(0), "six": np.float32(6), "two": np.float32(2), "low": np.float32(-1)}
FORMS = {
    "Relu(Min(x, 6))": ("a = Min(x, six) y = Relu(a)", {"Clip": 1}),
    "Max(Min(x, 6), 0)": ("a = Min(x, six) y = Max(zero, a)", {"Clip": 1}),
    "Clip(Relu)": ("a = Relu(x) y = Clip(a, low, six)", {"Clip": 1}),
    "Clip(Clip)": ("a = Clip(x, low, two) y = Clip(a, zero, six)", {"Clip": 1}),
    "Clip from 0": ("y = Clip(x, zero)", {"Relu": 1}),
    "Clip from 0 above": ("a = Max(x, low) y = Relu(a)", {"Relu": 1}),
    "Max(x, 0)": ("y = Max(x, zero)", {"Relu": 1}),
    "Clip of nothing": ("a = Clip(x) y = Exp(a)", {"Identity": 1, "Exp": 1}),
    "one bound": ("y = Min(x, six)", {"Clip": 1}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_clamp_is_one_node(rewrite: Any, form: str) -> None:
    body, ops = FORMS[form]
    used = {name: n for name, n in N.items() if name in body}
    assert rewrite(merge_clips, f"agraph (float[1,4,6,6] x) => (float[1,4,6,6] y) {{ {body} }}", **used).ops == ops


def test_two_readers_keep_the_inner_clamp(rewrite: Any) -> None:
    text = "agraph (float[9] x) => (float[9] y, float[9] z) { a = Relu(x) y = Clip(a, low, six) z = Exp(a) }"
    assert rewrite(merge_clips, text, low=N["low"], six=N["six"]).count == 0


def test_bounds_per_channel_stay(rewrite: Any) -> None:
    text = "agraph (float[1,4] x) => (float[1,4] y) { y = Min(x, c) }"
    assert rewrite(merge_clips, text, c=np.arange(4, dtype=np.float32)).ops == {"Min": 1}
