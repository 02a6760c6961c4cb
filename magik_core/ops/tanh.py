"""Tanh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import fmath
from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class Tanh(Pointwise):
    """tanh(x).

    Shapes: x any, y as x.
    Source: ONNX Tanh, opset 13.
    """

    onnx = ("Tanh",)

    def function(self, x: Array) -> Array:
        return np.tanh(x)

    def formula(self, x: Array, p: Params) -> Array:
        return fmath.tanh(x)


CASES = [
    case("Tanh", x=Input((2, 3, 5), -4, 4)),
    case("Tanh", x=Input((1, 3, 4, 5), -1, 3), range=(0, 1)),
]
