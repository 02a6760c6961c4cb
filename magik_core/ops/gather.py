"""Gather: elements of an axis in the order of an index tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from magik_core import layout, numerics
from magik_core.ops import Array, Op, Params, Tensors, width
from magik_core.ops.cases import Input, case, floats, ints
from magik_core.program import MAX_DIMS, Shape, Tensor

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class GatherParams(Params):
    axis: int  # [0, rank of the data)


@dataclass(frozen=True)
class Gather(Op):
    """Take elements of a stored axis by index: rows of a table (an embedding) or of an activation.

    A negative index counts from the end; a computed index that is still outside takes the nearest
    element (a constant one is refused).

    Shapes: x any, index any; y: the index's sizes in place of the axis.
    Source: ONNX Gather, opset 13.
    """

    axis: int

    onnx = ("Gather",)
    dtypes = ("u8", "u16", "f32", "s32", "bool")
    keeps_codes = True

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        y = node.outputs[0]
        axis = to.attribute(node, "axis", 0) % len(to.shape(node.inputs[0]))
        _check(node, to, axis)
        x = _data(node, to, cls)
        index = to.take(node, 1, "s32")
        index = to.relayout(index, layout.source_order(len(index.axes)))
        k, more = x.axes.index(axis), len(index.axes) - 1
        other = [a if a < axis else a + more for a in x.axes]
        axes = (*other[:k], *range(axis, axis + more + 1), *other[k + 1 :])
        to.emit(node, cls(k), [x, index], y, axes=axes)

    def shape(self, x: Shape, index: Shape) -> tuple[Shape, ...]:
        return ((*x[: self.axis], *index, *x[self.axis + 1 :]),)

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return "gather_" + width(x)

    def params(self, x: Tensors, y: Tensors) -> GatherParams:
        return GatherParams(self.axis)

    def integer(self, p: Params, x: Array, index: Array) -> Array:
        size = x.shape[self.axis]
        at = index.astype(np.int64)
        return x.take(np.clip(np.where(at < 0, at + size, at), 0, size - 1), self.axis)

    real = integer


def _check(node: ir.Node, to: Lowering, axis: int) -> None:
    """Refuse constant indices outside of the axis, and results of too many axes or none."""
    shape, indices = to.shape(node.outputs[0]), to.constant(node, 1)
    if len(shape) > MAX_DIMS or 0 in shape:
        need = f"at most {MAX_DIMS} axes, sizes of 1 and above"
        raise to.problem(node, "the result has a shape that no kernel writes", shape, need)
    size = to.shape(node.inputs[0])[axis]
    if indices is not None and (indices.min() < -size or indices.max() >= size):
        found = f"[{indices.min()}, {indices.max()}]"
        raise to.problem(node, "an index is outside of the axis", found, f"[{-size}, {size - 1}]")


def _data(node: ir.Node, to: Lowering, cls: type[Op]) -> Tensor:
    """The tensor to gather from; a constant table gets the codes of the output."""
    y, table = node.outputs[0], to.constant(node, 0)
    if table is None or not to.is_float(y) or to.dtype(node, cls) == "f32":
        return to.take(node, 0)
    quant = to.quant(y)
    return to.add(f"{y.name}/table", numerics.quantize(table, quant), quant.dtype, quant)


TABLE: Any = floats(9, 6)  # an embedding
EMBEDDED = Input((5,), dtype="s32", values=(8, 0, 3, -9, 3))

CASES = [
    case("Gather", ints(2, 0, -1), x=(3, 4)),
    case("Gather", ints(2, 0, 0, -3), x=Input((2, 3, 4, 5), -3, 1), axis=1),
    case("Gather", np.array([[1, 3], [0, -1]]), x=(1, 3, 4, 5), axis=-2),
    case("Gather", np.array(-1), x=Input((2, 3, 4, 5), 0, 6), axis=3),
    case("Gather", np.array(1), x=(2, 3), axis=0),
    case("Gather", np.array(3), x=(5,)),
    case("Gather", Input((2, 4), dtype="s32", values=(0, 6, -7, 3, -1, 2, 2, 5)), x=(7, 5)),
    case("Gather", Input((3,), dtype="s32", values=(1, -2, 0)), x=(2, 3, 4), axis=2),
    case("Gather", ints(1, 1, 0), x=Input((2, 3), dtype="s32"), axis=1),
    case("Gather", ints(1, 0), x=Input((2, 3), dtype="bool")),
    case("Gather", EMBEDDED, x=TABLE),
]
