"""Elu."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import fmath
from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class EluParams(Params):
    alpha: float


@dataclass(frozen=True)
class Elu(Pointwise):
    """x where it is above 0, else alpha * (e^x - 1).

    Shapes: x any, y as x.
    Source: ONNX Elu, opset 22.
    """

    alpha: float = 1.0

    onnx = ("Elu",)

    def function(self, x: Array) -> Array:
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))

    def constants(self) -> EluParams:
        return EluParams(float(self.alpha))

    def formula(self, x: Array, p: Params) -> Array:
        return np.where(x > 0, x, np.float32(self.alpha) * (fmath.exp(x) - np.float32(1)))


CASES = [
    case("Elu", x=Input((2, 3, 5), -4, 4)),
    case("Elu", x=Input((1, 3, 4, 5), -8, 3), alpha=0.3),
]
