"""RNN: a simple recurrent layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from magik_core.ops import Array, Params
from magik_core.ops.cases import Case, Input, case, floats
from magik_core.ops.recurrent import Recurrent, add_products


@dataclass(frozen=True)
class RNN(Recurrent):
    """Run a simple recurrent layer over sequences, in one or two directions.

    For each time step: h' = F(b + W x + R h), where F is the function of the direction, of a value limited to
    [-clip, clip]. On f32 the sum runs from b over x, then over h, each product and sum rounded.

    Attributes: as Recurrent.
    Shapes: x (T, N, I); w (D, I, H); r (D, H, H); b (D, H); lengths s32 (N); h at the start (D, N, H);
        y (T, D, N, H), and h at the end (D, N, H); D is 1 or 2.
    Source: ONNX RNN, opset 22.
    """

    onnx = ("RNN",)
    defaults = ("Tanh",)

    def real(self, p: Params, x: Array, w: Array, r: Array, b: Array, lengths: Array, h: Array) -> tuple[Array, ...]:
        def advance(d: int, v: Array, now: tuple[Array, ...]) -> tuple[Array, ...]:
            return (self.gate(d, 0, add_products(now[0], r[d], add_products(v, w[d], b[d]))),)

        return self.over_time(x, lengths, (h,), advance)


def _case(dirs: int, *more: Input | Array | None, steps: int = 5, **attributes: Any) -> Case:
    """A case with N = 2, I = 3, H = 4."""
    w, r = floats(dirs, 4, 3), floats(dirs, 4, 4, seed=1)
    return case("RNN", w, r, *more, x=(steps, 2, 3), hidden_size=4, is_float_only=True, relative=4e-6, **attributes)


BOTH: dict[str, Any] = {"direction": "bidirectional", "outputs": 2}
CASES = [
    _case(1, outputs=2),
    _case(1, floats(1, 8), direction="reverse", clip=0.5, outputs=2),
    _case(1, floats(1, 8), activations=["Relu"], outputs=2),
    _case(2, floats(2, 8), np.array([3, 5], np.int32), Input((2, 2, 4)), **BOTH),
    _case(2, floats(2, 8), activations=["Softplus", "ThresholdedRelu"], activation_alpha=[0.25], **BOTH),
]
