"""Neg."""

from __future__ import annotations

from dataclasses import dataclass

from magik_core.ops import Array, Params
from magik_core.ops.affine import Affine
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class Neg(Pointwise):
    """-x.

    Shapes: x any, y as x.
    Source: ONNX Neg, opset 13.
    """

    onnx = ("Neg",)

    def straight(self) -> Affine:
        return Affine(-1.0)

    def function(self, x: Array) -> Array:
        return -x

    def formula(self, x: Array, p: Params) -> Array:
        return -x


CASES = [
    case("Neg", x=Input((2, 3, 5), -4, 3)),
    case("Neg", x=Input((1, 3, 4, 5), 0, 3)),
]
