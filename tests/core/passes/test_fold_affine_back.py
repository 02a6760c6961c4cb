"""Hold fold_affine_back against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.passes import fold_affine_back

RNG = np.random.default_rng(0)


def rand(*shape: int) -> Any:
    return RNG.uniform(0.5, 2, shape).astype(np.float32)


LINEAR = {
    "Conv": ("[1,4,6,6]", "l = Conv<pads=[1,1,1,1]>(x, w, b)", rand(6, 4, 3, 3), rand(6)),
    "Conv without bias": ("[1,4,6,6]", "l = Conv<group=2>(x, w)", rand(6, 2, 3, 3), None),
    "Conv 1-D": ("[1,4,6]", "l = Conv(x, w, b)", rand(6, 4, 3), rand(6)),
    "ConvTranspose": (
        "[1,4,6,6]",
        "l = ConvTranspose<strides=[2,2], group=2>(x, w, b)",
        rand(4, 3, 3, 3),
        rand(6),
    ),
    "Gemm": ("[2,4]", "l = Gemm(x, w, b)", rand(4, 6), rand(6)),
    "Gemm transB": ("[2,4]", "l = Gemm<transB=1, beta=0.5>(x, w, b)", rand(6, 4), rand(6)),
}
AFFINE = [
    "y = Mul(l, k)",
    "y = Mul(k, l)",
    "y = Add(l, k)",
    "y = Sub(l, k)",
    "y = Sub(k, l)",
    "y = Div(l, k)",
]


@pytest.mark.parametrize("form", LINEAR)
@pytest.mark.parametrize("affine", AFFINE)
def test_a_line_per_channel_goes_into_the_weights(rewrite: Any, form: str, affine: str) -> None:
    shape, linear, w, b = LINEAR[form]
    rank = shape.count(",") + 1
    constants = {"w": w, "k": rand(6, *(1,) * (rank - 2)), **({} if b is None else {"b": b})}
    text = f"agraph (float{shape} x) => (float[{','.join('abcd'[:rank])}] y) {{ {linear} {affine} }}"
    done = rewrite(fold_affine_back, text, **constants)
    assert done.ops == {form.split()[0]: 1}
    assert done.model.graph.outputs[0].name == "y"


def test_matmul_takes_a_product(rewrite: Any) -> None:
    text = "agraph (float[1,2,4] x) => (float[1,2,6] y) { l = MatMul(x, w) m = Mul(l, k) y = Add(m, k) }"
    assert rewrite(fold_affine_back, text, w=rand(4, 6), k=rand(6)).ops == {"MatMul": 1, "Add": 1}


DECLINED = {
    "another reader": (
        "=> (float[1,6,4,4] y, float[1,6,4,4] l) { l = Conv(x, w) y = Mul(l, k) }",
        rand(6, 1, 1),
    ),
    "varies along more": ("=> (float[1,6,4,4] y) { l = Conv(x, w) y = Mul(l, k) }", rand(4, 4)),
    "changes the shape": ("=> (float[2,6,4,4] y) { l = Conv(x, w) y = Mul(l, k) }", rand(1, 1, 1, 1, 1)),
    "division by 0": (
        "=> (float[1,6,4,4] y) { l = Conv(x, w) y = Div(l, k) }",
        np.zeros((6, 1, 1), np.float32),
    ),
}


@pytest.mark.parametrize("reason", DECLINED)
def test_the_rest_is_declined(rewrite: Any, reason: str) -> None:
    rest, k = DECLINED[reason]
    rest = rest.replace("[2,6,4,4]", "[1,1,6,4,4]")
    done = rewrite(fold_affine_back, f"agraph (float[1,4,6,6] x) {rest}", w=rand(6, 4, 3, 3), k=k)
    assert done.count == 0
    assert reason in done.declined[0][1]
    assert "not folded into Conv 'l'" in done.declined[0][1]


def test_a_constant_over_x_is_no_line(rewrite: Any) -> None:
    text = "agraph (float[1,4,6,6] x) => (float[1,6,4,4] y) { l = Conv(x, w) y = Div(k, l) }"
    assert rewrite(fold_affine_back, text, w=rand(6, 4, 3, 3), k=rand(6, 1, 1)).count == 0
