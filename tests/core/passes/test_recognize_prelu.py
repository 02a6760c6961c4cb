"""Hold recognize_prelu against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.passes import recognize_prelu

N = {
    "tenth": np.float32(0.1),
    "zero": np.float32(0),
    "big": np.float32(2),
    "minus": np.float32(-0.25),
    "slopes": np.array([0.1, 0.2, 0.3, 0.4], np.float32).reshape(4, 1, 1),
}
FORMS = {
    "max": ("m = Mul(x, tenth) y = Max(x, m)", "LeakyRelu"),
    "max turned": ("m = Mul(tenth, x) y = Max(m, x)", "LeakyRelu"),
    "max per channel": ("m = Mul(x, slopes) y = Max(x, m)", "PRelu"),
    "where": ("t = Greater(x, zero) m = Mul(x, big) y = Where(t, x, m)", "LeakyRelu"),
    "where per channel": ("t = GreaterOrEqual(x, zero) m = Mul(x, slopes) y = Where(t, x, m)", "PRelu"),
    "keras": ("p = Relu(x) n = Neg(x) q = Relu(n) m = Mul(q, minus) y = Add(p, m)", "LeakyRelu"),
    "tensorflow": ("p = Relu(x) n = Abs(x) q = Sub(x, n) m = Mul(q, slopes) y = Add(p, m)", "PRelu"),
    "tensorflow turned": ("p = Relu(x) n = Abs(x) q = Sub(x, n) m = Mul(minus, q) y = Add(m, p)", "LeakyRelu"),
    "one slope": ("y = PRelu(x, tenth)", "LeakyRelu"),
}


@pytest.mark.parametrize("form", FORMS)
def test_two_slopes(rewrite: Any, form: str) -> None:
    body, op = FORMS[form]
    used = {name: n for name, n in N.items() if name in body}
    text = f"agraph (float[1,4,6,6] x) => (float[1,4,6,6] y) {{ {body} }}"
    assert rewrite(recognize_prelu, text, **used).ops == {op: 1}


@pytest.mark.parametrize("name", ["big", "minus"])
def test_a_maximum_with_a_steeper_or_falling_line_stays(rewrite: Any, name: str) -> None:
    text = f"agraph (float[9] x) => (float[9] y) {{ m = Mul(x, {name}) y = Max(x, m) }}"
    assert rewrite(recognize_prelu, text, **{name: N[name]}).count == 0
