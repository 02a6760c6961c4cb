"""The float graph in onnxruntime, whole and in parts."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from magik_core.float_session import FloatSession

# A value that crosses two others, one that nobody asks for, a constant that is asked for, and names of inputs.
TEXT = """<ir_version: 10, opset_import: ["" : 24]>
g (float[1,4] x, float[1,4] z) => (float[1,4] y) <float[4] k = {1, 2, 3, 4}, float[1,4] a, float[1,4] b, float[1,4] c,
   float[1,4] d> {
   a = Mul (x, k)
   b = Relu (a)
   c = Swish <alpha = 2.0> (b)
   d = Add (c, x)
   never = Neg (z)
   y = Add (d, a)
}"""
FEEDS = {"x": np.float32([[1, -2, 3, -4]]), "z": np.zeros((1, 4), np.float32)}


@pytest.mark.parametrize("part_bytes", [1, 16, 32, 1e9])
def test_parts_are_the_whole(part_bytes: float) -> None:
    model, names = ir.from_onnx_text(TEXT), ["x", "k", "a", "b", "c", "d", "y"]
    want = FloatSession(model, names).run(FEEDS)
    session = FloatSession(model, names, part_bytes=part_bytes)
    parts = list(session.parts(FEEDS))
    found = {name: x for part in parts for name, x in part.items()}
    assert sorted(found) == sorted(names) and all(found[n].tobytes() == want[n].tobytes() for n in names)
    assert all(sum(x.nbytes for x in part.values()) <= max(part_bytes, 16) for part in parts[1:])
    assert [list(part) for part in session.parts(FEEDS)] == [list(part) for part in parts]


def test_what_crosses_parts_unasked_is_kept_for_them() -> None:
    parts = list(FloatSession(ir.from_onnx_text(TEXT), ["b", "d"], part_bytes=1).parts(FEEDS))
    assert [list(part) for part in parts] == [[], ["b"], ["d"]]
    x, k = FEEDS["x"], np.float32([1, 2, 3, 4])
    b = np.maximum(x * k, 0)
    assert np.allclose(parts[2]["d"], b / (1 + np.exp(-2 * b)) + x)


def test_one_that_clears_a_part_holds_no_more_of_it() -> None:
    session = FloatSession(ir.from_onnx_text(TEXT), ["a", "b", "y"], part_bytes=1)
    seen = []
    for part in session.parts(FEEDS):
        seen += list(part)
        part.clear()
    assert seen == ["a", "b", "y"]


def test_values_that_no_node_makes_need_no_node() -> None:
    session = FloatSession(ir.from_onnx_text(TEXT), ["z", "k"])
    assert session.run(FEEDS)["k"].tolist() == [1, 2, 3, 4] and len(list(session.parts(FEEDS))) == 1


def test_codes_of_four_bits_stay_within_a_part() -> None:
    """onnxruntime hands them to nobody."""
    text = """<ir_version: 10, opset_import: ["" : 21]>
    g (float[1,4] x) => (float[1,4] y) <float s = {0.5}, int4 z = {0}, float[1,4] a, int4[1,4] q, float[1,4] b,
       float[1,4] c> {
       a = Relu (x)
       q = QuantizeLinear (a, s, z)
       c = Abs (a)
       b = DequantizeLinear (q, s, z)
       y = Neg (b)
    }"""
    session = FloatSession(ir.from_onnx_text(text), ["a", "b", "c", "y"], part_bytes=1)
    assert session.run(FEEDS)["y"].tolist() == [[-1, 0, -3, 0]]
