"""Reciprocal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class Reciprocal(Pointwise):
    """1 / x; on codes 1 / 0 is the largest.

    Shapes: x any, y as x.
    Source: ONNX Reciprocal, opset 13.
    """

    onnx = ("Reciprocal",)

    def function(self, x: Array) -> Array:
        return 1 / x

    def formula(self, x: Array, p: Params) -> Array:
        return np.float32(1) / x


CASES = [
    case("Reciprocal", x=Input((2, 3, 5), 0.5, 4)),
    case("Reciprocal", x=Input((1, 3, 4, 5), -30, -2)),
]
