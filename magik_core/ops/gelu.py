"""Gelu."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt

import numpy as np

from magik_core import fmath
from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.erf import ERF
from magik_core.ops.lut import Pointwise

ROOT_HALF = sqrt(0.5)
ROOT_TWO_OVER_PI = sqrt(2 / pi)
CUBIC = 0.044715


@dataclass(frozen=True)
class GeluParams(Params):
    is_tanh: int  # 0 or 1


@dataclass(frozen=True)
class Gelu(Pointwise):
    """x / 2 * (1 + erf(x / sqrt(2))).

    Attributes: approximate: "none", or "tanh": with tanh(sqrt(2 / pi) * (x + 0.044715 x^3)) for the erf.
    Shapes: x any, y as x.
    Source: ONNX Gelu, opset 20.
    """

    approximate: str = "none"

    onnx = ("Gelu",)

    def function(self, x: Array) -> Array:
        inner = ERF(x * ROOT_HALF)
        if self.approximate == "tanh":
            inner = np.tanh(ROOT_TWO_OVER_PI * (x + CUBIC * x**3))
        return 0.5 * x * (1 + inner)

    def constants(self) -> GeluParams:
        return GeluParams(int(self.approximate == "tanh"))

    def formula(self, x: Array, p: Params) -> Array:
        if self.approximate == "tanh":
            inner = fmath.tanh(np.float32(ROOT_TWO_OVER_PI) * (x + np.float32(CUBIC) * (x * x * x)))
        else:
            inner = fmath.erf(x * np.float32(ROOT_HALF))
        return (np.float32(0.5) * x) * (np.float32(1) + inner)


CASES = [
    case("Gelu", x=Input((2, 3, 5), -4, 4)),
    case("Gelu", x=Input((1, 3, 4, 5), -2, 1), range=(-0.2, 0.5)),
    case("Gelu", x=Input((2, 3, 5), -4, 4), approximate="tanh"),
]
