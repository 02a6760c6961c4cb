"""Sin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import fmath
from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class Sin(Pointwise):
    """sin(x).

    Shapes: x any, y as x.
    Source: ONNX Sin, opset 22.
    """

    onnx = ("Sin",)

    def function(self, x: Array) -> Array:
        return np.sin(x)

    def formula(self, x: Array, p: Params) -> Array:
        return fmath.sin(x)


CASES = [
    case("Sin", x=Input((2, 3, 5), -4, 3)),
    case("Sin", x=Input((1, 3, 4, 5), 0, 1000)),
]
