"""RNN: a simple recurrent layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from magik_core.ops import Array, Params
from magik_core.ops.activation import Activation
from magik_core.ops.cases import Case, Input, Range, case, floats, weights
from magik_core.ops.recurrent import Recurrent, RecurrentParams, States, add_products
from magik_core.ops.recurrent_sums import GateSums


@dataclass(frozen=True)
class RNN(Recurrent):
    """Run a simple recurrent layer over sequences, in one or two directions.

    For each time step: h' = F(b + W x + R h), where F is the function of the direction, of a value limited to
    [-clip, clip]. On codes, h is kept in codes of 16 bits. On f32 the sum runs from b over x, then over h, each
    product and sum rounded.

    Attributes: as Recurrent.
    Shapes: x (T, N, I); w (D, I, H); r (D, H, H); b (D, H); lengths s32 (N); h at the start (D, N, H);
        y (T, D, N, H), and h at the end (D, N, H); D is 1 or 2.
    Source: ONNX RNN, opset 22; docs/quantization.md, "Recurrent layers".
    """

    onnx = ("RNN",)
    defaults = ("Tanh",)

    @classmethod
    def keeps_to_one(cls, functions: Sequence[Activation]) -> bool:
        return functions[0].is_within_one

    def real(self, p: Params, x: Array, w: Array, r: Array, b: Array, lengths: Array, h: Array) -> tuple[Array, ...]:
        def advance(d: int, v: Array, now: States) -> States:
            h_now = self.gate(d, 0, add_products(now[0], r[d], add_products(v, w[d], b[d])))
            return h_now, h_now

        return self.over_time(x, lengths, (h,), advance)

    def cell(
        self, p: RecurrentParams, d: int, sums: GateSums, x: Array, now: States, peepholes: Array | None
    ) -> States:
        return (self.gate(d, 0, sums.of_both(x, now[0], slice(None))),)


def _case(dirs: int, *more: Input | Array | None, steps: int = 5, **attributes: Any) -> Case:
    """A case with N = 2, I = 3, H = 4."""
    w, r = floats(dirs, 4, 3), floats(dirs, 4, 4, seed=1)
    return case("RNN", w, r, *more, x=(steps, 2, 3), hidden_size=4, is_float_only=True, relative=4e-6, **attributes)


BOTH: dict[str, Any] = {"direction": "bidirectional", "outputs": 2}


def _codes(dirs: int, *more: Input | Array | None, range: Range = (-1, 1), **attributes: Any) -> Case:
    """The same on codes, all outputs; those of the states have 16 bits, and so have their errors."""
    w, r = (weights(dirs * 4, n, seed=n).reshape(dirs, 4, n) / np.float32(4) for n in (3, 4))
    given = {"hidden_size": 4, "outputs": 2, "steps": 3, "relative": 4e-6, **attributes}
    return case("RNN", w, r, *more, x=Input((5, 2, 3), -2, 2), range=range, **given)


CASES = [
    _case(1, outputs=2),
    _case(1, floats(1, 8), direction="reverse", clip=0.5, outputs=2),
    _case(1, floats(1, 8), activations=["Relu"], outputs=2),
    _case(2, floats(2, 8), np.array([3, 5], np.int32), Input((2, 2, 4)), **BOTH),
    _case(2, floats(2, 8), activations=["Softplus", "ThresholdedRelu"], activation_alpha=[0.25], **BOTH),
    _codes(1),
    _codes(1, floats(1, 8), None, floats(1, 2, 4), direction="reverse", clip=0.75),
    _codes(2, floats(2, 8), np.array([3, 5], np.int32), Input((2, 2, 4)), direction="bidirectional"),
    _codes(2, floats(2, 8), direction="bidirectional", activations=["Relu", "LeakyRelu"], range=(-1, 16)),
    _codes(2, floats(2, 8), direction="bidirectional", activations=["Softplus", "Elu"], range=(-1, 16)),
]
