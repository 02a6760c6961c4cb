"""Hold recognize_hard_swish against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.passes import recognize_hard_swish

N = {n: np.float32(v) for n, v in {"zero": 0, "three": 3, "six": 6, "sixth": 1 / 6}.items()}
CLIP = "a = Add(three, x) c = Clip(a, zero, six)"
FORMS = [
    f"{CLIP} m = Mul(x, c) y = Div(m, six)",
    f"{CLIP} m = Mul(c, x) y = Div(m, six)",
    f"{CLIP} m = Mul(x, c) y = Mul(m, sixth)",
    f"{CLIP} m = Mul(c, x) y = Mul(sixth, m)",
    f"{CLIP} m = Div(x, six) y = Mul(m, c)",
    f"{CLIP} m = Div(x, six) y = Mul(c, m)",
    f"{CLIP} m = Mul(x, sixth) y = Mul(m, c)",
    f"{CLIP} m = Mul(x, sixth) y = Mul(c, m)",
    "h = HardSigmoid<alpha=0.16666667, beta=0.5>(x) y = Mul(x, h)",
    "h = HardSigmoid<alpha=0.16666667, beta=0.5>(x) y = Mul(h, x)",
]


@pytest.mark.parametrize("body", FORMS)
def test_x_times_its_hard_sigmoid(rewrite: Any, body: str) -> None:
    used = N if "sixth" in body else {k: v for k, v in N.items() if k != "sixth" and "Clip" in body}
    done = rewrite(recognize_hard_swish, f"agraph (float[99] x) => (float[99] y) {{ {body} }}", **used)
    assert done.ops == {"HardSwish": 1}
    assert done.model.graph[0].name == "y"


def test_another_slope_stays(rewrite: Any) -> None:
    text = "agraph (float[99] x) => (float[99] y) { h = HardSigmoid<alpha=0.2, beta=0.5>(x) y = Mul(x, h) }"
    assert rewrite(recognize_hard_swish, text).count == 0
