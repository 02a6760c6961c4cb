"""Round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class Round(Pointwise):
    """The nearest whole number, ties to even.

    Shapes: x any, y as x.
    Source: ONNX Round, opset 22.
    """

    onnx = ("Round",)

    def function(self, x: Array) -> Array:
        return np.round(x)

    def formula(self, x: Array, p: Params) -> Array:
        return np.round(x)


CASES = [
    case("Round", x=Input((2, 3, 5), -4, 3)),
    case("Round", x=Input((1, 3, 4, 5), 0, 127.5), wide=515),  # half-way in f32 is not always half-way in f64: off by 1
]
