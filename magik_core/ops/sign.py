"""Sign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class Sign(Pointwise):
    """-1, 0 or 1; NaN gives 0.

    Shapes: x any, y as x.
    Source: ONNX Sign, opset 13.
    """

    onnx = ("Sign",)

    def function(self, x: Array) -> Array:
        return np.sign(x)

    def formula(self, x: Array, p: Params) -> Array:
        return (x > 0).astype(np.float32) - (x < 0).astype(np.float32)


CASES = [
    case("Sign", x=Input((2, 3, 5), -4, 3)),
    case("Sign", x=Input((1, 3, 4, 5), 0, 3)),
]
