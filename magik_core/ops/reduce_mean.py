"""ReduceMean and GlobalAveragePool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import numerics
from magik_core.ops import Array
from magik_core.ops.cases import Input, case, ints
from magik_core.ops.reduction import Reduction, ReductionParams
from magik_core.program import QuantParams


@dataclass(frozen=True)
class ReduceMean(Reduction):
    """Mean along axes.

    Attributes: as Reduction.
    Shapes: x any; y without the reduced axes, or with size 1 there; at most 2^22 values per output.
    Source: ONNX ReduceMean opset 18, GlobalAveragePool opset 22; docs/quantization.md, "Averages".
    """

    onnx = ("ReduceMean", "GlobalAveragePool")
    dtypes = ("u8", "u16", "f32")

    def factor(self, x: QuantParams, y: QuantParams) -> tuple[int, int]:
        return numerics.multiplier(x.scale / y.scale / (1 << numerics.AVERAGE_BITS))

    def integer(self, p: ReductionParams, x: Array) -> Array:
        rows = self.rows(x)
        mean = numerics.average(rows.sum(0, dtype=np.int64) - p.x_zero * len(rows), len(rows))
        y = numerics.rescale(mean, p.multiplier, p.shift) + p.y_zero
        return self.finish(numerics.saturate(y, 0, p.top), x)

    def real(self, p: ReductionParams, x: Array) -> Array:
        return self.finish(self.sequential_sum(x) / np.float32(len(self.rows(x))), x)


CASES = [
    case("GlobalAveragePool", x=Input((2, 5, 7, 3), -1, 3)),
    case("GlobalAveragePool", x=(1, 3, 9)),
    case("ReduceMean", ints(2, 3), x=Input((1, 70, 6, 5), 0, 6), keepdims=0),
    case("ReduceMean", ints(-1), x=Input((2, 3, 17), -4, 0)),
    case("ReduceMean", ints(1), x=(2, 6, 4, 5)),
    case("ReduceMean", ints(0, 2), x=(2, 3, 4, 5), keepdims=0),
    case("ReduceMean", x=(3, 4)),
    case("GlobalAveragePool", x=Input((1, 3, 41, 43), 0, 255)),
    case("ReduceMean", ints(0, -2), x=Input((3, 4, 5, 6), -6, 0), keepdims=0),
    case("ReduceMean", ints(0, 2, 4), x=(2, 3, 2, 3, 2), keepdims=0),
    case("ReduceMean", x=(3, 4), noop_with_empty_axes=1),
    case("ReduceMean", ints(2), x=Input((1, 2, 5, 4)), range=(0, 0.1)),
]
