"""Run a torch model through the frontend and onnxruntime, beside torch itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import torch
from magik_frontend_torch import load
from torch.utils import _pytree as pytree

from magik_core import graph
from magik_core.hookspecs import Request

DATA = Path(__file__).resolve().parents[1] / "data/torch"


def request(*examples: Any, shapes: Sequence[Sequence[int]] = (), **options: Any) -> Request:
    return Request(input_shapes=tuple(tuple(s) for s in shapes), example_inputs=examples, options=options)


def run(model: ir.Model, *inputs: Any) -> list[np.ndarray]:
    """The outputs of a graph for inputs in its order; inputs that the graph does not read are left out."""
    session = onnxruntime.InferenceSession(graph.serialize(model), providers=["CPUExecutionProvider"])
    names = [value.name for value in model.graph.inputs]
    feeds = {name: np.asarray(x) for name, x in zip(names, inputs, strict=True)}
    return session.run(None, feeds)


def agree(module: Any, *inputs: torch.Tensor, tolerance: float = 1e-5) -> ir.Model:
    """The imported graph, once its outputs are shown to be those of the module."""
    with torch.no_grad():
        modes = [(part, part.training) for part in module.modules()]
        wanted = pytree.tree_leaves(module.eval()(*inputs))
        for part, mode in modes:
            part.training = mode
    model = load(module, request(*inputs))
    found = run(model, *inputs)
    assert len(found) == len(wanted)
    for y, w in zip(found, wanted, strict=True):
        assert y.shape == tuple(w.shape)
        np.testing.assert_allclose(y, w.numpy(), rtol=tolerance, atol=tolerance)
    return model


def types(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]
