"""Floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class Floor(Pointwise):
    """The largest whole number that is not above x.

    Shapes: x any, y as x.
    Source: ONNX Floor, opset 13.
    """

    onnx = ("Floor",)

    def function(self, x: Array) -> Array:
        return np.floor(x)

    def formula(self, x: Array, p: Params) -> Array:
        return np.floor(x)


CASES = [
    case("Floor", x=Input((2, 3, 5), -4, 3)),
    case("Floor", x=Input((1, 3, 4, 5), 0, 191.25)),
]
