"""Softsign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class Softsign(Pointwise):
    """x / (1 + |x|).

    Shapes: x any, y as x.
    Source: ONNX Softsign, opset 22.
    """

    onnx = ("Softsign",)

    def function(self, x: Array) -> Array:
        return x / (1 + np.abs(x))

    def formula(self, x: Array, p: Params) -> Array:
        return x / (np.float32(1) + np.abs(x))


CASES = [
    case("Softsign", x=Input((2, 3, 5), -4, 4)),
    case("Softsign", x=Input((1, 3, 4, 5), 0, 30)),
]
