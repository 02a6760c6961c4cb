"""And, Or, Xor and Not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.broadcast import broadcast_shape
from magik_core.ops.cases import Input, case
from magik_core.program import Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

FUNCTIONS = {"And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor}


@dataclass(frozen=True)
class LogicParams(Params):
    function: int  # index in FUNCTIONS


@dataclass(frozen=True)
class Logic(Op):
    """And, Or or Xor of two conditions with numpy broadcasting; Not is Xor with true.

    Attributes: function: the ONNX operator's name.
    Shapes: a, b (bool) of one rank, sizes equal or 1; y the larger of each.
    Source: ONNX And, Or and Xor, opset 7; Not, opset 1.
    """

    function: str

    onnx = ("And", "Or", "Xor", "Not")
    dtypes = ("bool",)
    in_place = (0, 1)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        y = node.outputs[0]
        if node.op_type == "Not":
            x = to.take(node, 0, "bool")
            true = to.add(f"{node.name}/true", np.ones((1,) * len(x.shape), np.uint8), "bool")
            to.emit(node, cls("Xor"), [x, true], y)
            return
        to.emit(node, cls(node.op_type), to.aligned(node, (0, 1), "bool", y), y)

    def shape(self, a: Shape, b: Shape) -> tuple[Shape, ...]:
        return (broadcast_shape(a, b),)

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return "logic_x8"

    def params(self, x: Tensors, y: Tensors) -> LogicParams:
        return LogicParams(list(FUNCTIONS).index(self.function))

    def integer(self, p: Params, a: Array, b: Array) -> Array:
        return np.asarray(FUNCTIONS[self.function](a, b)).astype(np.uint8)


CASES = [
    case("And", Input((2, 3, 4, 5), dtype="bool"), x=Input((2, 3, 4, 5), dtype="bool")),
    case("Or", Input((3, 1, 1), dtype="bool"), x=Input((2, 3, 4, 5), dtype="bool")),
    case("Xor", Input((1, 5), dtype="bool"), x=Input((3, 1), dtype="bool")),
    case("And", np.array([True, False, True]), x=Input((4, 3), dtype="bool")),
    case("Not", x=Input((2, 3, 4, 5), dtype="bool")),
]
