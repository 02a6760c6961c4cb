"""PRelu with a constant slope."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.cases import Input, case, floats
from magik_core.ops.leaky_relu import LeakyRelu
from magik_core.program import QuantParams, Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class PreluParams(Params):
    axis: int  # stored axis of the channels
    x_zero: int
    y_zero: int
    multiplier: int  # s_x / s_y, of what is not negative
    shift: int  # [1, 62]
    top: int  # largest code of y
    x_half: int  # 0, 1: the zero point of x is half a code below x_zero
    y_half: int  # the same of y


@dataclass(frozen=True)
class Prelu(Op):
    """Pass positive values and scale negative ones by their channel's slope; one rounding.

    Attributes: axis: stored axis of the channels; slopes: one per channel.
    Shapes: x any, y as x.
    Source: ONNX PRelu, opset 16.
    """

    axis: int
    slopes: tuple[float, ...]

    onnx = ("PRelu",)
    dtypes = ("u8", "u16", "f32")
    halves = True
    in_place = (0,)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        slope, y = to.need_constant(node, 1, "slope"), node.outputs[0]
        x = to.take(node, 0, to.dtype(node, cls))
        if slope.size == 1:
            to.emit(node, LeakyRelu(float(slope.reshape(-1)[0])), [x], y)
            return
        wide = slope.reshape((1,) * (len(x.shape) - slope.ndim) + slope.shape)
        axis = int(np.argmax(wide.shape))
        if wide.size != wide.shape[axis]:
            raise to.problem(node, "slope over several axes", slope.shape, "one number, or one per index of an axis")
        to.emit(node, cls(x.axes.index(axis), tuple(float(s) for s in wide.reshape(-1))), [x], y)

    def shape(self, x: Shape) -> tuple[Shape, ...]:
        return (x,)

    def params(self, x: Tensors, y: Tensors) -> PreluParams:
        a, b = x[0].quant, y[0].quant
        if not (isinstance(a, QuantParams) and isinstance(b, QuantParams)):
            return PreluParams(self.axis, 0, 0, 0, 1, 0, 0, 0)
        m, shift = numerics.multiplier(a.scale / b.scale)
        zeros = math.ceil(a.zero_point), math.ceil(b.zero_point)
        return PreluParams(self.axis, *zeros, m, shift, b.top, _half(a.zero_point), _half(b.zero_point))

    def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
        """The slopes, f32 (channels); on codes s32 (channels, 2), multiplier and shift of each."""
        a, b = x[0].quant, y[0].quant
        if not (isinstance(a, QuantParams) and isinstance(b, QuantParams)):
            return (np.array(self.slopes, np.float32),)
        return (np.array([numerics.multiplier(s * a.scale / b.scale) for s in self.slopes], np.int32),)

    def _along(self, table: Array, rank: int) -> Array:
        """A table of the channels so that it broadcasts with x."""
        return table.reshape((-1,) + (1,) * (rank - 1 - self.axis))

    def integer(self, p: Params, x: Array, table: Array) -> Array:
        assert isinstance(p, PreluParams)
        v = x.astype(np.int64) - p.x_zero  # less half a code than it is where x_half says so
        own = table.astype(np.int64)
        m = np.where(v < 0, self._along(own[:, 0], x.ndim), p.multiplier)
        s = np.where(v < 0, self._along(own[:, 1], x.ndim), p.shift)
        codes = numerics.shift(v * m + p.x_half * (m >> 1) - p.y_half * (np.int64(1) << (s - 1)), s)
        return numerics.saturate(codes + p.y_zero, 0, p.top)

    def real(self, p: Params, x: Array, table: Array) -> Array:
        return np.where(x < 0, x * self._along(table, x.ndim), x)


def _half(zero_point: float) -> int:
    return int(zero_point % 1 != 0)


CASES = [
    case("PRelu", floats(3, 1, 1), x=Input((2, 3, 4, 5), -3, 2)),
    case("PRelu", floats(3, 1, seed=4, low=-2, high=3), x=Input((2, 3, 5), -3, 2), range=(-2, 2)),
    case("PRelu", floats(5), x=Input((2, 3, 5), -3, 0)),
    case("PRelu", floats(2, 1, 1), x=Input((2, 3, 5), 0, 3)),
    case("PRelu", floats(1), x=Input((2, 3, 4, 5), -3, 2)),
    case("PRelu", np.zeros((3, 1, 1), np.float32), x=Input((1, 3, 2, 5), -3, 2)),
]
