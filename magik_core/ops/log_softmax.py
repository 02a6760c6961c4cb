"""LogSoftmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import fmath
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.cases import Input, case
from magik_core.program import Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class LogSoftmaxParams(Params):
    axis: int  # stored axis


@dataclass(frozen=True)
class LogSoftmax(Op):
    """(x - max) - log(sum(exp(x - max))) along one stored axis, on f32; the sum runs in order.

    Shapes: x any, y as x.
    Source: ONNX LogSoftmax, opset 13.
    """

    axis: int

    onnx = ("LogSoftmax",)
    dtypes = ("f32",)
    in_place = (0,)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        x = to.take(node, 0, "f32")
        axis = to.attribute(node, "axis", -1) % len(x.axes)
        to.emit(node, cls(x.axes.index(axis)), [x], node.outputs[0])

    def shape(self, x: Shape) -> tuple[Shape, ...]:
        return (x,)

    def params(self, x: Tensors, y: Tensors) -> LogSoftmaxParams:
        return LogSoftmaxParams(self.axis)

    def real(self, p: Params, x: Array) -> Array:
        lines = np.moveaxis(x, self.axis, 0)
        most = fmath.largest(lines)
        log_total = fmath.log(fmath.total(fmath.exp(lines - most)))
        return np.ascontiguousarray(np.moveaxis((lines - most) - log_total, 0, self.axis))


CASES = [
    case("LogSoftmax", x=Input((2, 10), -4, 4), is_float_only=True),
    case("LogSoftmax", x=Input((2, 3, 4, 5), -8, 8), axis=1, is_float_only=True),
    case("LogSoftmax", x=Input((2, 3, 5), 0, 40), axis=0, is_float_only=True),
    case("LogSoftmax", x=Input((2, 1), 0, 40), is_float_only=True),
]
