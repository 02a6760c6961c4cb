"""Transposes move through each kind of node, and only where that leaves fewer."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from tests.core.graphs import run

pytest.importorskip("tensorflow")
from magik_frontend_tf.graphs import transposes

HEAD = '<ir_version: 10, opset_import: ["" : 20]> g (float[1,4,6,8] x) => (float y) {'
MEETS = {  # between a transpose to NHWC and one back; each keeps the shape but where it says another
    "unary": "z = Relu(t)",
    "constant": "c = Constant<value = float[4] {1,2,3,4}>() z = Mul(t, c)",
    "scalar": "c = Constant<value = float {3}>() z = Add(c, t)",
    "both": "u = Sigmoid(t) z = Mul(t, u)",
    "softmax": "z = Softmax<axis = -1>(t)",
    "split": "a, b = Split<axis = 3, num_outputs = 2>(t) z = Concat<axis = -1>(b, a)",
    "gate": "n = Constant<value = int64[2] {1, 2}>() m = ReduceMean(t, n) z = Mul(t, m)",
    "slice": """s = Constant<value = int64[2] {1, 0}>() e = Constant<value = int64[2] {3, 8}>()
        n = Constant<value = int64[2] {1, -1}>() u = Slice(t, s, e, n)
        p = Constant<value = int64[8] {0, 1, 0, 0, 0, 3, 0, 0}>() z = Pad(u, p)""",
}


def model_of(body: str) -> ir.Model:
    proto = onnx.parser.parse_model(f"{HEAD} {body} }}")
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto))


def agree(before: ir.Model, after: ir.Model) -> None:
    x = np.random.default_rng(0).normal(size=(1, 4, 6, 8)).astype(np.float32)
    for a, b in zip(run(before, {"x": x}), run(after, {"x": x}), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", MEETS)
def test_two_transposes_meet(name: str) -> None:
    body = f"t = Transpose<perm = [0,2,3,1]>(x) {MEETS[name]} y = Transpose<perm = [0,3,1,2]>(z)"
    model = model_of(body)
    lowered = transposes.lower(model)
    assert (transposes.count(model), transposes.count(lowered)) == (2, 0)
    agree(model, lowered)


def test_a_mean_over_an_image_needs_no_transpose_behind_it() -> None:
    text = """t = Transpose<perm = [0,2,3,1]>(x) r = Relu(t) u = Transpose<perm = [0,3,1,2]>(r) v = Abs(u)
        w = Transpose<perm = [0,2,3,1]>(v) n = Constant<value = int64[2] {1, 2}>()
        y = ReduceMean<keepdims = 0>(w, n)"""
    model = model_of(text)
    lowered = transposes.lower(model)
    assert (transposes.count(model), transposes.count(lowered)) == (3, 0)
    agree(model, lowered)


def test_a_reduction_to_other_axes_is_transposed_itself() -> None:
    text = """t = Transpose<perm = [0,2,3,1]>(x) u = Neg(t) v = Transpose<perm = [0,3,1,2]>(u)
        w = Transpose<perm = [0,2,3,1]>(v) n = Constant<value = int64[1] {1}>() y = ReduceMax<keepdims = 0>(w, n)"""
    model = model_of(text)
    lowered = transposes.lower(model)
    assert (transposes.count(model), transposes.count(lowered)) == (3, 1)
    agree(model, lowered)


def test_a_graph_that_would_not_gain_is_left_alone() -> None:
    text = """t = Transpose<perm = [0,2,3,1]>(x) a, b = Split<axis = 3, num_outputs = 2>(t)
        s = Constant<value = int64[2] {24, 8}>() u = Reshape(a, s) v = Reshape(b, s) w = Add(u, v)
        y = Transpose<perm = [1,0]>(w)"""
    model = model_of(text)
    assert transposes.lower(model) is model


def test_another_reader_of_the_transposed_value_keeps_it() -> None:
    text = """t = Transpose<perm = [0,2,3,1]>(x) r = Relu(t) y = Transpose<perm = [0,3,1,2]>(r)"""
    model = model_of(text)
    (first,) = (node for node in model.graph if node.outputs[0].name == "t")
    model.graph.outputs.append(first.outputs[0])
    lowered = transposes.lower(model)
    assert [v.name for v in lowered.graph.outputs] == ["y", "t"]
    agree(model, lowered)
