"""What holds after each stage: our own invariants, so a failure is a bug of ours and not an input's."""

from __future__ import annotations

from collections import Counter

import onnx
import onnx_ir as ir

from magik_core import graph
from magik_core.program import DTYPES, Program


class InvariantError(AssertionError):
    """A stage or pass left something that no stage may leave."""


def verify_graph(model: ir.Model, after: str) -> None:
    """Hold a float graph against its contract.

    Args:   after: the stage or pass that ran last; the message names it.
    Raises: InvariantError: every broken rule.
    """
    broken = [*_model(model), *_values(model), *_nodes(model), *_reachable(model)]
    if broken:
        raise InvariantError(f"after {after}: " + "; ".join(broken))


def _model(model: ir.Model) -> list[str]:
    broken = []
    if dict(model.graph.opset_imports) != {"": graph.OPSET}:
        broken.append(f"opsets are {dict(model.graph.opset_imports)}, not {graph.OPSET}")
    if model.functions:
        broken.append(f"{len(model.functions)} functions are not inlined")
    broken += [f"initializer '{v.name}' is an input" for v in model.graph.inputs if v.is_initializer()]
    broken += [f"initializer '{n}' has no data" for n, v in model.graph.initializers.items() if v.const_value is None]
    return broken


def _values(model: ir.Model) -> list[str]:
    broken = []
    values = [v for v in graph.values(model) if v.name or v.uses()]
    names = Counter(v.name for v in values)
    broken += [f"{count} values are named '{name}'" for name, count in names.items() if count > 1 or not name]
    for value in values:
        if graph.static_shape(value) is None:
            broken.append(f"value '{value.name}' has shape {value.shape}")
        if value.dtype is None:
            broken.append(f"value '{value.name}' has no dtype")
    known = set(values)
    broken += [f"output '{v.name}' is computed nowhere" for v in model.graph.outputs if v not in known]
    return broken


def _nodes(model: ir.Model) -> list[str]:
    broken = []
    names = Counter(node.name for node in model.graph)
    broken += [f"{count} nodes are named '{name}'" for name, count in names.items() if count > 1 or not name]
    ready = {*model.graph.inputs, *model.graph.initializers.values()}
    for node in model.graph:
        if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type):
            broken.append(f"node '{node.name}' is {node.domain}.{node.op_type}, no standard operator")
        if any(v is not None and v not in ready for v in node.inputs):
            broken.append(f"node '{node.name}' reads a value before it is computed")
        ready.update(node.outputs)
    return broken


def _reachable(model: ir.Model) -> list[str]:
    """Find nodes and initializers that no output needs."""
    needed: set[ir.Value] = set(model.graph.outputs)
    broken = []
    for node in reversed(model.graph):
        if needed.isdisjoint(node.outputs):
            broken.append(f"node '{node.name}' is dead")
        needed.update(v for v in node.inputs if v is not None)
    broken += [f"initializer '{n}' is dead" for n, v in model.graph.initializers.items() if v not in needed]
    return broken


def verify_program(program: Program, after: str = "lower") -> Program:
    """Hold a program against its contract and return it.

    Args:   after: the stage that ran last; the message names it.
    Raises: InvariantError: every broken rule.
    """
    broken: list[str] = []
    known = {t.name for t in program.tensors.values() if t.is_constant} | set(program.entering)
    for step in program.steps:
        broken += [f"{step.name} reads '{n}' before it is computed" for n in step.inputs if n not in known]
        broken += [f"{step.name} computes '{n}' again" for n in step.outputs if n in known]
        known.update(step.outputs)
        want = step.op.shape(*(t.shape for t in program.reads(step)))
        have = tuple(t.shape for t in program.writes(step))
        if want != have:
            broken.append(f"{step.name} computes {want}, its tensors say {have}")
    broken += [f"output '{n}' is not computed" for n in program.leaving if n not in known]
    broken += [f"{n} ways into '{name}'" for name, n in Counter(program.entering).items() if n > 1]
    for state in program.states:
        x, y = program.tensors[state.before], program.tensors[state.after]
        if (x.dtype, x.shape, x.quant, x.axes) != (y.dtype, y.shape, y.quant, y.axes):
            broken.append(f"state '{x.name}' is not of the kind of '{y.name}'")
    for t in program.tensors.values():
        if t.data is not None and (t.data.shape != t.shape or t.data.dtype != DTYPES[t.dtype]):
            broken.append(f"'{t.name}' holds {t.data.dtype} {t.data.shape}, it says {t.dtype} {t.shape}")
        if sorted(t.axes) != list(range(len(t.shape))):
            broken.append(f"'{t.name}' has axes {t.axes}")
    if broken:
        raise InvariantError(f"after {after}: " + "; ".join(broken))
    return program
