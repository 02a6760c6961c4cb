"""ReduceMax and GlobalMaxPool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core.ops import Array
from magik_core.ops.cases import Input, case, ints
from magik_core.ops.reduction import Reduction, ReductionParams


@dataclass(frozen=True)
class ReduceMax(Reduction):
    """Maximum along axes; codes stay as they are.

    Attributes: as Reduction.
    Shapes: x any; y without the reduced axes, or with size 1 there.
    Source: ONNX ReduceMax opset 20, GlobalMaxPool opset 22.
    """

    onnx = ("ReduceMax", "GlobalMaxPool")
    dtypes = ("u8", "u16", "f32")
    keeps_codes = True

    def integer(self, p: ReductionParams, x: Array) -> Array:
        return self.finish(self.rows(x).max(0), x)

    def real(self, p: ReductionParams, x: Array) -> Array:
        rows = self.rows(x)
        best = rows[0]
        for row in rows[1:]:
            best = np.where(row > best, row, best)
        return self.finish(best, x)


CASES = [
    case("GlobalMaxPool", x=Input((1, 70, 4, 3), -1, 3)),
    case("ReduceMax", ints(2, 3), x=Input((2, 5, 7, 3), -1, 3)),
    case("ReduceMax", ints(-1), x=Input((2, 3, 17), -4, 0), keepdims=0),
    case("ReduceMax", x=(2, 3, 2)),
]
