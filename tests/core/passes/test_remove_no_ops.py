"""Hold remove_no_ops against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.passes import remove_no_ops

ONE, ZERO = np.float32(1), np.float32(0)
INT = {"i": np.array([0, 0, 0, 0]), "e": np.array([1, 4, 6, 6]), "p": np.zeros(8, np.int64)}
NO_OPS = {
    "Identity": "a = Identity(r)",
    "Dropout": "a = Dropout(r)",
    "Cast": "a = Cast<to=1>(r)",
    "Concat": "a = Concat<axis=1>(r)",
    "Sum": "a = Sum(r)",
    "Reshape": "a = Reshape(r, e)",
    "Expand": "a = Expand(r, e)",
    "Slice": "a = Slice(r, i, e, axes)",
    "Pad": "a = Pad(r, p)",
    "Transpose": "a = Transpose<perm=[0,1,2,3]>(r)",
    "Mul": "a = Mul(r, one)",
    "Div": "a = Div(r, one)",
    "Add": "a = Add(zero, r)",
    "Sub": "a = Sub(r, zero)",
    "Resize": 'a = Resize<mode="linear">(r, , , e)',
}


def names(body: str) -> list[str]:
    return body.partition("(")[2].replace(")", "").split(", ")


@pytest.mark.parametrize("op", NO_OPS)
def test_it_goes(rewrite: Any, op: str) -> None:
    text = f"agraph (float[1,4,6,6] x) => (float[1,4,6,6] y) {{ r = Relu(x) {NO_OPS[op]} y = Exp(a) }}"
    ints = {**INT, "axes": np.array([0, 1, 2, 3])}
    used = {k: v for k, v in {**ints, "one": ONE, "zero": ZERO}.items() if k in names(NO_OPS[op])}
    assert rewrite(remove_no_ops, text, **used).ops == {"Relu": 1, "Exp": 1}


KEPT = {
    "Mul": "a = Mul(r, c)",  # broadcasts: the shape changes
    "Sub": "a = Sub(zero, r)",
    "Div": "a = Div(one, r)",
    "Transpose": "a = Transpose<perm=[0,1,3,2]>(r)",
    "Slice": "a = Slice(r, i, e, ax, back)",  # reversed, of the same shape
}


@pytest.mark.parametrize("op", KEPT)
def test_a_change_stays(rewrite: Any, op: str) -> None:
    text = f"agraph (float[1,1,6,6] x) => (float[a,b,c,d] y) {{ r = Sigmoid(x) {KEPT[op]} y = Exp(a) }}"
    back = {"i": np.array([-1]), "e": np.array([-99]), "ax": np.array([3]), "back": np.array([-1])}
    constants = {**back, "c": np.ones((1, 4, 1, 1), np.float32), "one": ONE, "zero": ZERO}
    used = {k: v for k, v in constants.items() if k in names(KEPT[op])}
    assert rewrite(remove_no_ops, text, **used).ops == {"Sigmoid": 1, op: 1, "Exp": 1}


def test_an_output_keeps_its_name(rewrite: Any) -> None:
    done = rewrite(remove_no_ops, "agraph (float[2] x) => (float[2] y) { r = Relu(x) y = Identity(r) }")
    assert done.ops == {"Relu": 1}
    assert done.model.graph.outputs[0].name == "y"


def test_an_input_that_is_an_output_keeps_both_names(rewrite: Any) -> None:
    done = rewrite(remove_no_ops, "agraph (float[2] x) => (float[2] y) { y = Identity(x) }")
    assert done.ops == {"Identity": 1}
