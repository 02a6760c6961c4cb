"""Min and Max."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.broadcast import broadcast_shape
from magik_core.ops.cases import Input, case, floats
from magik_core.ops.clip import Clip
from magik_core.program import CODES, QuantParams, Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class ExtremumParams(Params):
    a_zero: int
    b_zero: int
    y_zero: int
    a_multiplier: int
    b_multiplier: int
    shift: int  # [1, 62]
    top: int  # largest code of y
    is_max: int  # 0 or 1


@dataclass(frozen=True)
class Extremum(Op):
    """The smaller or the larger of a and b with numpy broadcasting; one rounding. NaN wins on f32.

    Attributes: is_max: the larger.
    Shapes: a, b of one rank, sizes equal or 1; y the larger of each.
    Source: ONNX Min and Max, opset 13; docs/quantization.md, "Min and Max".
    """

    is_max: bool

    onnx = ("Min", "Max")
    dtypes = ("u8", "u16", "f32")
    halves = True  # where all codes mean the same
    in_place = (0, 1)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        op, y = cls(node.op_type == "Max"), node.outputs[0]
        if not to.is_float(y):
            raise to.of_integers(node)
        dtype = to.dtype(node, cls)
        quants = [to.quantization.codes(v.name) for v in (*node.inputs, y) if v is not None]
        if any(q is not None and q.zero_point % 1 for q in quants) and len(set(quants)) > 1:
            dtype = "f32"
        if dtype != "u16" and _by_clip(node, to, op.is_max):
            return
        total, *parts = to.aligned(node, range(len(node.inputs)), dtype, y)
        quant = to.quant(y) if dtype in CODES else None
        for i, part in enumerate(parts or [total], 2):  # a code that is already one of y's is not rounded again
            name = None if i >= len(node.inputs) else f"{node.name}/{i}"
            total = to.emit(node, op, [total, part], y, name=name, quant=quant)

    def shape(self, a: Shape, b: Shape) -> tuple[Shape, ...]:
        return (broadcast_shape(a, b),)

    def params(self, x: Tensors, y: Tensors) -> ExtremumParams:
        a, b, c = x[0].quant, x[1].quant, y[0].quant
        if not (isinstance(a, QuantParams) and isinstance(b, QuantParams) and isinstance(c, QuantParams)):
            return ExtremumParams(0, 0, 0, 0, 0, 1, 0, int(self.is_max))
        (m, n), shift = numerics.multipliers(a.scale / c.scale, b.scale / c.scale)
        zeros = int(a.zero_point), int(b.zero_point), int(c.zero_point)
        return ExtremumParams(*zeros, m, n, shift, c.top, int(self.is_max))

    def integer(self, p: Params, a: Array, b: Array) -> Array:
        assert isinstance(p, ExtremumParams)
        left = (a.astype(np.int64) - p.a_zero) * p.a_multiplier
        right = (b.astype(np.int64) - p.b_zero) * p.b_multiplier
        chosen = np.maximum(left, right) if p.is_max else np.minimum(left, right)
        return numerics.saturate(numerics.rescale(chosen, 1, p.shift) + p.y_zero, 0, p.top)

    def real(self, p: Params, a: Array, b: Array) -> Array:
        is_left = (a > b) if self.is_max else (a < b)
        return np.where(is_left | np.isnan(a), a, b)


def _by_clip(node: ir.Node, to: Lowering, is_max: bool) -> bool:
    """Lower the extremum of x and one number as a limit, and that of x alone: a table on u8."""
    if len(node.inputs) > 2:
        return False
    if len(node.inputs) == 1:
        to.emit(node, Clip(), [to.take(node, 0, to.dtype(node, Clip))], node.outputs[0])
        return True
    at = 1 if to.constant(node, 1) is not None else 0
    c, x, y = to.constant(node, at), node.inputs[1 - at], node.outputs[0]
    if c is None or c.size != 1 or to.constant(node, 1 - at) is not None or to.shape(x) != to.shape(y):
        return False
    limit = float(c.reshape(-1)[0])
    op = Clip(low=limit) if is_max else Clip(high=limit)
    to.emit(node, op, [to.take(node, 1 - at, to.dtype(node, Clip))], y)
    return True


CASES = [
    case("Max", (2, 3, 4, 5), x=(2, 3, 4, 5)),
    case("Min", Input((1, 3, 1, 1), 0, 5), x=Input((2, 3, 4, 5), -3, 9)),
    case("Max", Input((4, 1), -1, 7), x=Input((2, 3, 1, 5), 0, 2)),
    case("Min", Input((2, 1, 4), -2, 2), x=Input((3, 1), -1, 7), range=(-1, 1)),
    case("Max", x=Input((2, 3), -1, 7)),
    case("Max", Input((3,), -2, 2), Input((2, 3), -3, 1), x=Input((2, 3), -1, 7)),
    case("Min", Input((3,), -2, 2), Input((2, 1), -3, 1), x=Input((1, 1), -1, 7)),
    case("Max", floats(1), x=Input((2, 3, 2, 2), -1, 7)),
    case("Min", Input((2, 3, 2, 2), -1, 7), x=np.array(0.5, np.float32)),
    case("Min", np.array([0, 1, 2.55], np.float32), x=Input((2, 3), -1, 2)),
]
