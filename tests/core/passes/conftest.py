"""Small graphs written as text, and a harness that holds a pass against onnxruntime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import numpy_helper, parser

from magik_core import graph, passes
from magik_core.prepare import prepare


@dataclass(frozen=True)
class Rewritten:
    """What a pass did: `count` as it returned it, the operators that are left, what it declined."""

    count: int
    ops: Counter[str]
    declined: list[tuple[str, str]]
    model: ir.Model


Rewrite = Callable[..., Rewritten]


def model_of(text: str, /, **constants: np.ndarray) -> ir.Model:
    """Prepare a model of ONNX text; `constants` become initializers that the text may name."""
    body = parser.parse_graph(text)
    body.initializer.extend(numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items())
    model = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", graph.OPSET)])
    return prepare(ir.from_proto(model))


def run(model: ir.Model, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        graph.serialize(model), options, providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, feeds))


def random_feeds(model: ir.Model, seed: int = 0) -> dict[str, np.ndarray]:
    """Return normal numbers, three wide: they reach both ends of every clamp."""
    rng = np.random.default_rng(seed)
    return {
        str(v.name): (3 * rng.standard_normal(graph.static_shape(v))).astype(np.float32)
        for v in model.graph.inputs
    }


@pytest.fixture
def rewrite() -> Rewrite:
    """Run one pass on a graph until it changes no more; the outputs may not change beyond 1e-4."""

    def inner(one: passes.Pass, text: str, /, **constants: np.ndarray) -> Rewritten:
        model = model_of(text, **constants)
        passes.apply(passes.normalize_operands, model, lambda node, reason: None)
        feeds, declined, count = random_feeds(model), [], 0
        before = run(model, feeds)
        names = [v.name for v in model.graph.outputs]
        while changed := passes.apply(one, model, lambda *said: declined.append(said)):
            count += changed
        for old, new in zip(before, run(model, feeds), strict=True):
            np.testing.assert_allclose(new, old, rtol=1e-4, atol=1e-5)
        assert [v.name for v in model.graph.outputs] == names
        return Rewritten(count, Counter(node.op_type for node in model.graph), declined, model)

    return inner
