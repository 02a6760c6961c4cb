"""Abs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class Abs(Pointwise):
    """|x|.

    Shapes: x any, y as x.
    Source: ONNX Abs, opset 13.
    """

    onnx = ("Abs",)

    def function(self, x: Array) -> Array:
        return np.abs(x)

    def formula(self, x: Array, p: Params) -> Array:
        return np.abs(x)


CASES = [
    case("Abs", x=Input((2, 3, 5), -4, 3)),
    case("Abs", x=Input((1, 3, 4, 5), -30, 0)),
]
