"""Hold fold_constants against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np

from magik_core import graph, passes
from magik_core.passes import fold_constants
from magik_core.prepare import prepare
from tests.core.graphs import random_feeds, run, source_of


def test_arithmetic_of_constants_is_done() -> None:
    model = prepare(
        source_of("agraph (float[1,4] x) => (float[1,4] y) { y = Add(x, c) }", c=np.float32([[1, 2, 3, 4]]))
    )
    add = model.graph[0]
    add.replace_input_with(1, graph.insert(add, "Mul", [add.inputs[1], add.inputs[1]], shape=(1, 4)))
    graph.name_everything(model)
    before = run(model, random_feeds(model))
    assert passes.apply(fold_constants, model, lambda *said: None) == 1
    assert [node.op_type for node in model.graph] == ["Add"]
    np.testing.assert_array_equal(graph.constant(model.graph[0].inputs[1]), [[1, 4, 9, 16]])
    np.testing.assert_array_equal(run(model, random_feeds(model))[0], before[0])


def test_quantized_weights_stay(rewrite: Any) -> None:
    text = "agraph (float[1,4] x) => (float[1,2] y) { w = DequantizeLinear(q, s) y = MatMul(x, w) }"
    q = np.arange(8, dtype=np.int8).reshape(4, 2)
    assert rewrite(fold_constants, text, q=q, s=np.float32(0.5)).ops == {"DequantizeLinear": 1, "MatMul": 1}
