"""Hold merge_moves against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.passes import merge_moves

INTS = {
    "split": np.array([4, 2, 30]),
    "join": np.array([2, 1, 4, 5, 6]),
    "zero": np.array([0]),
    "one": np.array([1]),
    "two": np.array([2]),
    "axis": np.array([0]),
    "out": np.array([1, 4, 5, 6]),
}
SHUFFLE = "a = Reshape(x, split) b = Transpose<perm=[1,0,2]>(a) c = Reshape(b, join)"


@pytest.mark.parametrize(("bounds", "start"), [("zero, one", 0), ("one, two", 1)])
def test_shuffle_and_split_is_a_strided_slice(rewrite: Any, bounds: str, start: int) -> None:
    text = (
        f"agraph (float[1,8,5,6] x) => (float[1,4,5,6] y)"
        f" {{ {SHUFFLE} d = Slice(c, {bounds}, axis) y = Reshape(d, out) }}"
    )
    used = {k: v for k, v in INTS.items() if k not in {"zero", "two"} - set(bounds.split(", "))}
    done = rewrite(merge_moves, text, **used)
    assert done.ops == {"Slice": 1}
    numbers = [int(v.const_value.numpy()[0]) for v in done.model.graph[0].inputs[1:]]
    assert numbers == [start, start + 7, 1, 2]


def test_a_chain_that_keeps_the_order_is_a_reshape(rewrite: Any) -> None:
    text = "agraph (float[1,8,1,6] x) => (float[a,b] y) { t = Transpose<perm=[2,1,0,3]>(x) y = Reshape(t, s) }"
    assert rewrite(merge_moves, text, s=np.array([4, 12])).ops == {"Reshape": 1}


def test_a_real_shuffle_stays(rewrite: Any) -> None:
    text = f"agraph (float[1,8,5,6] x) => (float[2,1,4,5,6] c) {{ {SHUFFLE} }}"
    assert rewrite(merge_moves, text, split=INTS["split"], join=INTS["join"]).count == 0


def test_backward_slices_stay(rewrite: Any) -> None:
    text = "agraph (float[8] x) => (float[a,b] y) { s = Slice(x, i, e, axis, back) y = Reshape(s, o) }"
    ints = {
        "i": np.array([-1]),
        "e": np.array([-99]),
        "axis": np.array([0]),
        "back": np.array([-1]),
        "o": np.array([2, 4]),
    }
    assert rewrite(merge_moves, text, **ints).ops == {"Slice": 1, "Reshape": 1}
