"""Hold recognize_gelu against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.passes import recognize_gelu

N = {
    n: np.float32(v)
    for n, v in {
        "half": 0.5,
        "one": 1,
        "root": 2**0.5,
        "inv": 0.5**0.5,
        "k": 0.044715,
        "s": (2 / np.pi) ** 0.5,
        "two": 2,
        "cube": 3,
    }.items()
}
GATES = {
    "Div": ("d = Div(x, root) e = Erf(d)", "none"),
    "Mul": ("d = Mul(inv, x) e = Erf(d)", "none"),
    "Pow 3": ("p = Pow(x, cube) m = Mul(p, k) i = Add(x, m) j = Mul(i, s) e = Tanh(j)", "tanh"),
    "x (x x)": ("q = Mul(x, x) p = Mul(x, q) m = Mul(k, p) i = Add(m, x) j = Mul(s, i) e = Tanh(j)", "tanh"),
    "x (1 + k x x)": (
        "q = Mul(x, x) m = Mul(q, k) l = Add(m, one) i = Mul(x, l) j = Mul(i, s) e = Tanh(j)",
        "tanh",
    ),
    "s x (1 + k x x)": (
        "q = Mul(x, x) m = Mul(q, k) l = Add(m, one) i = Mul(x, s) j = Mul(i, l) e = Tanh(j)",
        "tanh",
    ),
    "x (1 + k x^2)": (
        "q = Pow(x, two) m = Mul(q, k) l = Add(one, m) i = Mul(l, x) j = Mul(i, s) e = Tanh(j)",
        "tanh",
    ),
}
PRODUCTS = [
    "a = Mul(x, g) y = Mul(a, half)",
    "a = Mul(g, x) y = Mul(half, a)",
    "a = Mul(x, half) y = Mul(a, g)",
    "a = Mul(half, x) y = Mul(g, a)",
    "a = Mul(g, half) y = Mul(x, a)",
    "a = Mul(half, g) y = Mul(a, x)",
]


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("product", PRODUCTS)
def test_every_spelling(rewrite: Any, gate: str, product: str) -> None:
    body = f"{GATES[gate][0]} g = Add(one, e) {product}"
    words = set(body.replace("(", " ").replace(")", " ").replace(",", " ").split())
    used = {k: v for k, v in N.items() if k in words}
    done = rewrite(recognize_gelu, f"agraph (float[99] x) => (float[99] y) {{ {body} }}", **used)
    assert done.ops == {"Gelu": 1}
    approximate = done.model.graph[0].attributes.get("approximate")
    assert (approximate.value if approximate else "none") == GATES[gate][1]


def test_another_number_stays(rewrite: Any) -> None:
    body = "d = Div(x, one) e = Erf(d) g = Add(e, one) a = Mul(x, g) y = Mul(a, half)"
    text = f"agraph (float[9] x) => (float[9] y) {{ {body} }}"
    assert rewrite(recognize_gelu, text, one=N["one"], half=N["half"]).count == 0
