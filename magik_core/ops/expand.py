"""Expand: axes of size 1 stretched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from magik_core.ops import Op
from magik_core.ops.cases import Input, case, ints
from magik_core.ops.tile import Tile

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class Expand(Op):
    """Broadcast a tensor to a constant shape: a Tile along the axes of size 1 that grow.

    Shapes: x any, y: sizes of x, a 1 stretched.
    Source: ONNX Expand, opset 13.
    """

    onnx = ("Expand",)
    dtypes = ("u8", "u16", "f32", "s32", "bool")
    keeps_codes = True

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        to.need_constant(node, 1, "shape")
        y = node.outputs[0]
        want = to.shape(y)
        if 0 in want:
            raise to.problem(node, "the result is empty", want, "sizes of 1 and above")
        x = to.widen(to.take(node, 0), len(want))
        repeats = tuple(want[a] // n for a, n in zip(x.axes, x.shape, strict=True))
        to.emit(node, Tile(repeats), [x], y)


CASES = [
    case("Expand", ints(2, 3, 4, 5), x=(2, 1, 4, 1)),
    case("Expand", ints(3, 1, 1), x=Input((2, 1, 4, 5), 0, 6)),
    case("Expand", ints(2, 1, 6), x=(3, 1)),
    case("Expand", ints(3, 4), x=Input((1,), dtype="s32", values=(5,))),
]
