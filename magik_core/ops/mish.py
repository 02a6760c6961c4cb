"""Mish."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import fmath
from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class Mish(Pointwise):
    """x * tanh(softplus(x)).

    Shapes: x any, y as x.
    Source: ONNX Mish, opset 22.
    """

    onnx = ("Mish",)

    def function(self, x: Array) -> Array:
        return x * np.tanh(np.logaddexp(0, x))

    def formula(self, x: Array, p: Params) -> Array:
        return x * fmath.tanh(fmath.softplus(x))


CASES = [
    case("Mish", x=Input((2, 3, 5), -4, 4)),
    case("Mish", x=Input((1, 3, 4, 5), -9, 1)),
]
