"""MEAN and NORMAL: let the graph take raw input and normalize it itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from magik_core import graph
from magik_core.errors import Problem, UsageError

Numbers: TypeAlias = Sequence[float] | Sequence[Sequence[float]]

TO_NCHW = (0, 3, 1, 2)
RGB = 3  # channels


def normalize(model: ir.Model, mean: Numbers, normal: Numbers) -> None:
    """Insert (x - mean) / normal behind the inputs, so that feeds are raw."""
    problems: list[Problem] = []
    means, normals = _per_input(mean), _per_input(normal)
    for key, lists in (("MEAN", means), ("NORMAL", normals)):
        if len(lists) > len(model.graph.inputs):
            need = f"at most {len(model.graph.inputs)}, one per input"
            problems.append(
                Problem(f"{key} has more lists than the model has inputs", found=str(len(lists)), need=need)
            )
    if any(n == 0 for one in normals for n in one):
        problems.append(Problem("NORMAL is a divisor and cannot be 0", where="NORMAL"))
    for node in model.graph:
        node.metadata_props.pop(graph.HEAD, None)  # a file may say anything
    first = model.graph[0]
    for i, value in enumerate(list(model.graph.inputs) if not problems else []):
        per_channel = [
            _channels(lists, i, value, key, problems) for key, lists in (("MEAN", means), ("NORMAL", normals))
        ]
        _normalize_one(model, first, value, *per_channel)
    if problems:
        raise UsageError(problems=problems)


def _per_input(numbers: Numbers) -> list[list[float]]:
    if all(isinstance(n, (int, float, np.number)) for n in numbers):
        return [[float(n) for n in numbers]] if numbers else []  # type: ignore[arg-type]
    return [[float(n) for n in one] for one in numbers]  # type: ignore[union-attr]


def _channels(lists: list[list[float]], i: int, value: ir.Value, key: str, problems: list[Problem]) -> list[float]:
    """Numbers of one input; a list that is only broadcast to it concerns images alone."""
    shape = graph.static_shape(value) or ()
    if not lists or (i >= len(lists) and (len(shape) != 4 or not graph.is_float(value))):
        return []
    numbers = lists[min(i, len(lists) - 1)]
    count = shape[_channel_axis(value)] if len(shape) > 1 else 1
    where = f"input '{value.name}'"
    if numbers and not graph.is_float(value):
        problems.append(Problem(f"{key} needs an input of floats", where=where, found=graph.describe(value)))
        return []
    if count == 1 and len(numbers) == RGB and len(set(numbers)) == 1:  # scripts have three values for gray images too
        return numbers[:1]
    if len(numbers) not in (0, 1, count):
        found = f"{len(numbers)} values for {graph.describe(value)}"
        need = f"1 value, or {RGB} equal ones" if count == 1 else f"1 or {count} values"
        problems.append(Problem(f"{key} does not fit the channels", where=where, found=found, need=need))
        return []
    return numbers


def _channel_axis(value: ir.Value) -> int:
    readers = graph.consumers(value)
    is_nhwc = bool(readers) and all(
        n.op_type == "Transpose" and tuple(graph.attribute(n, "perm", ())) == TO_NCHW for n in readers
    )
    return -1 if is_nhwc else 1


def _normalize_one(model: ir.Model, first: ir.Node, value: ir.Value, mean: list[float], normal: list[float]) -> None:
    shape = graph.static_shape(value)
    assert shape is not None and value.dtype is not None
    ones = [1] * len(shape)
    if len(shape) > 1:
        ones[_channel_axis(value)] = shape[_channel_axis(value)]
    uses, now = list(value.uses()), value
    steps = (("Sub", "mean", np.array(mean)), ("Mul", "normal", 1 / np.array(normal, np.float64)))
    for op, suffix, numbers in steps:
        if np.all(numbers == (0 if op == "Sub" else 1)):
            continue
        name = graph.unique_name(model, f"{value.name}/{suffix}")
        array = np.ones(ones) * (numbers if numbers.size == 1 else numbers.reshape(ones))
        operand = graph.add_constant(model, f"{name}/value", array.astype(value.dtype.numpy()))
        node = ir.node(op, [now, operand], name=name, metadata_props={graph.HEAD: suffix})
        now = node.outputs[0]
        now.name, now.shape, now.type = name, value.shape, value.type
        model.graph.insert_before(first, node)
    for use in uses:
        use.node.replace_input_with(use.idx, now)
