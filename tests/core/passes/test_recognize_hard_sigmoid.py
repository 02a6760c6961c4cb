"""Hold recognize_hard_sigmoid against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.passes import recognize_hard_sigmoid

N = {
    n: np.float32(v)
    for n, v in {"zero": 0, "one": 1, "three": 3, "six": 6, "half": 0.5, "fifth": 0.2, "sixth": 1 / 6}.items()
}
FORMS = {
    "(x + 3) clipped / 6": ("a = Add(x, three) c = Clip(a, zero, six) y = Div(c, six)", 1 / 6),
    "(3 + x) clipped * (1/6)": ("a = Add(three, x) c = Clip(a, zero, six) y = Mul(c, sixth)", 1 / 6),
    "x / 6 + 0.5 clipped": ("m = Div(x, six) a = Add(m, half) y = Clip(a, zero, one)", 1 / 6),
    "0.2 x + 0.5 clipped": ("m = Mul(fifth, x) a = Add(m, half) y = Clip(a, zero, one)", 0.2),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_clipped_line(rewrite: Any, form: str) -> None:
    body, alpha = FORMS[form]
    used = {k: v for k, v in N.items() if k in body.replace("sixth", "" if k == "six" else "sixth")}
    done = rewrite(recognize_hard_sigmoid, f"agraph (float[99] x) => (float[99] y) {{ {body} }}", **used)
    assert done.ops == {"HardSigmoid": 1}
    assert done.model.graph[0].attributes["alpha"].value == pytest.approx(alpha)
    assert done.model.graph[0].attributes["beta"].value == pytest.approx(0.5)


def test_relu6_is_none(rewrite: Any) -> None:
    text = "agraph (float[99] x) => (float[99] y) { a = Add(x, three) y = Clip(a, zero, six) }"
    assert rewrite(recognize_hard_sigmoid, text, three=N["three"], zero=N["zero"], six=N["six"]).count == 0
