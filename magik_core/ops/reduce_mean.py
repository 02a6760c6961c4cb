"""ReduceMean and GlobalAveragePool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Params, Tensors
from magik_core.ops.cases import Input, case, ints
from magik_core.ops.reduce import Reduce, ReduceParams
from magik_core.program import QuantParams


@dataclass(frozen=True)
class ReduceMeanParams(ReduceParams):
    x_zero: int
    y_zero: int
    top: int  # largest code of y
    multiplier: int  # s_x / s_y / 2^16
    shift: int  # [1, 62]


@dataclass(frozen=True)
class ReduceMean(Reduce):
    """The mean over some axes: the sum in the order of memory, from 0, by the count.

    On codes the mean has 16 fraction bits before it is rescaled.

    Attributes: axes: stored axes, ascending; keepdims: they stay, with size 1.
    Shapes: x any; y as x, without `axes` or with size 1 there; on codes at most 2^22 elements per mean.
    Source: ONNX ReduceMean, opset 18, and GlobalAveragePool, opset 22; docs/quantization.md, "Mean".
    """

    onnx = ("ReduceMean", "GlobalAveragePool")
    max_count = 2**22

    def params(self, x: Tensors, y: Tensors) -> ReduceMeanParams:
        a, b = x[0].quant, y[0].quant
        if not (isinstance(a, QuantParams) and isinstance(b, QuantParams)):
            return ReduceMeanParams(*self.words_of_axes(), 0, 0, 0, 0, 1)
        scale = numerics.multiplier(a.scale / b.scale / 2**numerics.AVERAGE_BITS)
        return ReduceMeanParams(*self.words_of_axes(), int(a.zero_point), int(b.zero_point), b.top, *scale)

    def integer(self, p: Params, x: Array) -> Array:
        assert isinstance(p, ReduceMeanParams)
        rows = self.rows(x).astype(np.int64) - p.x_zero
        mean = numerics.average(rows.sum(axis=-1), rows.shape[-1])
        return numerics.saturate(numerics.rescale(mean, p.multiplier, p.shift) + p.y_zero, 0, p.top)

    def real(self, p: Params, x: Array) -> Array:
        return np.asarray(self.sequential_sum(x) / np.float32(self.rows(x).shape[-1]))


CASES = [
    case("GlobalAveragePool", x=Input((2, 70, 7, 5), -3, 1)),
    case("GlobalAveragePool", x=(2, 3, 9)),
    case("GlobalAveragePool", x=Input((1, 3, 41, 43), 0, 255)),
    case("ReduceMean", ints(2, 3), x=(1, 5, 4, 5), keepdims=0),
    case("ReduceMean", ints(1), x=Input((2, 3, 4, 5), 0, 6)),
    case("ReduceMean", ints(0, -2), x=Input((3, 4, 5, 6), -6, 0), keepdims=0),
    case("ReduceMean", ints(-1), x=(4, 6, 10), range=(0, 0.1)),
    case("ReduceMean", ints(0, 2, 4), x=(2, 3, 2, 3, 2), keepdims=0),
    case("ReduceMean", x=(3, 4, 5), keepdims=0),
    case("ReduceMean", ints(1), x=(3, 1, 4)),
    case("ReduceMean", x=(3, 4), noop_with_empty_axes=1),
]
