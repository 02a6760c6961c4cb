"""Erf."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from magik_core import fmath
from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise

ERF = np.vectorize(math.erf, otypes=[np.float64])


@dataclass(frozen=True)
class Erf(Pointwise):
    """erf(x).

    Shapes: x any, y as x.
    Source: ONNX Erf, opset 13.
    """

    onnx = ("Erf",)

    def function(self, x: Array) -> Array:
        return ERF(x)

    def formula(self, x: Array, p: Params) -> Array:
        return fmath.erf(x)


CASES = [
    case("Erf", x=Input((2, 3, 5), -3, 3)),
    case("Erf", x=Input((1, 3, 4, 5), 0, 0.7)),
]
