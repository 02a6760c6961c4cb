"""Hold recognize_mish against onnxruntime."""

from __future__ import annotations

from typing import Any

import pytest

from magik_core.passes import recognize_mish


@pytest.mark.parametrize("product", ["Mul(x, t)", "Mul(t, x)"])
def test_x_tanh_softplus(rewrite: Any, product: str) -> None:
    text = f"agraph (float[9] x) => (float[9] y) {{ s = Softplus(x) t = Tanh(s) y = {product} }}"
    assert rewrite(recognize_mish, text).ops == {"Mish": 1}


def test_another_factor_stays(rewrite: Any) -> None:
    text = "agraph (float[9] x, float[9] z) => (float[9] y) { s = Softplus(x) t = Tanh(s) y = Mul(z, t) }"
    assert rewrite(recognize_mish, text).count == 0
