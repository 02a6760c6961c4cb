"""What the reductions share: axes, shapes, and the order in which values are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import layout
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.program import MAX_DIMS, QuantParams, Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

MAX_COUNT = 1 << 22  # values per output: sums of codes of u8 stay in int32, of u16 with fraction bits in int64


@dataclass(frozen=True)
class ReductionParams(Params):
    reduced: tuple[int, ...]  # per axis of x, 0 or 1
    keep: int  # 0, 1: reduced axes stay with size 1
    x_zero: int
    y_zero: int
    multiplier: int
    shift: int  # [1, 62]
    top: int  # largest code of y


@dataclass(frozen=True)
class Reduction(Op):
    """Base of the operators that combine values along axes.

    Attributes: axes: stored axes that disappear; keep: they stay with size 1.
    """

    axes: tuple[int, ...]
    keep: bool = True

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        x, y = to.take(node, 0, to.dtype(node, cls)), node.outputs[0]
        rank = len(x.axes)
        source = reduced_axes(node, to, rank)
        if source is None:
            to.rename(x, y, x.axes)
            return
        keep = node.op_type.startswith("Global") or bool(to.attribute(node, "keepdims", 1))
        if layout.count([to.shape(node.inputs[0])[a] for a in source]) > MAX_COUNT:
            raise to.problem(node, "too many values per output", to.shape(node.inputs[0]), f"at most {MAX_COUNT}")
        left = [a for a in range(rank) if a not in source]
        axes = x.axes if keep else tuple(left.index(a) for a in x.axes if a in left)
        to.emit(node, cls(tuple(sorted(x.axes.index(a) for a in source)), keep), [x], y, axes=axes)

    def shape(self, x: Shape) -> tuple[Shape, ...]:
        if self.keep:
            return (tuple(1 if i in self.axes else n for i, n in enumerate(x)),)
        return (tuple(n for i, n in enumerate(x) if i not in self.axes),)

    def factor(self, x: QuantParams, y: QuantParams) -> tuple[int, int]:
        """Multiplier and shift from the combined codes to those of y."""
        return 0, 1

    def params(self, x: Tensors, y: Tensors) -> ReductionParams:
        reduced = tuple(int(i in self.axes) for i in range(MAX_DIMS))
        a, b = x[0].quant, y[0].quant
        if not (isinstance(a, QuantParams) and isinstance(b, QuantParams)):
            return ReductionParams(reduced, int(self.keep), 0, 0, 0, 1, 0)
        return ReductionParams(reduced, int(self.keep), int(a.zero_point), int(b.zero_point), *self.factor(a, b), b.top)

    def rows(self, x: Array) -> Array:
        """Values to combine along axis 0, in memory order of the reduced axes; the outputs' axes follow."""
        left = [i for i in range(x.ndim) if i not in self.axes]
        moved = x.transpose(*self.axes, *left)
        return moved.reshape(-1, *(x.shape[i] for i in left))

    def finish(self, y: Array, x: Array) -> Array:
        """The combined values in the shape of the output."""
        return y.reshape(self.shape(x.shape)[0])

    def sequential_sum(self, x: Array) -> Array:
        """f32 sum from 0 over the rows, one after the other."""
        acc = np.zeros(self.rows(x).shape[1:], np.float32)
        for row in self.rows(x):
            acc = acc + row
        return acc


def reduced_axes(node: ir.Node, to: Lowering, rank: int) -> tuple[int, ...] | None:
    """Source axes that a node reduces; None when it does nothing."""
    if node.op_type.startswith("Global"):
        return tuple(range(2, rank))
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        given = tuple(int(a) for a in to.need_constant(node, 1, "axes").reshape(-1))
    else:
        given = to.attribute(node, "axes", ())
    if not given:
        return None if to.attribute(node, "noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(sorted(a % rank for a in given))
