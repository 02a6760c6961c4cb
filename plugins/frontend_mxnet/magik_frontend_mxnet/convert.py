"""Walk a symbol and call the function of each layer; everything that is wrong is reported together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from onnx import NodeProto, helper

from magik_core.errors import GraphError, Problem, short
from magik_core.graph import IR_VERSION, OPSET
from magik_frontend_mxnet import hints, layers
from magik_frontend_mxnet.builder import Builder
from magik_frontend_mxnet.call import Call
from magik_frontend_mxnet.reader import Source
from magik_frontend_mxnet.refusal import Refusal, Unknown
from magik_frontend_mxnet.symbol import VARIABLE, Node, Output


def convert(source: Source) -> ir.Model:
    """Return the model that a symbol and its parameters describe.

    Raises: GraphError: every layer that cannot be taken, every parameter that is missing or no number.
    """
    walk = _Walk(source)
    for index in sorted(_needed(source)):
        if source.symbol.nodes[index].op != VARIABLE:
            walk.layer(index)
    outputs = walk.heads()
    if walk.problems:
        raise GraphError(problems=list(dict.fromkeys(walk.problems)))
    return _model(source, walk, outputs)


def _needed(source: Source) -> set[int]:
    """The nodes that the outputs hang on."""
    needed: set[int] = set()
    waiting = [index for index, _ in source.symbol.heads]
    while waiting:
        index = waiting.pop()
        if index not in needed:
            needed.add(index)
            waiting += [i for i, _ in source.symbol.nodes[index].inputs]
    return needed


class _Walk:
    """The state between layers: what each output of a node is called in the graph."""

    def __init__(self, source: Source) -> None:
        self.source, self.builder, self.problems = source, Builder(), list[Problem]()
        self.inputs: list[str] = []
        self._values: dict[Output, str] = {}
        self._stored: dict[str, str] = {}  # parameters that are constants by now
        self._broken: set[str] = set()
        self._zeros: set[str] = set()
        self._sizes = hints.inputs(source)

    def layer(self, index: int) -> None:
        node = self.source.symbol.nodes[index]
        where, since = f"{short(node.op)} '{short(node.name)}' in {self.source.path.name}", len(self.builder.nodes)
        inputs = [self._value(output) for output in node.inputs]
        call = Call(self.builder, node, inputs, self._parameter, frozenset(self.inputs), self._zeros)
        try:
            made = layers.function(node.op)(call)
            outputs = [made] if isinstance(made, str) else made
            self._settle(index, node, call, outputs, since)
        except Refusal as refusal:
            self.builder.undo(since)
            if not (isinstance(refusal, Unknown) and self._broken & set(inputs)):
                self._report(where, refusal)
            self._break(index, node)

    def _settle(self, index: int, node: Node, call: Call, outputs: list[str], since: int) -> None:
        """Name the outputs as MXNet does, and the node that makes the first as the layer is named."""
        own = {name for made in self.builder.nodes[since:] for name in made.output}
        fixed = [n if n in own or n in self._zeros else call.emit("Identity", n) for n in outputs]
        suffixes = layers.suffixes(node.op, len(fixed))
        names = {
            old: self.builder.unique(f"{node.name}_{suffix}")
            for old, suffix in zip(fixed, suffixes, strict=True)
            if old not in self._zeros
        }
        self.builder.rename(names, since)
        for position, old in enumerate(fixed):
            self._values[index, position] = names.get(old, old)
        made = next((n for n in self.builder.nodes[since:] if self._values[index, 0] in n.output), None)
        if made is not None:
            made.name = node.name
        if self._broken & set(call.inputs):
            self._broken.update(self._values[index, i] for i in range(len(fixed)))

    def _break(self, index: int, node: Node) -> None:
        name = self.builder.add_unknown(f"{node.name}_output")
        self._values[index, 0] = name
        self._broken.add(name)

    def _report(self, where: str, refusal: Refusal) -> None:
        self.problems.append(Problem(refusal.what, where, refusal.found, refusal.need, refusal.hint))

    def _value(self, output: Output) -> str:
        index, position = output
        node = self.source.symbol.nodes[index]
        if node.op == VARIABLE:
            return self._variable(node)
        first = self._values[index, 0]
        if output not in self._values and first not in self._broken:
            where = f"{node.op} '{node.name}' in {self.source.path.name}"
            need = "outputs that a layer has when it runs, not in training"
            self.problems.append(Problem("an output of a layer is not there", where, f"output {position}", need))
        return self._values.get(output, first)

    def _variable(self, node: Node) -> str:
        stored = self._parameter(node.name)
        if stored is not None:
            return stored
        if node.name not in self.inputs:
            self.inputs.append(node.name)
            self.builder.add_input(self._sizes[node.name])
        return node.name

    def _parameter(self, name: str) -> str | None:
        """The constant of a variable; none where the file has no values of it."""
        if name in self.source.params and name not in self._stored:
            array = self.source.params[name]
            if array.dtype.kind == "f":
                if not np.isfinite(array).all():
                    nan, inf = int(np.isnan(array).sum()), int(np.isinf(array).sum())
                    found = f"{nan} NaN and {inf} infinite of {array.size} values"
                    self.problems.append(Problem("a weight is not a number", f"parameter '{name}'", found))
                array = array.astype(np.float32)
            self._stored[name] = self.builder.add_constant(name, array)
        return self._stored.get(name)

    def heads(self) -> list[str]:
        """The outputs of the model, each a value of its own that a node has made."""
        taken: list[str] = []
        seen: set[str] = set()
        made = {name for node in self.builder.nodes for name in node.output}
        for head in self.source.symbol.heads:
            value = self._value(head)
            if value in self._zeros:
                self.problems.append(Problem("an output is zeros of an open size", f"output '{value}'"))
            elif (value in seen or value not in made) and value not in self._broken:
                copy = self.builder.unique(f"{value}_output")
                self.builder.add_node("Identity", [value], [copy], copy, {})
                value = copy
            seen.add(value)
            taken.append(value)
        return taken


def _model(source: Source, walk: _Walk, outputs: Sequence[str]) -> ir.Model:
    builder = walk.builder
    used = {name for node in builder.nodes for name in node.input}
    by_name = [node.name for node in source.symbol.nodes if node.name in walk.inputs and node.op == VARIABLE]
    inputs = [helper.make_value_info(n, builder.types[n]) for n in dict.fromkeys(by_name) if n in used]
    results = [helper.make_value_info(name, builder.types[name]) for name in outputs]
    stored = [helper.make_value_info(n, builder.types[n]) for n in builder.constants if n in used]
    nodes = [NodeProto.FromString(node.SerializeToString()) for node in builder.nodes]
    name = source.path.name.removesuffix(".json").removesuffix("-symbol")
    graph = helper.make_graph(nodes, name, [*inputs, *stored], results)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    model: ir.Model = ir.from_proto(proto)  # without the weights: a protobuf holds 2 GB at most
    model.producer_name = "mxnet"
    for value in list(model.graph.inputs)[len(inputs) :]:
        model.graph.inputs.remove(value)
        value.const_value = ir.tensor(np.array(builder.constants[str(value.name)], order="C"), name=value.name)
        model.graph.register_initializer(value)
    return model
