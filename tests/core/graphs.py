"""Small graphs written as ONNX text, real ones of the shared folder, and onnxruntime to run them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import numpy_helper, parser

from magik_core import graph, spelling

SHARED = Path(__file__).resolve().parents[3] / "shared"
Feeds = dict[str, np.ndarray]

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is missing")


def proto_of(text: str, /, *, opset: int = graph.OPSET, **constants: np.ndarray) -> onnx.ModelProto:
    """The model of a graph's text; `constants` become initializers that the text may name."""
    body = parser.parse_graph(text)
    body.initializer.extend(numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items())
    return onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=10)


def source_of(text: str, /, **constants: np.ndarray) -> ir.Model:
    """The same as an unprepared onnx_ir model."""
    return ir.from_proto(proto_of(text, **constants))


def run(model: ir.Model | onnx.ModelProto, feeds: Feeds) -> list[np.ndarray]:
    """Run without onnxruntime's own rewrites, so that a wrong one of ours cannot hide behind them."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    data = spelling.serialize(model) if isinstance(model, ir.Model) else model.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds))


def random_feeds(model: ir.Model, seed: int = 0) -> Feeds:
    """Normal numbers, three wide: they reach both ends of every clamp."""
    rng = np.random.default_rng(seed)
    shapes = {str(v.name): graph.static_shape(v) for v in model.graph.inputs}
    return {name: (3 * rng.standard_normal(shape)).astype(np.float32) for name, shape in shapes.items()}
