"""Sigmoid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import fmath
from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class Sigmoid(Pointwise):
    """1 / (1 + exp(-x)).

    Shapes: x any, y as x.
    Source: ONNX Sigmoid, opset 13.
    """

    onnx = ("Sigmoid",)

    def function(self, x: Array) -> Array:
        return 1 / (1 + np.exp(-x))

    def formula(self, x: Array, p: Params) -> Array:
        return fmath.sigmoid(x)


CASES = [
    case("Sigmoid", x=Input((2, 3, 5), -8, 8)),
    case("Sigmoid", x=Input((1, 3, 4, 5), -1, 3), range=(0, 1)),
    case("Sigmoid", x=Input((3, 67), -8, 8)),
]
