"""What the reductions share: axes, shapes, and the elements of each output in one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from magik_core import layout
from magik_core.layout import Axes
from magik_core.ops import Array, Op, Params
from magik_core.program import Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lower import Lowering


@dataclass(frozen=True)
class ReduceParams(Params):
    axes: int  # bit i: stored axis i is reduced; [0, 2^rank)
    keepdims: int  # 0, 1


@dataclass(frozen=True)
class Reduce(Op):
    """Base of the operators that make one number of all elements along some stored axes.

    Attributes: axes: stored axes, ascending; keepdims: they stay, with size 1.
    Shapes: x any; y as x, without `axes` or with size 1 there.
    """

    axes: Axes = ()
    keepdims: bool = True

    max_count: ClassVar[int | None] = None  # elements of one output that its codes' sum has room for

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        y, rank = node.outputs[0], len(to.shape(node.inputs[0]))
        if not to.is_float(y):
            raise to.problem(node, "unsupported type", y.dtype, "float")
        x = to.take(node, 0, to.dtype(node, cls))
        gone = reduced_axes(node, to, rank)
        count = layout.count([to.shape(node.inputs[0])[a] for a in gone])
        if cls.max_count is not None and x.dtype == "u8" and count > cls.max_count:
            raise to.problem(node, "sums do not fit 32 bits", f"{count} elements", f"at most {cls.max_count}")
        if not gone:
            to.rename(x, y, x.axes)
            return
        keepdims = bool(to.attribute(node, "keepdims", 1))
        left = [a for a in range(rank) if a not in gone]
        axes = x.axes if keepdims else tuple(left.index(a) for a in x.axes if a in left)
        op = cls(**cls.attributes(node), axes=tuple(sorted(x.axes.index(a) for a in gone)), keepdims=keepdims)
        to.emit(node, op, [x], y, axes=axes)

    @classmethod
    def attributes(cls, node: ir.Node) -> dict[str, bool]:
        """Fields of the operator that an ONNX operator type decides."""
        return {}

    def shape(self, x: Shape) -> tuple[Shape, ...]:
        if self.keepdims:
            return (tuple(1 if i in self.axes else n for i, n in enumerate(x)),)
        return (tuple(n for i, n in enumerate(x) if i not in self.axes),)

    def words_of_axes(self) -> tuple[int, int]:
        """Values of the fields of ReduceParams."""
        return sum(1 << a for a in self.axes), int(self.keepdims)

    def rows(self, x: Array) -> Array:
        """x as (shape of y…, elements of one output in the order of memory)."""
        kept = [i for i in range(x.ndim) if i not in self.axes]
        wide = x.transpose([*kept, *self.axes]).reshape(*(x.shape[i] for i in kept), -1)
        return wide.reshape(*self.shape(x.shape)[0], wide.shape[-1])

    def sequential_sum(self, x: Array) -> Array:
        """f32 sums from 0 in the order of memory, every sum rounded to f32."""
        total = np.add.accumulate(self.rows(x), axis=-1, dtype=np.float32)[..., -1]
        return np.asarray(total + np.float32(0), np.float32)  # + 0: C starts from 0, so no negative zero


def reduced_axes(node: ir.Node, to: Lowering, rank: int) -> list[int]:
    """Source axes that an ONNX reduction or global pooling takes in, ascending."""
    if node.op_type.startswith("Global"):
        return list(range(2, rank))
    given = to.attribute(node, "axes")
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        given = to.need_constant(node, 1, "axes").reshape(-1).tolist()
    if not given:
        return [] if to.attribute(node, "noop_with_empty_axes", 0) else list(range(rank))
    return sorted({int(a) % rank for a in given})
