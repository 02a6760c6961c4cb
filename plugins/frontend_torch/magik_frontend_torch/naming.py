"""Names that a user knows: a node has its module's path, a value its node's name."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence

import onnx
import onnx_ir as ir

SCOPES = "pkg.torch.onnx.name_scopes"  # module paths from the root down, then the traced operator
# what a module is there for; the other nodes of the module only bring its tensors into form
MAIN = frozenset({"Conv", "ConvTranspose", "Gemm", "GRU", "LSTM", "MatMul", "RNN"})


def name_nodes(model: ir.Model, parameters: frozenset[str]) -> None:
    """Name every node after the module that it came from, and every value after its node.

    A module gives its path, `features.0.conv`, to its main node or its only one; the others of several add
    their operator, `lstm/Transpose`. An operator outside modules has the name that torch traced. Parameters keep their names.
    """
    scopes = [_scope(node) for node in model.graph]
    sizes = Counter(path for path, _ in scopes if path)
    taken = {v.name for v in (*model.graph.inputs, *model.graph.initializers.values()) if v.name}
    for node, (path, traced) in zip(model.graph, scopes, strict=True):
        is_main = sizes[path] == 1 or node.op_type in MAIN
        name = _free((path if is_main else f"{path}/{node.op_type}") if path else traced or node.op_type, taken)
        taken.add(name)
        node.name = name
        used = [value for value in node.outputs if value.uses() or value.is_graph_output()]
        for value in node.outputs:
            value.name = (name if len(used) == 1 else _free(f"{name}/{value.index()}", taken)) if value in used else ""
            taken.add(value.name)
    _name_constants(model, parameters, taken)


def name_outputs(model: ir.Model, names: Sequence[str]) -> None:
    """Name the outputs whose names the model itself gives: keys of a dict, fields of a named tuple."""
    taken = {v.name for node in model.graph for v in node.outputs} | set(model.graph.initializers)
    taken |= {v.name for v in model.graph.inputs}
    for value, name in zip(model.graph.outputs, names, strict=False):
        if name and name not in taken and value.producer() is not None:
            value.name = name
            taken.add(name)


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
            name = _free(f"{node.name}/{_input(node.op_type, index)}", taken)
            taken.add(name)
            value.name = name


def _input(op: str, index: int) -> str:
    """The name that ONNX gives an input of an operator; of many alike, the one that they share."""
    if not onnx.defs.has(op):
        return "constant"
    inputs = onnx.defs.get_schema(op).inputs
    return str(inputs[min(index, len(inputs) - 1)].name)


def _free(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name
