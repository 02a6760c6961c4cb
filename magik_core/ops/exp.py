"""Exp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import fmath
from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class Exp(Pointwise):
    """e^x.

    Shapes: x any, y as x.
    Source: ONNX Exp, opset 13.
    """

    onnx = ("Exp",)

    def function(self, x: Array) -> Array:
        return np.exp(x)

    def formula(self, x: Array, p: Params) -> Array:
        return fmath.exp(x)


CASES = [
    case("Exp", x=Input((2, 3, 5), -4, 2)),
    case("Exp", x=Input((1, 3, 4, 5), -9, 0)),
]
