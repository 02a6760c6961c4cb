"""Cut a graph at named tensors, and put constants in the place of inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from magik_core import asked, graph
from magik_core.errors import Problem, UsageError


def bind_constants(model: ir.Model, constants: Mapping[str, Any]) -> None:
    """Make initializers of the named inputs, of numbers or arrays."""
    known = {v.name or "": v for v in model.graph.inputs}
    problems = [
        Problem(
            "a constant names no input of the model",
            where=name,
            need=f"one of {', '.join(known)}",
            hint=asked.near(name, known),
        )
        for name in constants
        if name not in known
    ]
    arrays = {name: np.asarray(array) for name, array in constants.items()}
    for name, array in arrays.items():
        if name in known and not _fits(known[name], array):
            found, need = f"{array.dtype} {list(array.shape)}", graph.describe(known[name])
            problems.append(Problem("a constant does not fit its input", name, found, need))
    if problems:
        raise UsageError(problems=problems)
    for name, array in arrays.items():
        value = known[name]
        model.graph.inputs.remove(value)
        dtype = value.dtype.numpy() if value.dtype is not None else array.dtype
        value.const_value = ir.tensor(array.astype(dtype), name=name)
        value.shape = ir.Shape(array.shape)
        model.graph.register_initializer(value)


def _fits(value: ir.Value, array: np.ndarray) -> bool:
    if value.shape is not None:
        known = [d if isinstance(d, int) and d > 0 else None for d in value.shape]
        if len(known) != array.ndim or any(d not in (None, n) for d, n in zip(known, array.shape, strict=True)):
            return False
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        return False
    if value.dtype is None or value.dtype.numpy().kind == "f":
        return True
    with np.errstate(invalid="ignore"):
        return bool((array.astype(value.dtype.numpy()) == array).all())


def cut(model: ir.Model, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Make the named tensors the inputs and outputs of the graph, in this order.

    Inputs of the model that the outputs still need follow the named ones.
    Raises: UsageError: names that the model does not have, names given twice, a constant as an input.
    """
    if not inputs and not outputs:
        return
    known = {str(v.name): v for v in graph.values(model) if v.name}
    ends = {"INPUT": model.graph.inputs, "OUTPUT": model.graph.outputs}
    problems = [
        problem
        for key, names in (("INPUT", inputs), ("OUTPUT", outputs))
        for problem in _name_problems(key, names, known, [str(v.name) for v in ends[key]])
    ]
    for name in inputs:
        if name in known and known[name].is_initializer():
            need = "a tensor that a node computes"
            problems.append(Problem("a constant cannot be an input", f"INPUT: {name}", need=need))
    if problems:
        raise UsageError(problems=problems)
    graph.infer(model, strict=False)  # a cut needs the type of the tensor that it cuts
    made = [_as_input(model, known[name]) for name in inputs]
    if outputs:
        chosen = {v.name: v for v in made}
        model.graph.outputs.clear()
        model.graph.outputs.extend(chosen.get(name, known[name]) for name in outputs)
    rest = [v for v in model.graph.inputs if v not in made]
    model.graph.inputs.clear()
    model.graph.inputs.extend([*made, *rest])
    graph.remove_dead(model)


def _name_problems(key: str, names: Sequence[str], known: Mapping[str, ir.Value], ends: Sequence[str]) -> list[Problem]:
    problems = []
    for name in dict.fromkeys(names):
        where = f"{key}: {name}"
        if name not in known:
            problems.append(asked.tensor(key, name, known, ends))
        if list(names).count(name) > 1:
            problems.append(Problem("a tensor is named twice", where))
    return problems


def _as_input(model: ir.Model, value: ir.Value) -> ir.Value:
    if value.is_graph_input():
        return value
    new = ir.Value(name=value.name, shape=value.shape, type=value.type)
    value.name = None
    ir.convenience.replace_all_uses_with(value, new, replace_graph_outputs=True)
    graph.name_everything(model)
    return new
