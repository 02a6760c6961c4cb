"""Names that a user knows: a node has its module's path, a value its node's name."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence

import onnx
import onnx_ir as ir

from magik_core import graph
from magik_core.naming import free_name, take_name

SCOPES = "pkg.torch.onnx.name_scopes"  # module paths from the root down, then the traced operator
# what a module is there for; the other nodes of the module only bring its tensors into form
MAIN = frozenset({"Conv", "ConvTranspose", "Gemm", "GRU", "LSTM", "MatMul", "RNN"})


def name_nodes(model: ir.Model, parameters: frozenset[str]) -> None:
    """Name every node after the module that it came from, and every value after its node.

    A module gives its path, `features.0.conv`, to its main node or its only one; the others of several add
    their operator, `lstm/Transpose`. An operator outside modules has the name that torch traced. Parameters keep
    theirs.
    """
    scopes = [_scope(node) for node in model.graph]
    sizes = Counter(path for path, _ in scopes if path)
    taken = {v.name for v in (*model.graph.inputs, *model.graph.initializers.values()) if v.name}
    for node, (path, traced) in zip(model.graph, scopes, strict=True):
        is_main = sizes[path] == 1 or node.op_type in MAIN
        wanted = (path if is_main else f"{path}/{node.op_type}") if path else traced
        node.name = take_name(wanted or node.op_type, taken)
        _name_values(node, taken)
    _name_constants(model, parameters, taken)


def _name_values(node: ir.Node, taken: set[str]) -> None:
    """A node's only value that is read has the node's name; one that is not, and may be left out, has none."""
    read = [value for value in node.outputs if value.uses() or value.is_graph_output()]
    needed = onnx.defs.get_schema(node.op_type).min_output if onnx.defs.has(node.op_type) else len(node.outputs)
    for index, value in enumerate(node.outputs):
        if value in read and len(read) == 1:
            value.name = node.name
        elif value in read or index < needed:
            value.name = take_name(f"{node.name}/{index}", taken)
        else:
            value.name = ""


def name_outputs(model: ir.Model, names: Sequence[str]) -> None:
    """Name the outputs whose names the model itself gives, keys of a dict and fields of a named tuple.

    An output that is an input, a constant or another output becomes a value of its own.
    """
    taken = {str(v.name) for v in graph.values(model)}
    seen: set[ir.Value] = set()
    for index, value in enumerate(model.graph.outputs):
        if value in seen or value.producer() is None:
            value = _copy(model, value, free_name(f"{value.name}/output", taken))
            model.graph.outputs[index] = value
        seen.add(value)
        if index < len(names) and names[index]:
            value.name = free_name(names[index], taken - {str(value.name)})
        taken.add(str(value.name))


def _copy(model: ir.Model, value: ir.Value, name: str) -> ir.Value:
    node = ir.node("Identity", [value], name=name)
    model.graph.append(node)
    (out,) = node.outputs
    out.name, out.shape, out.type = name, value.shape, value.type
    return out


def _scope(node: ir.Node) -> tuple[str, str]:
    """The path of the innermost module, and the name of the traced operator."""
    try:
        parts = ast.literal_eval(node.metadata_props.get(SCOPES, "[]"))
    except (ValueError, SyntaxError):
        parts = []
    if not isinstance(parts, list) or not parts:
        before = [v.producer() for v in node.inputs if v is not None]
        makers = [p for p in before if p is not None and SCOPES in p.metadata_props]
        return _scope(makers[0]) if makers else ("", "")
    paths = [str(part) for part in parts[:-1] if part]
    return (paths[-1] if paths else ""), str(parts[-1])


def _name_constants(model: ir.Model, parameters: frozenset[str], taken: set[str]) -> None:
    """A constant that is no parameter is named after its first reader and what it is there: `lstm/W`."""
    for value in list(model.graph.initializers.values()):
        uses = list(value.uses())
        if value.name not in parameters and uses:
            node, index = uses[0]
            value.name = take_name(f"{node.name}/{_input(node.op_type, index)}", taken)


def _input(op: str, index: int) -> str:
    """The name that ONNX gives an input of an operator; of many alike, the one that they share."""
    if not onnx.defs.has(op):
        return "constant"
    inputs = onnx.defs.get_schema(op).inputs
    return str(inputs[min(index, len(inputs) - 1)].name)
