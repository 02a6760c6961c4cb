"""Div."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Op, Params
from magik_core.ops.broadcast import affine_by_constant, broadcast_shape
from magik_core.ops.cases import Input, case, floats, weights
from magik_core.ops.lut import Pointwise
from magik_core.ops.mul import Mul
from magik_core.program import DTYPES, Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class Div(Op):
    """a / b with numpy broadcasting, on f32.

    On codes a divisor that is a constant becomes a factor; a dividend that is one number makes a table.

    Shapes: a, b of one rank, sizes equal or 1; y the larger of each.
    Source: ONNX Div, opset 14.
    """

    onnx = ("Div",)
    dtypes = ("f32",)
    in_place = (0, 1)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        if not to.is_float(node.outputs[0]):
            raise to.of_integers(node)
        b = to.constant(node, 1)
        if (b is None or b.all()) and (affine_by_constant(node, to) or _by_table(node, to)):
            return
        if b is not None and b.all() and to.dtype(node, Mul) != "f32":
            _by_reciprocals(node, to, b)
            return
        x = to.aligned(node, (0, 1), "f32", node.outputs[0])
        to.emit(node, cls(), x, node.outputs[0])

    def shape(self, a: Shape, b: Shape) -> tuple[Shape, ...]:
        return (broadcast_shape(a, b),)

    def real(self, p: Params, a: Array, b: Array) -> Array:
        return a / b


@dataclass(frozen=True)
class Quotient(Pointwise):
    """dividend / x, as a table.

    Shapes: x any, y as x.
    Source: docs/quantization.md, "Tables".
    """

    dividend: float

    dtypes = ("u8", "u16")

    def function(self, x: Array) -> Array:
        return self.dividend / x


def _by_table(node: ir.Node, to: Lowering) -> bool:
    """Lower c / x on codes where c is one number."""
    c, x, y = to.constant(node, 0), node.inputs[1], node.outputs[0]
    if c is None or c.size != 1 or to.dtype(node, Quotient) == "f32" or to.shape(x) != to.shape(y):
        return False
    to.emit(node, Quotient(float(c.reshape(-1)[0])), [to.take(node, 1, to.dtype(node, Quotient))], y)
    return True


def _by_reciprocals(node: ir.Node, to: Lowering, divisor: Array) -> None:
    """Lower x / c on codes as a product with the codes of 1 / c."""
    y, low, high = to.fuse_clip(node)
    c, dtype = 1 / divisor.astype(np.float64), to.dtype(node, Mul, y)
    quant = numerics.params_of_range(float(c.min()), float(c.max()), 8 * DTYPES[dtype].itemsize)
    factor = to.add(f"{node.name}/reciprocal", numerics.quantize(c, quant), dtype, quant)
    rank = len(to.shape(y))
    x = to.widen(to.take(node, 0, dtype), rank)
    to.emit(node, Mul(low, high), [x, to.relayout(to.widen(factor, rank), x.axes)], y)


CASES = [
    case("Div", Input((2, 3, 4, 5), 1, 4), x=(2, 3, 4, 5), is_float_only=True),
    case("Div", Input((4, 1), -3, -1), x=(2, 3, 1, 5), is_float_only=True),
    case("Div", Input((2, 1, 4), 1, 2), x=Input((3, 1), -1, 7), is_float_only=True),
    case("Div", floats(1, low=1, high=3), x=Input((1, 3, 4, 5), -1, 2)),
    case("Div", 1 / weights(3, 1, 1, bits=3), x=Input((1, 3, 4, 5), -1, 2)),
    case("Div", np.array([[-8.0, 4], [1, 2]], np.float32), x=Input((3, 2, 2), -1, 2), steps=1.0),
    case("Div", Input((2, 3), -2, -1), x=np.array(3, np.float32), range=(-3, 0)),
]
