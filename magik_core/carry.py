"""What a net carries from run to run: which outputs come back as which inputs, declared, checked and bound."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import onnx_ir as ir

from magik_core import graph
from magik_core.asked import near
from magik_core.errors import ModelError, Problem, UsageError
from magik_core.program import Program, State

PROPERTY = "magik.states"  # of a model: a JSON object, name of the input to name of the output that comes back there
KEY = "STATES"


def pairs(model: ir.Model) -> dict[str, str]:
    """The inputs of a graph that are states, and the output that comes back as each.

    Raises: ModelError: a frontend has written something else there.
    """
    text = model.metadata_props.get(PROPERTY, "{}")
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        need = "a JSON object of names of inputs and outputs"
        raise ModelError("the model's states cannot be read", where=PROPERTY, found=text, need=need)
    return found


def declare(model: ir.Model, states: Mapping[str, str]) -> None:
    """Say which inputs of a prepared graph are states, beside those that a frontend has named.

    Raises: UsageError: everything that keeps them from being carried.
    """
    declared = {**pairs(model), **states}
    if problems := _problems(model, declared):
        raise UsageError(problems=problems)
    if declared:
        ordered = {v.name: declared[v.name] for v in model.graph.inputs if v.name in declared}
        model.metadata_props[PROPERTY] = json.dumps(ordered)


def bind(program: Program, states: Mapping[str, str]) -> Program:
    """A program whose states come back by themselves: they are no inputs and outputs any more."""
    held = {program.source.get(name, name): name for name in program.outputs}
    bound = tuple(State(before, held[after]) for before, after in states.items())
    inputs = tuple(name for name in program.inputs if name not in states)
    outputs = tuple(name for name in program.outputs if name not in {s.after for s in bound})
    return replace(program, inputs=inputs, outputs=outputs, states=bound)


def _problems(model: ir.Model, states: Mapping[str, str]) -> list[Problem]:
    inputs = {v.name or "": v for v in model.graph.inputs}
    outputs = {v.name or "": v for v in model.graph.outputs}
    problems = []
    for before, after in states.items():
        where = f"{KEY}: {before}={after}"
        for name, known, kind in ((before, inputs, "input"), (after, outputs, "output")):
            if name not in known:
                what, need = f"the model has no {kind} of this name", f"one of {', '.join(known)}"
                problems.append(Problem(what, where, name, need, near(name, known)))
        if before in inputs and after in outputs:
            problems += _misfits(where, inputs[before], outputs[after])
    if len(set(states.values())) < len(states):
        twice = sorted({after for after in states.values() if list(states.values()).count(after) > 1})
        problems.append(Problem("an output comes back as two states", KEY, ", ".join(twice), "one input for each"))
    if states and not problems:
        for kind, known, used in (("input", inputs, set(states)), ("output", outputs, set(states.values()))):
            if used.issuperset(known):
                need = f"an {kind} that is no state"
                problems.append(Problem(f"no {kind} is left to the caller", KEY, ", ".join(known), need))
    return problems


def _misfits(where: str, before: ir.Value, after: ir.Value) -> list[Problem]:
    found, need = graph.describe(after), graph.describe(before)
    if found != need:
        return [Problem("a state comes back in another shape or type than it has", where, found, need)]
    if graph.is_raw(before):
        hint = "give MEAN and NORMAL one list per input, [0] and [1] for a state"
        return [Problem("a state cannot be normalized", where, "MEAN or NORMAL of this input", "none", hint)]
    return []
