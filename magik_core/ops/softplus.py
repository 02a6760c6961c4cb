"""Softplus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import fmath
from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class Softplus(Pointwise):
    """ln(1 + e^x).

    Shapes: x any, y as x.
    Source: ONNX Softplus, opset 22.
    """

    onnx = ("Softplus",)

    def function(self, x: Array) -> Array:
        return np.logaddexp(0, x)

    def formula(self, x: Array, p: Params) -> Array:
        return fmath.softplus(x)


CASES = [
    case("Softplus", x=Input((2, 3, 5), -4, 4)),
    case("Softplus", x=Input((1, 3, 4, 5), -60, 90)),
]
