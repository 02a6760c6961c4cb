"""Cut a graph at named tensors, and put constants in the place of inputs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from magik_core import graph
from magik_core.errors import Problem, UsageError


def bind_constants(model: ir.Model, constants: Mapping[str, np.ndarray]) -> None:
    """Make initializers of the named inputs."""
    known = {v.name or "": v for v in model.graph.inputs}
    problems = [
        Problem(
            "a constant names no input of the model",
            where=name,
            need=f"one of {', '.join(known)}",
            hint=_nearest(name, list(known)),
        )
        for name in constants
        if name not in known
    ]
    for name, array in constants.items():
        if name in known and not _fits(known[name], np.asarray(array)):
            want = f"{graph.describe(known[name])}"
            found = f"{np.asarray(array).dtype} {list(np.asarray(array).shape)}"
            problems.append(Problem("a constant does not fit its input", where=name, found=found, need=want))
    if problems:
        raise UsageError(problems=problems)
    for name, array in constants.items():
        value = known[name]
        model.graph.inputs.remove(value)
        dtype = value.dtype.numpy() if value.dtype is not None else None
        value.const_value = ir.tensor(np.asarray(array, dtype=dtype), name=name)
        value.shape = ir.Shape(np.asarray(array).shape)
        model.graph.register_initializer(value)


def _fits(value: ir.Value, array: np.ndarray) -> bool:
    shape = (
        [d if isinstance(d, int) and d > 0 else None for d in value.shape]
        if value.shape is not None
        else None
    )
    if shape is not None and len(shape) != array.ndim:
        return False
    if shape is not None and any(d not in (None, n) for d, n in zip(shape, array.shape, strict=True)):
        return False
    return value.dtype is None or np.can_cast(array.dtype, value.dtype.numpy(), "same_kind")


def cut(model: ir.Model, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Make the named tensors the inputs and outputs of the graph."""
    if not inputs and not outputs:
        return
    known = {v.name: v for v in graph.values(model) if v.name}
    problems = [
        Problem(
            f"the model has no tensor to cut at for {key}",
            where=f"{key}: {name}",
            hint=_nearest(name, list(known)),
        )
        for key, names in (("INPUT", inputs), ("OUTPUT", outputs))
        for name in names
        if name not in known
    ]
    problems += [
        Problem(f"{key} names a tensor twice", where=f"{key}: {name}")
        for key, names in (("INPUT", inputs), ("OUTPUT", outputs))
        for name in dict.fromkeys(names)
        if list(names).count(name) > 1
    ]
    problems += [
        Problem("a constant cannot be an input", where=f"INPUT: {name}", need="a tensor that a node computes")
        for name in inputs
        if name in known and known[name].is_initializer()
    ]
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


def _as_input(model: ir.Model, value: ir.Value) -> ir.Value:
    if value.is_graph_input():
        return value
    new = ir.Value(name=value.name, shape=value.shape, type=value.type)
    value.name = None
    ir.convenience.replace_all_uses_with(value, new, replace_graph_outputs=True)
    graph.name_everything(model)
    return new


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f"did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
