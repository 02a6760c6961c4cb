"""Hold merge_transposes against onnxruntime."""

from __future__ import annotations

from typing import Any

import pytest

from magik_core.passes import merge_transposes


def test_two_are_one(rewrite: Any) -> None:
    text = (
        "agraph (float[2,3,4] x) => (float[a,b,c] y) { t = Transpose<perm=[1,2,0]>(x) y = Transpose<perm=[0,2,1]>(t) }"
    )
    done = rewrite(merge_transposes, text)
    assert done.ops == {"Transpose": 1}
    assert list(done.model.graph[0].attributes["perm"].value) == [1, 0, 2]


@pytest.mark.parametrize("inner", ["Relu(t)", "Sin(t)", "Softmax<axis=-1>(t)", "LogSoftmax<axis=1>(t)", "Softmax(t)"])
def test_a_pair_around_pointwise_work_goes(rewrite: Any, inner: str) -> None:
    text = f"""agraph (float[2,3,4,5] x) => (float[2,3,4,5] y) {{
        t = Transpose<perm=[0,2,3,1]>(x) r = {inner} e = Sigmoid(r) b = Transpose<perm=[0,3,1,2]>(e) y = Exp(b) }}"""
    done = rewrite(merge_transposes, text)
    assert done.ops["Transpose"] == 0
    assert done.ops["Identity"] == 0


def test_another_reader_keeps_them(rewrite: Any) -> None:
    text = """agraph (float[2,3,4] x) => (float[a,b,c] y, float[d,e,f] r) {
        t = Transpose<perm=[0,2,1]>(x) r = Relu(t) y = Transpose<perm=[0,2,1]>(r) }"""
    assert rewrite(merge_transposes, text).ops == {"Transpose": 2, "Relu": 1}


def test_a_pair_that_does_not_cancel_stays(rewrite: Any) -> None:
    text = """agraph (float[2,3,4] x) => (float[a,b,c] y) {
        t = Transpose<perm=[1,2,0]>(x) r = Relu(t) y = Transpose<perm=[0,2,1]>(r) }"""
    assert rewrite(merge_transposes, text).ops == {"Transpose": 2, "Relu": 1}
