"""Pow by one constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import fmath
from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case, ints
from magik_core.ops.lut import Pointwise

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class PowParams(Params):
    exponent: float


@dataclass(frozen=True)
class Pow(Pointwise):
    """x^exponent; a negative number to a fraction is NaN, whose code is that of 0.

    Shapes: x any, y as x.
    Source: ONNX Pow, opset 15.
    """

    exponent: float

    onnx = ("Pow",)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        c, y = to.need_constant(node, 1, "exponent"), node.outputs[0]
        if c.size != 1 or not np.isfinite(c).all():
            raise to.problem(node, "exponents that differ or are not finite", c.shape, "one finite number")
        exponent = float(np.float32(c.reshape(-1)[0]))
        x = to.widen(to.take(node, 0, to.dtype(node, cls)), len(to.shape(y)))
        to.emit(node, cls(exponent), [x], y)

    def function(self, x: Array) -> Array:
        return np.power(x, self.exponent)

    def constants(self) -> PowParams:
        return PowParams(float(self.exponent))

    def formula(self, x: Array, p: Params) -> Array:
        return fmath.power(x, self.exponent)


def _number(x: float) -> Array:
    return np.array(x, np.float32)


CASES = [
    case("Pow", _number(2), x=Input((2, 3, 5), -3, 4)),
    case("Pow", _number(3), x=Input((2, 3, 5), -2, 1)),
    case("Pow", ints(-1), x=Input((2, 3, 5), 1, 3)),
    case("Pow", _number(0.5), x=Input((1, 3, 2, 5), 0, 9)),
    case("Pow", _number(0), x=Input((5,), -3, 9)),
    case("Pow", np.full((1, 1, 1), 1.7, np.float32), x=Input((2, 5), 0, 9)),
    case("Pow", _number(-0.3), x=Input((2, 5), 0.5, 9)),
]
