"""Each invariant of a float graph, broken on purpose."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest

from magik_core import graph
from magik_core.prepare import prepare
from magik_core.verify import InvariantError, verify_graph
from tests.core.graphs import source_of

TEXT = "agraph (float[4] x) => (float[4] y) { r = Relu(x) y = Mul(r, c) }"


def opset(model: ir.Model) -> None:
    model.graph.opset_imports[""] = 11


def no_shape(model: ir.Model) -> None:
    model.graph[0].outputs[0].shape = ir.Shape(["n"])


def no_dtype(model: ir.Model) -> None:
    model.graph[0].outputs[0].type = None


def same_node_name(model: ir.Model) -> None:
    model.graph[1].name = model.graph[0].name


def same_value_name(model: ir.Model) -> None:
    model.graph[0].outputs[0].name = "x"


def custom(model: ir.Model) -> None:
    model.graph[0].domain = "com.example"


def dead_node(model: ir.Model) -> None:
    new = graph.insert(model.graph[1], "Abs", [model.graph.inputs[0]], name="extra", shape=(4,))
    new.name = "extra"


def dead_constant(model: ir.Model) -> None:
    graph.add_constant(model, "k", np.ones(4, np.float32))


def order(model: ir.Model) -> None:
    first = model.graph[0]
    model.graph.remove(first)
    model.graph.append(first)


def foreign_output(model: ir.Model) -> None:
    model.graph.outputs.append(ir.Value(name="z", shape=ir.Shape([4]), type=ir.TensorType(ir.DataType.FLOAT)))


BREAKS: list[tuple[Callable[[ir.Model], None], str]] = [
    (opset, "opsets are {'': 11}"),
    (no_shape, r"value 'r' has shape \[n\]"),
    (no_dtype, "value 'r' has no dtype"),
    (same_node_name, "2 nodes are named 'r'"),
    (same_value_name, "2 values are named 'x'"),
    (custom, "node 'r' is com.example.Relu, no standard operator"),
    (dead_node, "node 'extra' is dead"),
    (dead_constant, "initializer 'k' is dead"),
    (order, "node 'y' reads a value before it is computed"),
    (foreign_output, "output 'z' is computed nowhere"),
]


@pytest.mark.parametrize(("break_it", "text"), BREAKS, ids=[b.__name__ for b, _ in BREAKS])
def test_a_broken_invariant_names_the_stage(break_it: Callable[[ir.Model], None], text: str) -> None:
    model = prepare(source_of(TEXT, c=np.arange(4, dtype=np.float32)))
    verify_graph(model, "prepare")
    break_it(model)
    with pytest.raises(InvariantError, match=f"after break: .*{text}"):
        verify_graph(model, "break")
