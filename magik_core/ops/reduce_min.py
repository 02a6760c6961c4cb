"""ReduceMin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core.ops import Array
from magik_core.ops.cases import Input, case, ints
from magik_core.ops.reduction import Reduction, ReductionParams


@dataclass(frozen=True)
class ReduceMin(Reduction):
    """Minimum along axes; codes stay as they are.

    Attributes: as Reduction.
    Shapes: x any; y without the reduced axes, or with size 1 there.
    Source: ONNX ReduceMin, opset 20.
    """

    onnx = ("ReduceMin",)
    dtypes = ("u8", "u16", "f32")
    keeps_codes = True

    def integer(self, p: ReductionParams, x: Array) -> Array:
        return self.finish(self.rows(x).min(0), x)

    def real(self, p: ReductionParams, x: Array) -> Array:
        rows = self.rows(x)
        best = rows[0]
        for row in rows[1:]:
            best = np.where(row < best, row, best)
        return self.finish(best, x)


CASES = [
    case("ReduceMin", ints(2, 3), x=Input((2, 5, 7, 3), -1, 3)),
    case("ReduceMin", ints(-1), x=Input((2, 3, 17), -4, 0), keepdims=0),
    case("ReduceMin", x=(2, 3, 2)),
]
