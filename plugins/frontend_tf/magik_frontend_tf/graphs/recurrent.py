"""Loops that are recurrent layers become LSTM, GRU and RNN; every other loop is an error."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from magik_core import graph
from magik_core.errors import ModelError, Problem
from magik_frontend_tf.graphs import cells, loops, settle
from magik_frontend_tf.graphs.cells import Layer
from magik_frontend_tf.graphs.loops import Recurrence, Unlike, _passed

LOOPS = frozenset({"Loop", "Scan"})
DEFAULTS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}


def recognize(model: ir.Model) -> None:
    """Replace loops by recurrent layers.

    Raises: ModelError: loops that are none, all of them.
    """
    if not any(node.op_type in LOOPS for node in model.graph):
        return
    settle.settle(model)
    problems = []
    for node in list(model.graph):
        if node.op_type in LOOPS:
            try:
                found = loops.recurrence(node)
                _replace(model, found, cells.recognize(found))
            except Unlike as why:
                hint = "give every size: INPUT_SHAPE" if "not known" in str(why) else ""
                where, need = f"{node.op_type} '{node.name}'", "an LSTM, a GRU or a simple recurrent layer"
                problems.append(Problem("a loop is no recurrent layer", where, str(why), need, hint))
    if problems:
        raise ModelError(problems=problems)


def _replace(model: ir.Model, found: Recurrence, layer: Layer) -> None:
    """Put a layer in the place of its loop.

    Raises: Unlike: something is collected or kept that the layer does not give.
    """
    step = cells.Step(found)
    h, *c = (step.states[i] for i in layer.state_of)
    uses: dict[ir.Value, str] = {h.last: "last h", **{s.last: "last c" for s in c}}
    for inner, outer in found.collected:
        if _passed(inner) is _passed(h.after):
            uses[outer] = "all h"
    unknown = [v for v in found.outputs if v not in uses and not _is_counter(v)]
    if unknown:
        raise Unlike(f"it makes '{unknown[0].name}', which is neither a state nor all of them")
    made = _make(model, found, layer, [h.first, *(s.first for s in c)])
    for value, what in uses.items():
        if value.uses() or value.is_graph_output():
            _hand_over(model, found.node, made[what], value)
    found.node.graph.remove(found.node, safe=True)  # type: ignore[union-attr]


def _is_counter(value: ir.Value) -> bool:
    return not value.uses() and not value.is_graph_output()


def _make(model: ir.Model, found: Recurrence, layer: Layer, first: list[ir.Value]) -> dict[str, ir.Value]:
    """Insert the node; what it makes, by name, still with an axis for its one direction."""
    node, name = found.node, graph.unique_name(model, _source_name(found) or layer.op)
    w, r = (
        graph.add_constant(model, f"{name}/{k}", a[None].astype(np.float32))
        for k, a in (("w", layer.w), ("r", layer.r))
    )
    b = graph.add_constant(model, f"{name}/b", np.concatenate([layer.wb, layer.rb])[None].astype(np.float32))
    begin = [None if graph.scalar(v) == 0 else _with_axis(model, node, name, v) for v in first]
    inputs = [found.sequence, w, r, b, None, *begin]
    while inputs[-1] is None:
        inputs.pop()
    attributes: dict[str, Any] = {"hidden_size": int(layer.r.shape[1])}
    if layer.activations != DEFAULTS[layer.op]:
        attributes["activations"] = list(layer.activations)
    if layer.op == "GRU":
        attributes["linear_before_reset"] = int(layer.is_reset_after)
    new = ir.node(layer.op, inputs, attributes, num_outputs=1 + len(first), name=name)
    for value in new.outputs:
        value.type = found.sequence.type
    assert node.graph is not None
    node.graph.insert_before(node, new)
    for value, what in zip(new.outputs, ("y", "y_h", "y_c"), strict=False):
        value.name = graph.unique_name(model, f"{name}/{what}")
    all_h, *last = new.outputs
    return {"all h": all_h, **dict(zip(("last h", "last c"), last, strict=False))}


def _source_name(found: Recurrence) -> str:
    """The scope that the nodes of the step are in, up to the loop itself: `rnn` of `rnn/while/gru_cell/Tanh`."""
    body = found.node.attributes["body"].as_graph()
    parts = [(n.name or "").split("/") for n in body if n.op_type in cells.ACTIVATIONS]
    scope = parts[0][:-1] if parts else []
    while scope and any(other[: len(scope)] != scope for other in parts):
        scope.pop()
    return "/".join(scope[: scope.index("while")] if "while" in scope else scope)


def _with_axis(model: ir.Model, node: ir.Node, name: str, value: ir.Value) -> ir.Value:
    axis = graph.add_constant(model, f"{name}/first", np.array([0], np.int64))
    return graph.insert(node, "Unsqueeze", [value, axis], name=graph.unique_name(model, f"{name}/unsqueeze"))


def _hand_over(model: ir.Model, node: ir.Node, made: ir.Value, old: ir.Value) -> None:
    """Let the readers of a loop's output read what a layer makes, without the axis of directions."""
    axis = 0 if made.index() else 1
    axes = graph.add_constant(model, f"{made.name}/direction", np.array([axis], np.int64))
    new = graph.insert(node, "Squeeze", [made, axes], name=graph.unique_name(model, f"{made.name}/squeeze"))
    name, shape, kind = old.name, old.shape, old.type
    old.name = None
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    new.name, new.shape, new.type = name, shape, kind
