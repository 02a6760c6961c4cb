"""Sqrt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import fmath
from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class Sqrt(Pointwise):
    """The square root, correctly rounded; below 0 NaN, whose code is that of 0.

    Shapes: x any, y as x.
    Source: ONNX Sqrt, opset 13.
    """

    onnx = ("Sqrt",)

    def function(self, x: Array) -> Array:
        return np.sqrt(x)

    def formula(self, x: Array, p: Params) -> Array:
        return fmath.sqrt(x)


CASES = [
    case("Sqrt", x=Input((2, 3, 5), 0, 4)),
    case("Sqrt", x=Input((1, 3, 4, 5), 0, 200), range=(0, 5)),
]
