"""ReduceSum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import numerics
from magik_core.ops import Array
from magik_core.ops.cases import Input, case, ints
from magik_core.ops.reduction import Reduction, ReductionParams
from magik_core.program import QuantParams


@dataclass(frozen=True)
class ReduceSum(Reduction):
    """Sum along axes.

    Attributes: as Reduction.
    Shapes: x any; y without the reduced axes, or with size 1 there; at most 2^22 values per output.
    Source: ONNX ReduceSum, opset 13; docs/quantization.md, "Averages".
    """

    onnx = ("ReduceSum",)
    dtypes = ("u8", "u16", "f32")

    def factor(self, x: QuantParams, y: QuantParams) -> tuple[int, int]:
        return numerics.multiplier(x.scale / y.scale)

    def integer(self, p: ReductionParams, x: Array) -> Array:
        rows = self.rows(x)
        total = rows.sum(0, dtype=np.int64) - p.x_zero * len(rows)
        y = numerics.rescale(total, p.multiplier, p.shift) + p.y_zero
        return self.finish(numerics.saturate(y, 0, p.top), x)

    def real(self, p: ReductionParams, x: Array) -> Array:
        return self.finish(self.sequential_sum(x), x)


CASES = [
    case("ReduceSum", ints(2, 3), x=Input((1, 5, 6, 5), -1, 3)),
    case("ReduceSum", ints(-1), x=Input((2, 3, 17), 0, 6), keepdims=0),
    case("ReduceSum", x=(2, 3, 2)),
]
