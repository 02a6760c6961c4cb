"""Where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Op, Params, Tensors, width
from magik_core.ops.broadcast import broadcast_shape
from magik_core.ops.cases import Input, case, floats
from magik_core.program import CODES, DTYPES, QuantParams, Shape, Tensor

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class WhereParams(Params):
    a_zero: int
    b_zero: int
    y_zero: int
    a_multiplier: int  # 0: a's codes are y's
    a_shift: int  # [1, 62]
    b_multiplier: int  # 0: b's codes are y's
    b_shift: int  # [1, 62]
    top: int  # largest code of y


@dataclass(frozen=True)
class Where(Op):
    """a where the condition holds, else b, with numpy broadcasting; codes are rescaled, one rounding.

    Shapes: condition (bool), a, b of one rank, sizes equal or 1; y the larger of each.
    Source: ONNX Where, opset 16.
    """

    onnx = ("Where",)
    dtypes = ("u8", "u16", "f32", "s32", "bool")

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        y = node.outputs[0]
        dtype = to.dtype(node, cls) if to.is_float(y) else None
        rank = len(to.shape(y))
        parts = [to.take(node, 0, "bool"), _branch(node, to, 1, dtype), _branch(node, to, 2, dtype)]
        parts = [to.widen(t, rank) for t in parts]
        axes = max(parts, key=lambda t: (t.data is None, t.count)).axes
        c, a, b = (to.relayout(t, axes) for t in parts)
        to.emit(node, cls(), [c, a, b], y, dtype=a.dtype)

    def shape(self, c: Shape, a: Shape, b: Shape) -> tuple[Shape, ...]:
        return (broadcast_shape(c, broadcast_shape(a, b)),)

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return f"where_{x[1].dtype}" if x[1].dtype in CODES else "where_" + width(x[1:])

    def params(self, x: Tensors, y: Tensors) -> WhereParams:
        q = y[0].quant
        if not isinstance(q, QuantParams):
            return WhereParams(0, 0, 0, 0, 1, 0, 1, 0)
        (az, am, ash), (bz, bm, bsh) = (_rescale(t, q) for t in x[1:])
        return WhereParams(az, bz, int(q.zero_point), am, ash, bm, bsh, q.top)

    def integer(self, p: Params, c: Array, a: Array, b: Array) -> Array:
        assert isinstance(p, WhereParams)
        if a.dtype not in (np.uint8, np.uint16) or p.top == 0:
            return self.real(p, c, a, b)
        left = _codes(a, p.a_zero, p.a_multiplier, p.a_shift, p)
        right = _codes(b, p.b_zero, p.b_multiplier, p.b_shift, p)
        return np.where(c != 0, left, right)

    def real(self, p: Params, c: Array, a: Array, b: Array) -> Array:
        return np.where(c != 0, a, b)


def _branch(node: ir.Node, to: Lowering, index: int, dtype: str | None) -> Tensor:
    """An input; a constant among codes gets the codes of the result, so that -infinity is the smallest."""
    c, q = to.constant(node, index), to.quantization.values.get(node.outputs[0].name or "")
    if dtype not in CODES or c is None or q is None:
        return to.take(node, index, dtype)
    return to.add(f"{node.name}/branch{index}", numerics.quantize(c, q).astype(DTYPES[dtype]), dtype, q)


def _rescale(t: Tensor, y: QuantParams) -> tuple[int, int, int]:
    """Zero point, multiplier and shift of a branch; multiplier 0 copies."""
    assert isinstance(t.quant, QuantParams)
    if t.quant == y:
        return 0, 0, 1
    return (int(t.quant.zero_point), *numerics.multiplier(t.quant.scale / y.scale))


def _codes(x: Array, zero: int, m: int, s: int, p: WhereParams) -> Array:
    if m == 0:
        return x
    return numerics.saturate(numerics.rescale(x.astype(np.int64) - zero, m, s) + p.y_zero, 0, p.top)


BOOL = Input((2, 3, 4, 5), dtype="bool")

CASES = [
    case("Where", (2, 3, 4, 5), Input((2, 3, 4, 5), 0, 3), x=BOOL),
    case("Where", Input((1, 3, 1, 1), -9, 0), Input((4, 1), 0, 3), x=BOOL),
    case("Where", (2, 3, 4, 5), (5,), x=Input((3, 1, 1), dtype="bool"), range=(-0.5, 0.5)),
    case("Where", (2, 3, 4, 5), np.array(-3e38, np.float32), x=BOOL, range=(-1, 1)),
    case("Where", floats(5, seed=1), (2, 3, 4, 5), x=BOOL, range=(-1, 1), steps=1.01),
    case("Where", Input((3, 4), dtype="s32"), Input((4,), dtype="s32"), x=Input((3, 1), dtype="bool")),
]
