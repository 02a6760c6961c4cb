"""Transpose: move axes in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core.ops import Array, Op, Params, Tensors, pad8, width
from magik_core.ops.cases import case
from magik_core.program import Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class TransposeParams(Params):
    perm: tuple[int, ...]  # [0, rank); axis i of y is axis perm[i] of x


@dataclass(frozen=True)
class Transpose(Op):
    """Reorder stored axes.

    A Transpose of the source only changes how its axes are said to lie; this step is emitted where
    some other operator needs them to lie otherwise.

    Shapes: x any, y: size i is that of axis perm[i] of x.
    Source: ONNX Transpose, opset 24.
    """

    perm: tuple[int, ...]

    onnx = ("Transpose",)
    dtypes = ("u8", "u16", "f32", "s32", "bool")
    keeps_codes = True

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        x = to.take(node, 0)
        perm = to.attribute(node, "perm", tuple(reversed(range(len(x.axes)))))
        to.rename(x, node.outputs[0], tuple(perm.index(a) for a in x.axes))

    def shape(self, x: Shape) -> tuple[Shape, ...]:
        return (tuple(x[p] for p in self.perm),)

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return "transpose_" + width(x)

    def params(self, x: Tensors, y: Tensors) -> TransposeParams:
        return TransposeParams(pad8(self.perm))

    def integer(self, p: Params, x: Array) -> Array:
        return np.ascontiguousarray(x.transpose(self.perm))

    real = integer


CASES = [
    case("Transpose", x=(2, 3, 4), perm=[2, 0, 1]),
    case("Transpose", x=(2, 3, 4, 5), perm=[0, 3, 1, 2]),
    case("Transpose", x=(2, 3, 4, 5)),
    case("Transpose", x=(1, 2, 3, 2, 5, 3), perm=[0, 3, 1, 4, 2, 5]),
]
