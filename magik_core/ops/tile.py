"""Tile: the same elements again and again along each axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core.ops import Array, Op, Params, Tensors, pad8, width
from magik_core.ops.cases import Input, case, ints
from magik_core.program import Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class TileParams(Params):
    repeats: tuple[int, ...]  # [1, 2^31)


@dataclass(frozen=True)
class Tile(Op):
    """Repeat a tensor along its stored axes.

    Attributes: repeats: one per stored axis, 1 and above.
    Shapes: x any, y: sizes of x times `repeats`.
    Source: ONNX Tile, opset 13.
    """

    repeats: tuple[int, ...]

    onnx = ("Tile",)
    dtypes = ("u8", "u16", "f32", "s32", "bool")
    keeps_codes = True

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        x = to.take(node, 0)
        repeats = to.need_constant(node, 1, "repeats").tolist()
        if min(repeats, default=1) < 1:
            raise to.problem(node, "the result is empty", f"repeats {repeats}", "repeats of 1 and above")
        to.emit(node, cls(tuple(repeats[a] for a in x.axes)), [x], node.outputs[0])

    def shape(self, x: Shape) -> tuple[Shape, ...]:
        return (tuple(n * r for n, r in zip(x, self.repeats, strict=True)),)

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return "tile_" + width(x)

    def params(self, x: Tensors, y: Tensors) -> TileParams:
        return TileParams(pad8(self.repeats, 1))

    def integer(self, p: Params, x: Array) -> Array:
        return np.tile(x, self.repeats)

    real = integer


CASES = [
    case("Tile", ints(1, 2, 1, 3), x=(2, 3, 4, 5)),
    case("Tile", ints(2, 1, 3, 1), x=Input((1, 3, 2, 2), -4, 0)),
    case("Tile", ints(7), x=(1,)),
    case("Tile", ints(1, 1), x=(3, 5)),
    case("Tile", ints(2, 2, 2), x=Input((3, 1, 2), dtype="s32")),
    case("Tile", ints(2, 3), x=Input((3, 1), dtype="bool")),
]
