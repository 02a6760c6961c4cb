"""Swish."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import fmath
from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class SwishParams(Params):
    alpha: float


@dataclass(frozen=True)
class Swish(Pointwise):
    """x * sigmoid(alpha * x).

    Shapes: x any, y as x.
    Source: ONNX Swish, opset 24.
    """

    alpha: float = 1.0

    onnx = ("Swish",)

    def function(self, x: Array) -> Array:
        return x / (1 + np.exp(-self.alpha * x))

    def constants(self) -> SwishParams:
        return SwishParams(float(self.alpha))

    def formula(self, x: Array, p: Params) -> Array:
        return x * fmath.sigmoid(np.float32(self.alpha) * x)


CASES = [
    case("Swish", x=Input((2, 3, 5), -4, 4)),
    case("Swish", x=Input((1, 3, 4, 5), -8, 3), alpha=1.7),
]
