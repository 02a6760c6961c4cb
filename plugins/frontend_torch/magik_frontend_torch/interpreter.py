"""Run TorchScript code operator by operator, so that whoever records operators sees each of them.

Branches and loops are decided as they run: by sizes and settings, never by the contents of tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from magik_core.errors import ModelError
from magik_frontend_torch import script_ops

MOST_NODES = 1_000_000  # executed; a loop that does not end is none of ours
MOST_DEPTH = 200
Handler = Callable[["Interpreter", Any, dict[str, Any]], Sequence[Any]]


class Interpreter:
    """One run of a module's code.

    Args: where: the file, for messages.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.executed = 0
        self.depth = 0
        self.method = "forward"  # what the next module that is called runs
        self.written: dict[tuple[str, str], Any] = {}  # by path of the module and name of the attribute
        self._functions: dict[str, Any] = {}

    def run_graph(self, graph: Any, args: Sequence[Any]) -> Any:
        """Run a method or function with these arguments; `self` is the first one of a method."""
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise self.refusal("the code calls itself too deeply", need=f"at most {MOST_DEPTH} calls in each other")
        values = {value.debugName(): arg for value, arg in zip(graph.inputs(), args, strict=True)}
        self.run_nodes(graph.nodes(), values)
        self.depth -= 1
        out = [values[value.debugName()] for value in graph.outputs()]
        return out[0] if len(out) == 1 else tuple(out)

    def run_block(self, block: Any, args: Sequence[Any], values: dict[str, Any]) -> list[Any]:
        """Run a branch or a body; it sees the values around it."""
        values.update({value.debugName(): arg for value, arg in zip(block.inputs(), args, strict=True)})
        self.run_nodes(block.nodes(), values)
        return [values[value.debugName()] for value in block.outputs()]

    def run_nodes(self, nodes: Any, values: dict[str, Any]) -> None:
        for node in nodes:
            self.executed += 1
            if self.executed > MOST_NODES:
                raise self.refusal("the code runs too long", need=f"at most {MOST_NODES} operators, loops unrolled")
            handler = PRIM.get(node.kind())
            if handler is not None:
                out = handler(self, node, values)
            else:
                out = script_ops.call(self, node, [values[v.debugName()] for v in node.inputs()])
            values.update({value.debugName(): item for value, item in zip(node.outputs(), out, strict=True)})

    def function(self, node: Any) -> Any:
        """The graph of the function that a node calls: a graph of that call alone, inlined."""
        key = node.inputsAt(0).type().annotation_str
        if key not in self._functions:
            graph: Any = torch._C.Graph()
            callee = graph.createClone(node.inputsAt(0).node(), lambda value: value)
            graph.appendNode(callee)
            given = [graph.addInput().setType(value.type()) for value in list(node.inputs())[1:]]
            inputs = iter([callee.output(), *given])  # the clone asks for each input in turn
            graph.appendNode(call := graph.createClone(node, lambda value: next(inputs)))
            for value in call.outputs():
                graph.registerOutput(value)
            torch._C._jit_pass_inline(graph)
            self._functions[key] = graph
        return self._functions[key]

    def refusal(self, what: str, found: str = "", need: str = "", hint: str = "") -> ModelError:
        return ModelError(what, where=self.where, found=found, need=need, hint=hint)


def _inputs(node: Any, values: dict[str, Any]) -> list[Any]:
    return [values[value.debugName()] for value in node.inputs()]


def _constant(run: Interpreter, node: Any, values: dict[str, Any]) -> Sequence[Any]:
    return [node.output().toIValue()]


def _get_attribute(run: Interpreter, node: Any, values: dict[str, Any]) -> Sequence[Any]:
    owner, name = values[node.inputsAt(0).debugName()], node.s("name")
    if not hasattr(owner, "attribute"):
        raise run.refusal("the code uses an object of a class of its own", type(owner).__name__, "modules and tensors")
    return [owner.attribute(name)]


def _set_attribute(run: Interpreter, node: Any, values: dict[str, Any]) -> Sequence[Any]:
    owner, value = _inputs(node, values)
    if not hasattr(owner, "attribute"):
        raise run.refusal("the code uses an object of a class of its own", type(owner).__name__, "modules and tensors")
    owner.set_attribute(node.s("name"), value)
    return []


def _call_method(run: Interpreter, node: Any, values: dict[str, Any]) -> Sequence[Any]:
    owner, *args = _inputs(node, values)
    if not hasattr(owner, "call_method"):
        raise run.refusal("the code uses an object of a class of its own", type(owner).__name__, "modules and tensors")
    return [owner.call_method(node.s("name"), tuple(args))]


def _call_function(run: Interpreter, node: Any, values: dict[str, Any]) -> Sequence[Any]:
    return [run.run_graph(run.function(node), _inputs(node, values)[1:])]


def _if(run: Interpreter, node: Any, values: dict[str, Any]) -> Sequence[Any]:
    yes, no = node.blocks()
    return run.run_block(yes if script_ops.number(_inputs(node, values)[0]) else no, [], values)


def _loop(run: Interpreter, node: Any, values: dict[str, Any]) -> Sequence[Any]:
    most, goes_on, *carried = _inputs(node, values)
    (body,) = node.blocks()
    turn = 0
    while script_ops.number(goes_on) and turn < script_ops.number(most):
        goes_on, *carried = run.run_block(body, [turn, *carried], values)
        turn += 1
    return carried


def _raise(run: Interpreter, node: Any, values: dict[str, Any]) -> Sequence[Any]:
    said = str(_inputs(node, values)[0])
    raise run.refusal("the model refuses its inputs", said, "inputs that its forward takes")


PRIM: dict[str, Handler] = {
    "prim::Constant": _constant,
    "prim::GetAttr": _get_attribute,
    "prim::SetAttr": _set_attribute,
    "prim::CallMethod": _call_method,
    "prim::CallFunction": _call_function,
    "prim::If": _if,
    "prim::Loop": _loop,
    "prim::RaiseException": _raise,
    "prim::ListConstruct": lambda run, node, values: [_inputs(node, values)],
    "prim::TupleConstruct": lambda run, node, values: [tuple(_inputs(node, values))],
    "prim::DictConstruct": lambda run, node, values: [
        dict(zip(_inputs(node, values)[::2], _inputs(node, values)[1::2], strict=True))
    ],
    "prim::ListUnpack": lambda run, node, values: list(_inputs(node, values)[0]),
    "prim::TupleUnpack": lambda run, node, values: list(_inputs(node, values)[0]),
    "prim::TupleIndex": lambda run, node, values: [_inputs(node, values)[0][_inputs(node, values)[1]]],
    "prim::Uninitialized": lambda run, node, values: [None],
    "prim::unchecked_cast": lambda run, node, values: _inputs(node, values),
    "prim::data": lambda run, node, values: _inputs(node, values),
    "prim::NumToTensor": lambda run, node, values: _inputs(node, values),
    "prim::Print": lambda run, node, values: [],
}
