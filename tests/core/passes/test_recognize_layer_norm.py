"""Hold recognize_layer_norm against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.passes import recognize_layer_norm

RNG = np.random.default_rng(0)
E = {"eps": np.float32(1e-5), "two": np.float32(2), "half": np.float32(-0.5), "one": np.float32(1)}
HEAD = "m = ReduceMean<keepdims=1>(x, axes) d = Sub(x, m)"
SQUARES = {"Pow": "q = Pow(d, two)", "Mul": "q = Mul(d, d)"}
ENDS = {
    "Div": "s = Sqrt(e) y0 = Div(d, s)",
    "Reciprocal": "s = Sqrt(e) r = Reciprocal(s) y0 = Mul(r, d)",
    "1 / sqrt": "s = Sqrt(e) r = Div(one, s) y0 = Mul(d, r)",
    "Pow": "r = Pow(e, half) y0 = Mul(d, r)",
}


def used(body: str, axes: list[int]) -> dict[str, Any]:
    words = set(body.replace("(", " ").replace(")", " ").replace(",", " ").split())
    return {"axes": np.array(axes), **{k: v for k, v in E.items() if k in words}}


def spell(square: str, end: str) -> str:
    return f"{HEAD} {SQUARES[square]} v = ReduceMean<keepdims=1>(q, axes) e = Add(v, eps) {ENDS[end]}"


@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("axes", [[-1], [1, 2]])
def test_every_spelling_with_scale_and_bias(rewrite: Any, square: str, end: str, axes: list[int]) -> None:
    body = f"{spell(square, end)} y1 = Mul(y0, g) y = Add(y1, b)"
    shape = (5,) if axes == [-1] else (4, 5)
    g, b = (RNG.standard_normal(shape).astype(np.float32) for _ in "gb")
    done = rewrite(
        recognize_layer_norm,
        f"agraph (float[2,4,5] x) => (float[2,4,5] y) {{ {body} }}",
        g=g,
        b=b,
        **used(body, axes),
    )
    assert done.ops == {"LayerNormalization": 1}
    np.testing.assert_array_equal(done.model.graph[0].inputs[1].const_value.numpy(), g)


def test_without_scale(rewrite: Any) -> None:
    body = spell("Pow", "Div").replace("y0", "y")
    done = rewrite(
        recognize_layer_norm, f"agraph (float[2,4,5] x) => (float[2,4,5] y) {{ {body} }}", **used(body, [-1])
    )
    assert done.ops == {"LayerNormalization": 1}


def test_channels_first_is_declined(rewrite: Any) -> None:
    body = spell("Pow", "Div").replace("y0", "y")
    done = rewrite(recognize_layer_norm, f"agraph (float[2,4,5] x) => (float[2,4,5] y) {{ {body} }}", **used(body, [1]))
    assert done.count == 0
    assert done.declined == [("y", "a normalization over axes [1], which are not the last ones")]


def test_a_scale_along_another_axis_is_not_absorbed(rewrite: Any) -> None:
    body = f"{spell('Pow', 'Div')} y = Mul(y0, g)"
    g = RNG.standard_normal((4, 1)).astype(np.float32)
    done = rewrite(
        recognize_layer_norm,
        f"agraph (float[2,4,5] x) => (float[2,4,5] y) {{ {body} }}",
        g=g,
        **used(body, [-1]),
    )
    assert done.ops == {"LayerNormalization": 1, "Mul": 1}
