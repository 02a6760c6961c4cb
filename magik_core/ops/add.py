"""Add and Sub."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.broadcast import affine_by_constant, broadcast_shape
from magik_core.ops.cases import Input, case, floats
from magik_core.ops.convolution import clip, code_limits
from magik_core.program import CODES, QuantParams, Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

FEW = 3  # codes: zero points that are tried where the real ones are halves
EXACT = 2.0**-20  # codes by which such a zero point may be off


@dataclass(frozen=True)
class AddParams(Params):
    a_zero: int
    b_zero: int
    y_zero: int
    a_multiplier: int
    b_multiplier: int  # negative: subtract
    shift: int  # [1, 62]
    low: int  # smallest and largest code of y
    high: int
    real_low: float
    real_high: float
    sign: float  # 1 adds b, -1 subtracts it


@dataclass(frozen=True)
class Add(Op):
    """a + sign * b with numpy broadcasting, then limits; one rounding.

    Attributes: sign: 1 or -1; low, high: limits of y in reals.
    Shapes: a, b of one rank, sizes equal or 1; y the larger of each.
    Source: ONNX Add and Sub, opset 14; docs/quantization.md, "Add".
    """

    sign: int = 1
    low: float = -np.inf
    high: float = np.inf

    onnx = ("Add", "Sub")
    dtypes = ("u8", "u16", "f32")
    in_place = (0, 1)
    halves = True

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        if affine_by_constant(node, to):
            return
        y, low, high = to.fuse_clip(node)
        op, dtype = cls(1 if node.op_type == "Add" else -1, low, high), to.dtype(node, cls, y)
        quants = [to.quantization.codes(v.name) for v in (*node.inputs, y) if v is not None]
        if dtype in CODES and not op.has_zeros(quants):
            dtype = "f32"
        to.emit(node, op, to.aligned(node, (0, 1), dtype, y), y)

    def shape(self, a: Shape, b: Shape) -> tuple[Shape, ...]:
        return (broadcast_shape(a, b),)

    def params(self, x: Tensors, y: Tensors) -> AddParams:
        a, b, c = x[0].quant, x[1].quant, y[0].quant
        real = float(self.low), float(self.high), float(self.sign)
        if not (isinstance(a, QuantParams) and isinstance(b, QuantParams) and isinstance(c, QuantParams)):
            return AddParams(0, 0, 0, 0, 0, 1, 0, 0, *real)
        (m, n), shift = self._factors(a, b, c)
        zeros = self.zeros(a, b, c)
        assert zeros is not None, "lowering computes others in f32"
        return AddParams(*zeros, m, n, shift, *code_limits(c, self.low, self.high), *real)

    def _factors(self, a: QuantParams, b: QuantParams, y: QuantParams) -> tuple[tuple[int, ...], int]:
        return numerics.multipliers(a.scale / y.scale, self.sign * b.scale / y.scale)

    def has_zeros(self, quants: Sequence[QuantParams | None]) -> bool:
        """Whether there are zero points for these inputs and this output; None is a constant, whose zero is whole."""
        a, b, y = quants
        if a is None or b is None or y is None:
            return not any(q is not None and q.zero_point % 1 for q in quants)
        return self.zeros(a, b, y) is not None

    def zeros(self, a: QuantParams, b: QuantParams, y: QuantParams) -> tuple[int, int, int] | None:
        """Zero points of a, b and y; where halves are among them, whole ones that give the same sums, if there are.

        Three numbers stand for one: what they add together.
        """
        (m, n), shift = self._factors(a, b, y)
        if not any(q.zero_point % 1 for q in (a, b, y)):
            return int(a.zero_point), int(b.zero_point), int(y.zero_point)
        total = y.zero_point * 2**shift - a.zero_point * m - b.zero_point * n
        for i, j in itertools.product(range(min(FEW, a.top) + 1), range(min(FEW, b.top) + 1)):
            whole = (total + i * m + j * n) / 2**shift
            if abs(whole - round(whole)) < EXACT and 0 <= round(whole) <= y.top:
                return i, j, round(whole)
        return None

    def integer(self, p: Params, a: Array, b: Array) -> Array:
        assert isinstance(p, AddParams)
        total = (a.astype(np.int64) - p.a_zero) * p.a_multiplier + (b.astype(np.int64) - p.b_zero) * p.b_multiplier
        return numerics.saturate(numerics.rescale(total, 1, p.shift) + p.y_zero, p.low, p.high)

    def real(self, p: Params, a: Array, b: Array) -> Array:
        return clip(a + b if self.sign > 0 else a - b, self.low, self.high)


CASES = [
    case("Add", (2, 3, 4, 5), x=(2, 3, 4, 5)),
    case("Add", Input((1, 3, 1, 1), 0, 5), x=Input((2, 3, 4, 5), -3, 0)),
    case("Sub", Input((4, 1), -1, 7), x=Input((2, 3, 1, 5), 0, 2)),
    case("Sub", Input((1, 3, 4, 5), 0, 0.01), x=Input((1, 3, 4, 5), -9, 9), range=(-1, 1)),
    case("Add", floats(1, 3, 1, 1), x=Input((1, 3, 4, 5), -1, 2)),
    case("Add", floats(1, seed=5), x=Input((1, 3, 4, 5), -1, 2)),
    case("Sub", Input((1, 3, 4, 5), -1, 2), x=floats(1)),
    case("Add", np.full((1, 3, 4, 5), 0.5, np.float32), x=Input((1, 3, 4, 5), -1, 2)),
]
CASES += [  # rows about a vector, short rows that repeat, either side constant along a row
    case("Add", Input((1, 33), -3, 1), x=Input((40, 33), -1, 7)),
    case("Add", Input((1, 5, 130)), x=Input((1, 5, 130), 0, 1)),
    case("Sub", Input((9, 70), 0, 3), x=Input((1, 70), -1, 2)),
    case("Add", Input((9, 1), 0, 3), x=Input((1, 70), -1, 2)),
    case("Sub", Input((300, 1), 0, 3), x=Input((300, 1), -1, 2)),
    case("Add", Input((2, 600), -1e-5, 1e-5), x=Input((2, 600), -2, 1), range=(-3, 2)),  # a shift for 64 bits
    case("Add", Input((65,), -900, 900), x=Input((65,), -900, 900), range=(-0.002, 0.002)),
]
