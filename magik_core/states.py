"""The states of recurrent layers: which values hold them, and the parameters that these share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from magik_core import carry, numerics
from magik_core.errors import GraphError, LowerError, Problem
from magik_core.graph import unique_name
from magik_core.imported import Imported
from magik_core.ops import by_onnx
from magik_core.ops.recurrent import Recurrent
from magik_core.ops.recurrent_check import H, problems_of
from magik_core.ops.recurrent_node import UNIT, has, keeps_to_one
from magik_core.program import QuantParams

BITS = 16
CODES = "magik.state_codes"  # property of a node: what the codes of its states mean, if its source says it
Ranges = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Group:
    """Values that hold states in the same codes.

    Args: is_unit: every h among them that a layer leaves stays in [-1, 1], and there is no c.
    """

    names: frozenset[str]
    ys: frozenset[str]  # all of the states h over time, where they tell what a range is to cover
    is_unit: bool


def name_outputs(model: ir.Model) -> int:
    """Give recurrent nodes the outputs that they leave out, so that all states are calibrated; how many.

    Raises: LowerError: attributes and shapes with which no node runs, all of them.
    """
    problems = [problem for node, op in _nodes(model) for problem in problems_of(op, node)]
    if problems:
        raise LowerError(problems=problems)
    count = 0
    for node, op in _nodes(model):
        node.resize_outputs(1 + op.states)
        for i, value in enumerate(node.outputs):
            if not value.name:
                value.name = unique_name(model, f"{node.name}/{('y', 'h', 'c')[i]}")
                _describe(node, i, value)
                count += 1
    return count


def _describe(node: ir.Node, i: int, value: ir.Value) -> None:
    """Type and shape of an output, from x and R."""
    x, r = node.inputs[0], node.inputs[2]
    assert x is not None and x.shape is not None and r is not None and r.shape is not None
    batch_first = node.attributes.get_int("layout", 0) == 1
    time, batch = (x.shape[1], x.shape[0]) if batch_first else (x.shape[0], x.shape[1])
    dirs, hidden = r.shape[0], r.shape[2]
    state = [batch, dirs, hidden] if batch_first else [dirs, batch, hidden]
    y = [batch, time, dirs, hidden] if batch_first else [time, dirs, batch, hidden]
    value.shape, value.type = ir.Shape(state if i else y), x.type


def declared(model: ir.Model) -> dict[str, QuantParams]:
    """Parameters of states that a frontend has written down at their nodes: [scale, zero point, bits] of h, of c.

    Raises: GraphError: every node whose property says something that no codes are.
    """
    found: dict[str, QuantParams] = {}
    problems: list[Problem] = []
    for node, op in _nodes(model):
        if CODES not in node.metadata_props:
            continue
        chosen = _parsed(node.metadata_props[CODES], op.states)
        if chosen is None:
            where, need = f"node '{node.name}'", f"[scale, zero point, bits] of {op.states} states"
            problems.append(Problem("a node's states have no sensible codes", where, f"property '{CODES}'", need))
            continue
        found |= {v.name or "": q for v, q in zip(node.outputs[1:], chosen, strict=True)}
    if problems:
        raise GraphError(problems=problems)
    return found


def _parsed(text: str, count: int) -> list[QuantParams] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_sound = isinstance(found, list) and len(found) == count and all(map(_are_codes, found))
    return [QuantParams(float(scale), float(zero), bits) for scale, zero, bits in found] if is_sound else None


def _are_codes(found: Any) -> bool:
    if not isinstance(found, list) or len(found) != 3 or not all(type(v) in (int, float) for v in found):
        return False
    scale, zero, bits = found
    if (
        type(bits) is not int
        or not 2 <= bits <= BITS
        or not numerics.LEAST_SCALE <= scale <= 1e30
        or not 0 <= zero < 2**bits
    ):
        return False
    return float(np.float32(scale)) == scale and zero * 2 % 1 == 0


def groups(model: ir.Model, imported: Imported) -> list[Group]:
    """The values that hold states, those that share codes together; without what the source has quantized.

    What comes back as an input at the next run has its codes.
    """
    states = [state for node, op in _nodes(model) for state in _states(node, op)]
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.get(name, name) != name:
            name = parent[name]
        return name

    def join(*names: str) -> None:
        for name in names:
            parent[root(name)] = root(names[0])

    for names, _, _ in states:
        join(*names)
    held = {name for names, _, _ in states for name in names}
    while True:  # what moves codes, from and to those that are held
        before = len(held)
        for names, needed in _moves(model):
            if held.issuperset(needed) or (len(needed) == 1 and held.intersection(names)):
                held.update(names)
                join(*names)
        if len(held) == before:
            break
    out = []
    for top in dict.fromkeys(root(names[0]) for names, _, _ in states):
        own = [(y, is_unit) for names, y, is_unit in states if root(names[0]) == top]
        members = frozenset(name for name in held if root(name) == top)
        if not members.intersection(imported.values):
            out.append(Group(members, frozenset(y for y, _ in own if y), all(is_unit for _, is_unit in own)))
    return out


def bits(found: list[Group]) -> dict[str, int]:
    """Width of the codes of every value that holds states."""
    return {name: BITS for group in found for name in group.names}


def params(found: list[Group], ranges: Ranges) -> dict[str, QuantParams]:
    """Parameters of every value that holds states.

    Args: ranges: those that are calibrated; one beyond [-1, 1] tells of a state at the start that no layer has left.
    """
    out = {}
    for group in found:
        own = [ranges[name] for name in sorted(group.names) if name in ranges]
        known = own + [ranges[name] for name in sorted(group.ys) if name in ranges]
        if group.is_unit and all(low >= -1 and high <= 1 for low, high in own):
            chosen = UNIT
        elif known:
            chosen = numerics.params_of_range(min(low for low, _ in known), max(high for _, high in known), BITS)
        else:
            continue
        out.update(dict.fromkeys(sorted(group.names), chosen))
    return out


def _nodes(model: ir.Model) -> Iterator[tuple[ir.Node, type[Recurrent]]]:
    for node in model.graph:
        op = by_onnx().get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if op is not None and issubclass(op, Recurrent):
            yield node, op


def _states(node: ir.Node, op: type[Recurrent]) -> Iterator[tuple[list[str], str, bool]]:
    """Of each state (values before and after, the y that shows it, whether it stays in [-1, 1])."""
    for i in range(op.states):
        before = node.inputs[H + i] if has(node, H + i) else None
        after = node.outputs[1 + i] if len(node.outputs) > 1 + i else None
        computed = _names((before, after))
        if computed:
            yield computed, "" if i else node.outputs[0].name or "", i == 0 and _is_unit(node, op)


def _is_unit(node: ir.Node, op: type[Recurrent]) -> bool:
    try:
        return keeps_to_one(op, node)
    except LowerError:  # lowering reports it
        return False


def _moves(model: ir.Model) -> Iterator[tuple[list[str], list[str]]]:
    """(values between which codes are moved as they are, those of them that are read).

    A Concat moves codes where all that it reads are states.
    """
    for before, after in carry.pairs(model).items():
        yield [before, after], [before]
    for node in model.graph:
        op = by_onnx().get(node.op_type)
        if op is None or not (op.keeps_codes or node.op_type == "Concat"):
            continue
        given = node.inputs if node.op_type == "Concat" else node.inputs[:1]
        reads, writes = (_names(values) for values in (given, node.outputs))
        if reads and writes:
            yield [*reads, *writes], reads


def _names(values: Iterable[ir.Value | None]) -> list[str]:
    """Names of those that are activations."""
    given = [v for v in values if v is not None and v.name and v.const_value is None]
    return [v.name or "" for v in given if v.dtype == ir.DataType.FLOAT]
