"""Mul."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.broadcast import affine_by_constant, broadcast_shape
from magik_core.ops.cases import Input, case, floats, weights
from magik_core.ops.convolution import clip, code_limits
from magik_core.program import QuantParams, Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class MulParams(Params):
    a_zero: int
    b_zero: int
    y_zero: int
    multiplier: int
    shift: int  # [1, 62]
    low: int  # smallest and largest code of y
    high: int
    real_low: float
    real_high: float


@dataclass(frozen=True)
class Mul(Op):
    """a * b with numpy broadcasting, then limits; one rounding.

    Attributes: low, high: limits of y in reals.
    Shapes: a, b of one rank, sizes equal or 1; y the larger of each.
    Source: ONNX Mul, opset 14; docs/quantization.md, "Mul".
    """

    low: float = -np.inf
    high: float = np.inf

    onnx = ("Mul",)
    dtypes = ("u8", "u16", "f32")
    in_place = (0, 1)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        if not to.is_float(node.outputs[0]):
            raise to.of_integers(node)
        if affine_by_constant(node, to):
            return
        y, low, high = to.fuse_clip(node)
        a, b = to.aligned(node, (0, 1), to.dtype(node, cls, y), y)
        to.emit(node, cls(low, high), [a, b], y)

    def shape(self, a: Shape, b: Shape) -> tuple[Shape, ...]:
        return (broadcast_shape(a, b),)

    def params(self, x: Tensors, y: Tensors) -> MulParams:
        a, b, c = x[0].quant, x[1].quant, y[0].quant
        real = float(self.low), float(self.high)
        if not (isinstance(a, QuantParams) and isinstance(b, QuantParams) and isinstance(c, QuantParams)):
            return MulParams(0, 0, 0, 0, 1, 0, 0, *real)
        m, shift = numerics.multiplier(a.scale * b.scale / c.scale)
        zeros = int(a.zero_point), int(b.zero_point), int(c.zero_point)
        return MulParams(*zeros, m, shift, *code_limits(c, self.low, self.high), *real)

    def integer(self, p: Params, a: Array, b: Array) -> Array:
        assert isinstance(p, MulParams)
        product = (a.astype(np.int64) - p.a_zero) * (b.astype(np.int64) - p.b_zero)
        return numerics.saturate(numerics.rescale(product, p.multiplier, p.shift) + p.y_zero, p.low, p.high)

    def real(self, p: Params, a: Array, b: Array) -> Array:
        return clip(a * b, self.low, self.high)


CASES = [
    case("Mul", (2, 3, 4, 5), x=(2, 3, 4, 5)),
    case("Mul", Input((1, 3, 1, 1), 0, 5), x=Input((2, 3, 4, 5), -3, 0)),
    case("Mul", Input((4, 1), -1, 7), x=Input((2, 3, 1, 5), 0, 2)),
    case("Mul", Input((5,), 0, 0.01), x=Input((3, 5), -900, 9), range=(-1, 1)),
    case("Mul", Input((2, 1, 4), -2, 2), x=Input((3, 1), -1, 7)),
    case("Mul", weights(3, 1, 1), x=Input((1, 3, 4, 5), -1, 2)),
    case("Mul", floats(1, seed=5), x=Input((1, 3, 4, 5), -1, 2)),
    case("Mul", Input((1, 3, 4, 5), -1, 2), x=floats(1)),
    case("Mul", np.array([[0, 2.55], [1, 0.5]], np.float32), x=Input((3, 2, 2), -1, 2), steps=0.52),
]
CASES += [  # rows about a vector, short rows that repeat, either side constant along a row
    case("Mul", Input((1, 8), 0, 1), x=Input((150, 8), -1, 7)),
    case("Mul", Input((3, 43), -2, 1), x=Input((3, 43), 0, 1)),
    case("Mul", Input((2, 9, 1), 0, 1), x=Input((2, 9, 65), -1, 2)),
    case("Mul", Input((65,), -900, 900), x=Input((65,), -900, 900), range=(-1, 1)),  # a shift below 32
]
