"""Names that people know, and no nodes that do nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

import onnx_ir as ir

from magik_core import graph
from magik_core.naming import take_name

RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
MOVED = "/nchw"  # how transposes.py names what was in NHWC
NUMBERED = re.compile(r"(__\d+)+(?=(:\d+)?$)")  # how tf2onnx names nodes of its own


def rename(model: ir.Model, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    """Name inputs and outputs as asked, and every other value without TensorFlow's `:0`.

    Args: inputs, outputs: the name that is asked for, by tensor.
    """
    taken = {*inputs.values(), *outputs.values()}
    for inner in model.graphs():
        values = [*inner.inputs, *inner.initializers.values(), *(v for node in inner for v in node.outputs)]
        for value in values:
            wanted = _wanted(value, inputs, outputs)
            if wanted is None:
                wanted = take_name((value.name or "").removesuffix(":0"), taken)
            if wanted != value.name:
                _set_name(inner, value, wanted)


def _wanted(value: ir.Value, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> str | None:
    table = inputs if value.is_graph_input() else outputs if value.is_graph_output() else {}
    return table.get(value.name or "")


def _set_name(inner: ir.Graph, value: ir.Value, name: str) -> None:
    is_initializer = value.is_initializer()
    if is_initializer:
        inner.initializers.pop(value.name or "")
    value.name = name
    if value.const_value is not None:
        value.const_value.name = name
    if is_initializer:
        inner.initializers[name] = value


def tidy(model: ir.Model) -> None:
    """Read images of bytes as reals, drop what is not used, and put all in an order of its own, named for it."""
    for value in model.graph.inputs:
        _as_real(value)
    graph.remove_dead(model)
    _sort(model)
    _restore_names(model)
    _renumber(model)
    graph.name_everything(model)
    for domain in [domain for domain in model.graph.opset_imports if domain]:
        del model.graph.opset_imports[domain]


def _sort(model: ir.Model) -> None:
    """Order nodes and constants by where the outputs, from first to last, need them: tf2onnx's order is chance."""
    order: dict[ir.Node, None] = {}
    constants: dict[str, ir.Value] = {}
    waiting = [(value, False) for value in reversed(model.graph.outputs)]
    while waiting:
        value, is_done = waiting.pop()
        node = value.producer()
        if value.is_initializer():
            constants.setdefault(value.name or "", value)
        if node is None or node in order:
            continue
        if is_done:
            order[node] = None
        else:
            waiting.append((value, True))
            waiting += [(v, False) for v in reversed(node.inputs) if v is not None]
    rest = [node for node in model.graph if node not in order]
    nodes = [*order, *rest]
    model.graph.remove(nodes)
    model.graph.extend(nodes)
    others = {name: value for name, value in model.graph.initializers.items() if name not in constants}
    model.graph.initializers.clear()
    model.graph.initializers.update({**constants, **others})


def _renumber(model: ir.Model) -> None:
    """Number anew what tf2onnx numbered, in the order of the graph; nodes are named for what they make."""
    values = graph.values(model)
    taken = {value.name for value in values if value.name and not NUMBERED.search(value.name)}
    for value in values:
        if value.name and value.name not in taken:
            _set_name(model.graph, value, take_name(NUMBERED.sub("", value.name), taken))
    for node in model.graph:
        if not node.name or NUMBERED.search(node.name):
            node.name = _scope_of_layer(node) or next((v.name for v in node.outputs if v.name), None)


def _scope_of_layer(node: ir.Node) -> str:
    """The name of a recurrent layer that tf2onnx made: its sequence is transposed in the layer's own scope."""
    source = node.inputs[0].name if node.op_type in RECURRENT and node.inputs[0] is not None else ""
    scope, _, own = (source or "").rpartition("/")
    return scope if own.startswith("transpose") else ""


def _restore_names(model: ir.Model) -> None:
    """What was moved to NCHW has its own name back where nothing else has it now."""
    taken = {value.name for value in graph.values(model)}
    for value in graph.values(model):
        name = (value.name or "").removesuffix(MOVED)
        if name not in taken and value.name != name:
            _set_name(model.graph, value, name)
            taken.add(name)


def _as_real(value: ir.Value) -> None:
    """An input of integers that is only cast to reals is one of reals."""
    readers = graph.consumers(value)
    casts = [n for n in readers if n.op_type == "Cast" and graph.attribute(n, "to") == ir.DataType.FLOAT]
    if value.dtype in (None, ir.DataType.FLOAT) or not readers or len(casts) < len(readers) or value.is_graph_output():
        return
    if all(graph.bypass(node, value) for node in casts):
        value.dtype = ir.DataType.FLOAT
