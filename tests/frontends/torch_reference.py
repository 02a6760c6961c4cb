"""Run a torch model through the frontend and onnxruntime, beside torch itself."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from magik_frontend_torch import load
from torch.utils import _pytree as pytree

from magik_core import spelling
from magik_core.errors import MagikError, ModelError, Problem
from magik_core.hookspecs import Request

FACTORY = "tests.data.torch.network:build"
SIZES = [(1, 2, 8, 6)]  # of its input


def request(*examples: Any, shapes: Sequence[Sequence[int]] = (), **options: Any) -> Request:
    return Request(input_shapes=tuple(tuple(s) for s in shapes), example_inputs=examples, options=options)


def run(model: ir.Model, *inputs: Any) -> list[np.ndarray]:
    """The outputs of a graph for inputs in its order; inputs that the graph does not read are left out."""
    session = onnxruntime.InferenceSession(spelling.serialize(model), providers=["CPUExecutionProvider"])
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


def problems_of(call: Callable[[], Any], error: type[MagikError] = ModelError) -> tuple[Problem, ...]:
    with pytest.raises(error) as caught:
        call()
    return caught.value.problems


def problem_of(call: Callable[[], Any], error: type[MagikError] = ModelError) -> Problem:
    (problem,) = problems_of(call, error)
    return problem


def rewritten(source: Path, target: Path, change: Callable[[str, bytes], bytes], **more: bytes) -> Path:
    """A copy of an archive with changed entries, its checksums right."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        root = old.namelist()[0].partition("/")[0]
        for name, data in more.items():
            new.writestr(f"{root}/{name}", data)
    return target
