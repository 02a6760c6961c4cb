"""Hold share_nodes against onnxruntime."""

from __future__ import annotations

from typing import Any

from magik_core.passes import share_nodes


def test_a_common_expression_is_computed_once(rewrite: Any) -> None:
    text = "agraph (float[4] x) => (float[4] y) { a = Relu(x) b = Relu(x) c = Exp(a) d = Exp(b) y = Add(c, d) }"
    done = rewrite(share_nodes, text)
    assert done.ops == {"Relu": 1, "Exp": 1, "Add": 1}


def test_other_attributes_stay(rewrite: Any) -> None:
    text = "agraph (float[4] x) => (float[4] y) { a = Elu<alpha=1.0>(x) b = Elu<alpha=2.0>(x) y = Add(a, b) }"
    assert rewrite(share_nodes, text).count == 0
