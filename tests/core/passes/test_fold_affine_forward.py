"""Hold fold_affine_forward against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.passes import fold_affine_forward

RNG = np.random.default_rng(0)


def rand(*shape: int) -> Any:
    return RNG.uniform(0.5, 2, shape).astype(np.float32)


FORMS = {
    "product, padded": ("m = Mul(r, k) y = Conv<pads=[1,1,1,1]>(m, w, b)", rand(6, 4, 3, 3)),
    "sum": ("m = Add(r, k) y = Conv(m, w, b)", rand(6, 4, 3, 3)),
    "sum, no bias": ("m = Sub(r, k) y = Conv(m, w)", rand(6, 4, 3, 3)),
    "groups": ("m = Add(r, k) y = Conv<group=2>(m, w, b)", rand(6, 2, 3, 3)),
    "depthwise": ("m = Sub(k, r) y = Conv<group=4>(m, w)", rand(8, 1, 3, 3)),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_line_goes_into_the_conv_behind_it(rewrite: Any, form: str) -> None:
    body, w = FORMS[form]
    constants = {"k": rand(4, 1, 1), "w": w, **({"b": rand(len(w))} if ", b)" in body else {})}
    text = f"agraph (float[1,4,6,6] x) => (float[a,b,c,d] y) {{ r = Relu(x) {body} }}"
    assert rewrite(fold_affine_forward, text, **constants).ops == {"Relu": 1, "Conv": 1}


@pytest.mark.parametrize("gemm", ["Gemm(m, w, b)", "Gemm<alpha=2.0>(m, w)"])
def test_gemm(rewrite: Any, gemm: str) -> None:
    text = f"agraph (float[2,4] x) => (float[2,6] y) {{ r = Relu(x) m = Add(r, k) y = {gemm} }}"
    constants = {"k": rand(4), "w": rand(4, 6), **({"b": rand(6)} if ", b)" in gemm else {})}
    assert rewrite(fold_affine_forward, text, **constants).ops == {"Relu": 1, "Gemm": 1}


@pytest.mark.parametrize("attribute", ["pads=[1,1,1,1]", 'auto_pad="SAME_UPPER"'])
def test_a_sum_before_padding_is_declined(rewrite: Any, attribute: str) -> None:
    text = (
        f"agraph (float[1,4,6,6] x) => (float[a,b,c,d] y) {{ r = Relu(x) m = Add(r, k) y = Conv<{attribute}>(m, w) }}"
    )
    done = rewrite(fold_affine_forward, text, k=rand(4, 1, 1), w=rand(6, 4, 3, 3))
    assert done.ops == {"Relu": 1, "Add": 1, "Conv": 1}
    assert "it pads with 0, which the sum would change" in done.declined[0][1]


def test_the_weights_must_be_constant(rewrite: Any) -> None:
    text = (
        "agraph (float[1,4,6,6] x, float[6,4,3,3] v) => (float[a,b,c,d] y) { r = Relu(x) m = Mul(r, k) y = Conv(m, v) }"
    )
    done = rewrite(fold_affine_forward, text, k=rand(4, 1, 1))
    assert done.count == 0
    assert "its weights are not constant" in done.declined[0][1]
