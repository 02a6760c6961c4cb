"""LeakyRelu."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class LeakyReluParams(Params):
    alpha: float


@dataclass(frozen=True)
class LeakyRelu(Pointwise):
    """x where it is not negative, else alpha * x.

    Shapes: x any, y as x.
    Source: ONNX LeakyRelu, opset 16.
    """

    alpha: float = 0.01

    onnx = ("LeakyRelu",)

    def function(self, x: Array) -> Array:
        return np.where(x < 0, self.alpha * x, x)

    def constants(self) -> LeakyReluParams:
        return LeakyReluParams(float(self.alpha))

    def formula(self, x: Array, p: Params) -> Array:
        return np.where(x < 0, np.float32(self.alpha) * x, x)


CASES = [
    case("LeakyRelu", x=Input((2, 3, 5), -8, 3)),
    case("LeakyRelu", x=Input((1, 3, 4, 5), -1, 3), alpha=-0.5, range=(0, 1)),
    case("LeakyRelu", x=Input((1, 3, 4, 5), -4, 0), alpha=1.5),
]
