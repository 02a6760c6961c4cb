"""ThresholdedRelu."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class ThresholdedReluParams(Params):
    alpha: float


@dataclass(frozen=True)
class ThresholdedRelu(Pointwise):
    """x where it is above alpha, else 0.

    Shapes: x any, y as x.
    Source: ONNX ThresholdedRelu, opset 22.
    """

    alpha: float = 1.0

    onnx = ("ThresholdedRelu",)

    def function(self, x: Array) -> Array:
        return np.where(x > self.alpha, x, 0.0)

    def constants(self) -> ThresholdedReluParams:
        return ThresholdedReluParams(float(self.alpha))

    def formula(self, x: Array, p: Params) -> Array:
        return np.where(x > np.float32(self.alpha), x, np.float32(0))


CASES = [
    case("ThresholdedRelu", x=Input((2, 3, 5), -4, 4)),
    case("ThresholdedRelu", x=Input((1, 3, 4, 5), -8, 3), alpha=0.3),
]
