"""HardSigmoid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core.ops import Array, Params
from magik_core.ops.affine import Affine
from magik_core.ops.cases import Input, case
from magik_core.ops.convolution import clip
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class HardSigmoidParams(Params):
    alpha: float
    beta: float


@dataclass(frozen=True)
class HardSigmoid(Pointwise):
    """alpha * x + beta, limited to [0, 1].

    Shapes: x any, y as x.
    Source: ONNX HardSigmoid, opset 22.
    """

    alpha: float = 0.2
    beta: float = 0.5

    onnx = ("HardSigmoid",)

    def straight(self) -> Affine:
        return Affine(self.alpha, self.beta, 0.0, 1.0)

    def function(self, x: Array) -> Array:
        return np.clip(self.alpha * x + self.beta, 0, 1)

    def constants(self) -> HardSigmoidParams:
        return HardSigmoidParams(float(self.alpha), float(self.beta))

    def formula(self, x: Array, p: Params) -> Array:
        return clip(np.float32(self.alpha) * x + np.float32(self.beta), 0, 1)


CASES = [
    case("HardSigmoid", x=Input((2, 3, 5), -4, 4)),
    case("HardSigmoid", x=Input((1, 3, 4, 5), -1, 3), alpha=-0.5, beta=0.7, range=(0, 1)),
]
