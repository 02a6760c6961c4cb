"""Hold fold_constants against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np

from magik_core.passes import fold_constants


def test_arithmetic_of_constants_is_done(rewrite: Any) -> None:
    c = np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1)
    # prepare folds already: what is left over for the pass appears when another pass makes constants meet
    done = rewrite(
        fold_constants, "agraph (float[1,4,6,6] x) => (float[1,4,6,6] y) { s = Mul(c, c) y = Add(x, s) }", c=c
    )
    assert done.ops == {"Add": 1}
    np.testing.assert_array_equal(done.model.graph[-1].inputs[1].const_value.numpy().ravel(), [0, 1, 4, 9])


def test_a_chain_of_shapes_is_gone(rewrite: Any) -> None:
    text = """agraph (float[1,4,6,6] x) => (float[n,m] y) {
        s = Shape(x) n = Gather(s, zero) u = Unsqueeze(n, axes) t = Concat<axis=0>(u, minus) y = Reshape(x, t) }"""
    ints = {"zero": np.array(0), "axes": np.array([0]), "minus": np.array([-1])}
    assert rewrite(fold_constants, text, **ints).ops == {"Reshape": 1}


def test_quantized_weights_stay(rewrite: Any) -> None:
    text = "agraph (float[1,4] x) => (float[1,2] y) { w = DequantizeLinear(q, s) y = MatMul(x, w) }"
    q = np.arange(8, dtype=np.int8).reshape(4, 2)
    assert rewrite(fold_constants, text, q=q, s=np.float32(0.5)).ops == {"DequantizeLinear": 1, "MatMul": 1}
