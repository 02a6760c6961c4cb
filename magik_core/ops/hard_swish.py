"""HardSwish."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core.ops import Array, Params
from magik_core.ops.cases import Input, case
from magik_core.ops.convolution import clip
from magik_core.ops.lut import Pointwise


@dataclass(frozen=True)
class HardSwish(Pointwise):
    """x * (x / 6 + 1/2 limited to [0, 1]).

    Shapes: x any, y as x.
    Source: ONNX HardSwish, opset 22.
    """

    onnx = ("HardSwish",)

    def function(self, x: Array) -> Array:
        return x * np.clip(x / 6 + 0.5, 0, 1)

    def formula(self, x: Array, p: Params) -> Array:
        return x * clip(x * np.float32(1 / 6) + np.float32(0.5), 0, 1)


CASES = [
    case("HardSwish", x=Input((2, 3, 5), -4, 4)),
    case("HardSwish", x=Input((1, 3, 4, 5), -8, 3), range=(-0.2, 1)),
]
