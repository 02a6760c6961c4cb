"""Log."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import fmath
from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class Log(Pointwise):
    """ln x; below 0 NaN, whose code is that of 0.

    Shapes: x any, y as x.
    Source: ONNX Log, opset 13.
    """

    onnx = ("Log",)

    def function(self, x: Array) -> Array:
        return np.log(x)

    def formula(self, x: Array, p: Params) -> Array:
        return fmath.log(x)


CASES = [
    case("Log", x=Input((2, 3, 5), 0.1, 4)),
    case("Log", x=Input((1, 3, 4, 5), 2, 200), range=(0, 3)),
]
