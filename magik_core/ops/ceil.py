"""Ceil."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class Ceil(Pointwise):
    """The smallest whole number that is not below x.

    Shapes: x any, y as x.
    Source: ONNX Ceil, opset 13.
    """

    onnx = ("Ceil",)

    def function(self, x: Array) -> Array:
        return np.ceil(x)

    def formula(self, x: Array, p: Params) -> Array:
        return np.ceil(x)


CASES = [
    case("Ceil", x=Input((2, 3, 5), -4, 3)),
    case("Ceil", x=Input((1, 3, 4, 5), 0, 191.25)),
]
