"""Selu."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import fmath
from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class SeluParams(Params):
    alpha: float
    gamma: float


@dataclass(frozen=True)
class Selu(Pointwise):
    """gamma * (x where it is above 0, else alpha * (e^x - 1)).

    Shapes: x any, y as x.
    Source: ONNX Selu, opset 22.
    """

    alpha: float = 1.67326319217681884765625
    gamma: float = 1.05070102214813232421875

    onnx = ("Selu",)

    def function(self, x: Array) -> Array:
        return self.gamma * np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))

    def constants(self) -> SeluParams:
        return SeluParams(float(self.alpha), float(self.gamma))

    def formula(self, x: Array, p: Params) -> Array:
        return np.float32(self.gamma) * np.where(x > 0, x, np.float32(self.alpha) * (fmath.exp(x) - np.float32(1)))


CASES = [
    case("Selu", x=Input((2, 3, 5), -4, 4)),
    case("Selu", x=Input((1, 3, 4, 5), -8, 3), alpha=0.3, gamma=2.0),
]
