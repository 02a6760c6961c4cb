"""Softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import fmath, numerics
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.cases import Input, case
from magik_core.program import QuantParams, Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

ONE = 30  # fraction bits of an exponential and of a probability


@dataclass(frozen=True)
class SoftmaxParams(Params):
    axis: int  # stored axis
    y_zero: int
    multiplier: int  # 2^-30 / s_y
    shift: int  # [1, 62]
    top: int  # largest code of y


@dataclass(frozen=True)
class Softmax(Op):
    """exp(x - max) / sum(exp(x - max)) along one stored axis.

    On u8, with d = max(q) - q: e = table[d] = e^(-s_x d) in 30 fraction bits, total = the exact sum of e,
    (m, k) = reciprocal(total), p = e m / 2^31 rounded half up, y = p / (2^(30 + k) s_y) rounded half up.
    Off by at most 0.51 codes from the real softmax of the same codes up to 2^16 elements along the axis.
    On u16 e is the product of two entries, of d's bytes, in 30 fraction bits; off by (n + 4) 2^-29 / s_y codes more.
    On f32 the sum runs along the axis in order; then each e is divided by it.

    Shapes: x any, y as x.
    Source: ONNX Softmax, opset 13; docs/quantization.md, "Softmax".
    """

    axis: int

    onnx = ("Softmax",)
    dtypes = ("u8", "u16", "f32")
    in_place = (0,)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        x = to.take(node, 0, to.dtype(node, cls))
        axis = to.attribute(node, "axis", -1) % len(x.axes)
        to.emit(node, cls(x.axes.index(axis)), [x], node.outputs[0])

    def shape(self, x: Shape) -> tuple[Shape, ...]:
        return (x,)

    def params(self, x: Tensors, y: Tensors) -> SoftmaxParams:
        q = y[0].quant
        if not isinstance(q, QuantParams):
            return SoftmaxParams(self.axis, 0, 0, 1, 0)
        return SoftmaxParams(self.axis, int(q.zero_point), *numerics.multiplier(2.0**-ONE / q.scale), q.top)

    def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
        """For u8 s32 (256): e^(-s_x d) in 30 fraction bits; the first is 2^30. For u16 (512): then those of 256 d."""
        q = x[0].quant
        if not isinstance(q, QuantParams):
            return ()
        d = np.arange(256.0)
        real = np.exp(-q.scale * (d if x[0].dtype == "u8" else np.concatenate([d, 256 * d])))
        return (numerics.round_half_up(real * 2.0**ONE).astype(np.int32),)

    def integer(self, p: Params, x: Array, table: Array) -> Array:
        assert isinstance(p, SoftmaxParams)
        d, powers = x.max(self.axis, keepdims=True).astype(np.int64) - x, table.astype(np.int64)
        e = powers[d] if len(table) == 256 else numerics.rescale(powers[256 + (d >> 8)] * powers[d & 255], 1, ONE)
        m, k = numerics.reciprocal(e.sum(self.axis, keepdims=True))
        share = numerics.rescale(e, m, 31)
        codes = numerics.rescale(share, p.multiplier, np.minimum(p.shift + k, numerics.MAX_SHIFT))
        return numerics.saturate(codes + p.y_zero, 0, p.top)

    def real(self, p: Params, x: Array) -> Array:
        lines = np.moveaxis(x, self.axis, 0)
        e = fmath.exp(lines - fmath.largest(lines))
        return np.ascontiguousarray(np.moveaxis(e / fmath.total(e), 0, self.axis))


CASES = [
    case("Softmax", x=Input((2, 10), -4, 4)),
    case("Softmax", x=Input((2, 3, 4, 5), -8, 8), axis=1),
    case("Softmax", x=Input((2, 3, 4, 5), -8, 8), axis=2, range=(0, 1)),
    case("Softmax", x=Input((2, 3, 5), 0, 40), axis=0),
    case("Softmax", x=Input((7,), -0.1, 0), range=(0, 1)),
    case("Softmax", x=Input((2, 1), -3, 0), range=(0, 1)),
    case("Softmax", x=Input((3, 501), -3, 0), range=(-0.001, 0.004)),
    case("Softmax", x=Input((1, 4, 3000), 0, 2), axis=2, relative=1e-5),
]
