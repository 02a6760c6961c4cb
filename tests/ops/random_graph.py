"""A random graph under construction, and the builders that add nodes to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from magik_core.graph import IR_VERSION, OPSET
from magik_core.ops import by_onnx

Shape = tuple[int, ...]
MOST = 2000  # elements of a tensor


class Misfit(Exception):
    """A node that cannot be made of what was drawn."""


def need(condition: bool) -> None:
    if not condition:
        raise Misfit


@dataclass
class Graph:
    """A graph under construction: nodes, constants, and the shape of every computed value.

    `pick` draws from a strategy; values and weights come from `rng`, so that a shrunk graph keeps them small.
    """

    pick: Callable[[st.SearchStrategy[Any]], Any]
    rng: np.random.Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    inputs: dict[str, Shape] = field(default_factory=dict)

    def integer(self, low: int, high: int) -> int:
        return int(self.pick(st.integers(low, high)))

    def one_of(self, *items: Any) -> Any:
        return self.pick(st.sampled_from(items))

    def constant(self, array: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def floats(self, *shape: int, gain: float = 1.0) -> str:
        return self.constant((gain * self.rng.uniform(-1, 1, shape)).astype(np.float32))

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def add(self, op: str, inputs: list[str], *shapes: Shape, **attributes: Any) -> None:
        """Append a node whose outputs have these shapes."""
        need(all(prod(s) <= MOST and min(s) > 0 for s in shapes))
        names = [f"v{len(self.shapes) + i}" for i in range(len(shapes))]
        self.shapes.update(zip(names, shapes, strict=True))
        self.nodes.append(helper.make_node(op, inputs, names, f"n{len(self.nodes)}", **attributes))

    def unread(self) -> list[str]:
        """Computed values that no node reads: the outputs."""
        read = {name for node in self.nodes for name in node.input}
        return [name for node in self.nodes for name in node.output if name not in read]

    def proto(self) -> onnx.ModelProto:
        value = helper.make_tensor_value_info
        inputs = [value(n, TensorProto.FLOAT, s) for n, s in self.inputs.items()]
        outputs = [value(n, TensorProto.FLOAT, self.shapes[n]) for n in self.unread()]
        read = {name for node in self.nodes for name in node.input}
        constants = [c for c in self.constants if c.name in read]
        graph = helper.make_graph(self.nodes, "random", inputs, outputs, constants)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model


Build = Callable[[Graph, str, Shape], None]
BUILDERS: dict[str, Build] = {}


def builds(*ops: str) -> Callable[[Build], Build]:
    """Offer a builder where every operator that it may use has a kernel."""

    def register(build: Build) -> Build:
        if set(ops) <= set(by_onnx()):
            BUILDERS[build.__name__] = build
        return build

    return register
