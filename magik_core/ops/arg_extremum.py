"""ArgMax and ArgMin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.cases import Input, case
from magik_core.program import Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class ArgExtremumParams(Params):
    axis: int  # stored axis
    is_max: int  # 0 or 1
    is_last: int  # 0 or 1
    keepdims: int  # 0 or 1


@dataclass(frozen=True)
class ArgExtremum(Op):
    """Index of the largest or smallest element along one stored axis; of equal ones the first or the last.

    Attributes: axis: stored; is_max: the largest; is_last: the last of equal ones; keepdims: the axis stays, 1.
    Shapes: x any, y (s32) as x without `axis`, or with size 1 there.
    Source: ONNX ArgMax and ArgMin, opset 13.
    """

    axis: int
    is_max: bool
    is_last: bool = False
    keepdims: bool = True

    onnx = ("ArgMax", "ArgMin")
    dtypes = ("u8", "u16", "f32", "s32")

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        value, y = node.inputs[0], node.outputs[0]
        assert value is not None
        x = to.take(node, 0, to.dtype(node, cls) if to.is_float(value) else "s32")
        axis = to.attribute(node, "axis", 0) % len(x.axes)
        is_last, keepdims = bool(to.attribute(node, "select_last_index", 0)), bool(to.attribute(node, "keepdims", 1))
        axes = x.axes if keepdims else tuple(a - (a > axis) for a in x.axes if a != axis)
        op = cls(x.axes.index(axis), node.op_type == "ArgMax", is_last, keepdims)
        to.emit(node, op, [x], y, dtype="s32", axes=axes)

    def shape(self, x: Shape) -> tuple[Shape, ...]:
        return ((*x[: self.axis], *(1,) * self.keepdims, *x[self.axis + 1 :]),)

    def params(self, x: Tensors, y: Tensors) -> ArgExtremumParams:
        return ArgExtremumParams(self.axis, int(self.is_max), int(self.is_last), int(self.keepdims))

    def integer(self, p: Params, x: Array) -> Array:
        lines = np.moveaxis(x, self.axis, 0)
        best, at = lines[0], np.zeros(lines.shape[1:], np.int32)
        for i, line in enumerate(lines[1:], 1):
            is_better = line > best if self.is_max else line < best
            is_better = is_better | (line == best) if self.is_last else is_better
            best, at = np.where(is_better, line, best), np.where(is_better, np.int32(i), at)
        return np.expand_dims(at, self.axis) if self.keepdims else np.asarray(at)

    real = integer


TIES = (1.0, 0.0, 1.0, 0.0, 0.5, 0.0)

CASES = [
    case("ArgMax", x=(2, 3, 4, 5), axis=1),
    case("ArgMin", x=(2, 3, 4, 5), axis=2, keepdims=0),
    case("ArgMax", x=(2, 3, 4, 5), axis=-3, keepdims=0),
    case("ArgMax", x=Input((2, 3), values=TIES), axis=1, select_last_index=1),
    case("ArgMin", x=Input((2, 3), values=TIES), axis=1, select_last_index=1),
    case("ArgMax", x=Input((6,), values=TIES), keepdims=0),
    case("ArgMin", x=Input((6, 1), values=TIES)),
    case("ArgMax", x=Input((3, 6), dtype="s32"), axis=1),
]
