"""Hold normalize_operands against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np

from magik_core.passes import normalize_operands


def test_the_constant_comes_second_and_one_number_is_a_scalar(rewrite: Any) -> None:
    text = "agraph (float[1,4,6,6] x) => (float[1,4,6,6] y) { y = Add(c, x) }"
    add = rewrite(normalize_operands, text, c=np.full((1, 1, 1, 1), 3, np.float32)).model.graph[0]
    assert add.inputs[0].name == "x"
    assert add.inputs[1].shape == ()


def test_order_stays_where_it_matters(rewrite: Any) -> None:
    text = "agraph (float[1,4] x) => (float[1,4] y) { y = Sub(c, x) }"
    sub = rewrite(normalize_operands, text, c=np.array([3], np.float32)).model.graph[0]
    assert sub.inputs[1].name == "x"
    assert sub.inputs[0].shape == ()


def test_a_constant_that_shapes_the_result_stays(rewrite: Any) -> None:
    text = "agraph (float[4] x) => (float[1,1,4] y) { y = Add(x, c) }"
    assert rewrite(normalize_operands, text, c=np.ones((1, 1, 1), np.float32)).model.graph[0].inputs[1].shape == (
        1,
        1,
        1,
    )
