"""Hold recognize_swish against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.passes import recognize_swish


@pytest.mark.parametrize("product", ["Mul(x, s)", "Mul(s, x)"])
def test_x_sigmoid(rewrite: Any, product: str) -> None:
    text = f"agraph (float[9] x) => (float[9] y) {{ s = Sigmoid(x) y = {product} }}"
    assert rewrite(recognize_swish, text).ops == {"Swish": 1}


@pytest.mark.parametrize("product", ["Mul(x, s)", "Mul(s, x)"])
def test_x_sigmoid_of_a_multiple(rewrite: Any, product: str) -> None:
    text = f"agraph (float[9] x) => (float[9] y) {{ m = Mul(x, a) s = Sigmoid(m) y = {product} }}"
    done = rewrite(recognize_swish, text, a=np.float32(1.702))
    assert done.ops == {"Swish": 1}
    assert done.model.graph[0].attributes["alpha"].value == pytest.approx(1.702)


def test_a_gate_read_elsewhere_stays(rewrite: Any) -> None:
    text = "agraph (float[9] x) => (float[9] y, float[9] s) { s = Sigmoid(x) y = Mul(x, s) }"
    assert rewrite(recognize_swish, text).count == 0
