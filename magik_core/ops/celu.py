"""Celu."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import fmath
from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class CeluParams(Params):
    alpha: float


@dataclass(frozen=True)
class Celu(Pointwise):
    """x where it is above 0, else alpha * (e^(x / alpha) - 1).

    Shapes: x any, y as x.
    Source: ONNX Celu, opset 12.
    """

    alpha: float = 1.0

    onnx = ("Celu",)

    def function(self, x: Array) -> Array:
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0) / self.alpha))

    def constants(self) -> CeluParams:
        return CeluParams(float(self.alpha))

    def formula(self, x: Array, p: Params) -> Array:
        a = np.float32(self.alpha)
        return np.where(x > 0, x, a * (fmath.exp(x / a) - np.float32(1)))


CASES = [
    case("Celu", x=Input((2, 3, 5), -4, 4)),
    case("Celu", x=Input((1, 3, 4, 5), -8, 3), alpha=2.5),
]
