"""ReduceSum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Params, Tensors
from magik_core.ops.cases import Input, case, ints
from magik_core.ops.reduce import Reduce, ReduceParams
from magik_core.program import QuantParams


@dataclass(frozen=True)
class ReduceSumParams(ReduceParams):
    x_zero: int
    y_zero: int
    top: int  # largest code of y
    multiplier: int  # s_x / s_y
    shift: int  # [1, 62]


@dataclass(frozen=True)
class ReduceSum(Reduce):
    """The sum over some axes, in the order of memory, from 0.

    Attributes: axes: stored axes, ascending; keepdims: they stay, with size 1.
    Shapes: x any; y as x, without `axes` or with size 1 there; on codes at most 2^22 elements per sum.
    Source: ONNX ReduceSum, opset 13; docs/quantization.md, "Mean".
    """

    onnx = ("ReduceSum",)
    max_count = 2**22

    def params(self, x: Tensors, y: Tensors) -> ReduceSumParams:
        a, b = x[0].quant, y[0].quant
        if not (isinstance(a, QuantParams) and isinstance(b, QuantParams)):
            return ReduceSumParams(*self.words_of_axes(), 0, 0, 0, 0, 1)
        scale = numerics.multiplier(a.scale / b.scale)
        return ReduceSumParams(*self.words_of_axes(), int(a.zero_point), int(b.zero_point), b.top, *scale)

    def integer(self, p: Params, x: Array) -> Array:
        assert isinstance(p, ReduceSumParams)
        total = (self.rows(x).astype(np.int64) - p.x_zero).sum(axis=-1)
        return numerics.saturate(numerics.rescale(total, p.multiplier, p.shift) + p.y_zero, 0, p.top)

    def real(self, p: Params, x: Array) -> Array:
        return self.sequential_sum(x)


CASES = [
    case("ReduceSum", ints(1), x=(2, 3, 4, 5)),
    case("ReduceSum", ints(2, -1), x=Input((2, 70, 4, 5), -6, 0), keepdims=0),
    case("ReduceSum", x=Input((3, 5, 7), 0, 6), keepdims=0),
    case("ReduceSum", ints(0, 2), x=(3, 4, 5, 6), range=(-1, 2)),
    case("ReduceSum", ints(-1), x=(200,)),
    case("ReduceSum", x=(3, 4), noop_with_empty_axes=1),
]
