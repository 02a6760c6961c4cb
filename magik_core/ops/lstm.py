"""LSTM: long short-term memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Params
from magik_core.ops.activation import Activation
from magik_core.ops.cases import Case, Input, Range, case, floats, weights
from magik_core.ops.recurrent import ONE, Recurrent, RecurrentParams, States, add_products, land_c, real_c
from magik_core.ops.recurrent_sums import GateSums


@dataclass(frozen=True)
class LSTM(Recurrent):
    """Run an LSTM over sequences, in one or two directions.

    For each time step and the gates i, o, f, g in this order: a = b + W x + R h. Then
    i = F(a_i + p_i * c), f = F(a_f + p_f * c), or 1 - i with input_forget, g = G(a_g), c' = f * c + i * g,
    o = F(a_o + p_o * c'), h' = o * H(c'), where F, G, H are the functions of the direction, those of F and G
    limited to [-clip, clip]. On codes, h and c are kept in codes of 16 bits. On f32 the sums run from b over x,
    then over h, each product and sum rounded.

    Attributes: as Recurrent; input_forget: the forget gate is 1 less the input gate.
    Shapes: x (T, N, I); w (D, I, 4 H); r (D, H, 4 H); b (D, 4 H); lengths s32 (N); h and c at the start (D, N, H);
        p (D, 3 H), for i, o, f; y (T, D, N, H), and h and c at the end (D, N, H); D is 1 or 2.
    Source: ONNX LSTM, opset 22; docs/quantization.md, "Recurrent layers".
    """

    input_forget: bool = False

    onnx = ("LSTM",)
    defaults = ("Sigmoid", "Tanh", "Tanh")
    gates = 4
    states = 2
    switch = "input_forget"

    @classmethod
    def keeps_to_one(cls, functions: Sequence[Activation]) -> bool:
        return functions[0].is_within_one and functions[2].is_within_one

    def real(
        self, p: Params, x: Array, w: Array, r: Array, b: Array, lengths: Array, h: Array, c: Array, peepholes: Array
    ) -> tuple[Array, ...]:
        def advance(d: int, v: Array, now: States) -> States:
            sums = add_products(now[0], r[d], add_products(v, w[d], b[d]))
            now = self._cell(d, sums, now[1], peepholes[d])
            return now[0], *now

        return self.over_time(x, lengths, (h, c), advance)

    def cell(
        self, p: RecurrentParams, d: int, sums: GateSums, x: Array, now: States, peepholes: Array | None
    ) -> States:
        assert peepholes is not None
        a_i, a_o, a_f, a_g = np.split(sums.of_both(x, now[0], slice(None)), 4, axis=1)
        p_i, p_o, p_f = np.split(peepholes.astype(np.int64), 3, axis=1)
        c = real_c(p, now[1])
        i = self.gate(d, 0, a_i + numerics.rescale(c, *p_i))
        f = ONE - i if self.input_forget else self.gate(d, 0, a_f + numerics.rescale(c, *p_f))
        c = numerics.fix(f * c + i * self.gate(d, 1, a_g))
        o = self.gate(d, 0, a_o + numerics.rescale(c, *p_o))
        return numerics.fix(o * self.function(d, 2, c)), land_c(p, c)

    def _cell(self, d: int, sums: Array, c: Array, peepholes: Array) -> tuple[Array, Array]:
        """h and c (N, H) from the sums (N, 4 H) and c."""
        a_i, a_o, a_f, a_g = np.split(sums, 4, axis=1)
        p_i, p_o, p_f = np.split(peepholes, 3)
        i = self.gate(d, 0, a_i + p_i * c)
        f = np.float32(1) - i if self.input_forget else self.gate(d, 0, a_f + p_f * c)
        c = f * c + i * self.gate(d, 1, a_g)
        o = self.gate(d, 0, a_o + p_o * c)
        return o * self.function(d, 2, c), c


def _case(dirs: int, *more: Input | Array | None, steps: int = 5, **attributes: Any) -> Case:
    """A case with N = 2, I = 3, H = 4."""
    w, r = floats(dirs, 16, 3), floats(dirs, 16, 4, seed=1)
    return case("LSTM", w, r, *more, x=(steps, 2, 3), hidden_size=4, is_float_only=True, relative=4e-6, **attributes)


BOTH: dict[str, Any] = {"direction": "bidirectional", "outputs": 3}
STATES = Input((2, 2, 4)), Input((2, 2, 4))


def _codes(dirs: int, *more: Input | Array | None, range: Range = (-1, 1), **attributes: Any) -> Case:
    """The same on codes, all outputs; those of the states have 16 bits, and so have their errors."""
    w, r = (weights(dirs * 16, n, seed=n).reshape(dirs, 16, n) for n in (3, 4))
    given = {"hidden_size": 4, "outputs": 3, "steps": 3, "relative": 4e-6, **attributes}
    return case("LSTM", w, r, *more, x=Input((5, 2, 3), -2, 2), range=range, **given)


CASES = [
    _case(1, outputs=3),
    _case(1, floats(1, 32), direction="reverse", outputs=3),
    _case(2, floats(2, 32), None, *STATES, **BOTH),
    _case(1, None, np.array([5, 5], np.int32), floats(1, 2, 4), None, floats(1, 12), clip=0.5, outputs=3),
    _case(1, floats(1, 32), activations=["Sigmoid", "Tanh", "Tanh"]),
    _case(2, floats(2, 32), np.array([3, 5], np.int32), *STATES, floats(2, 12), **BOTH),
    _case(1, floats(1, 32), np.array([1, 4], np.int32), direction="reverse", outputs=3),
    _case(1, floats(1, 32), None, None, None, floats(1, 12), input_forget=1, outputs=3),
    _case(2, floats(2, 32), **BOTH, activations=["HardSigmoid", "Softsign", "Relu", "Sigmoid", "ScaledTanh", "Affine"],
          activation_alpha=[0.3, 1.5, 0.75], activation_beta=[0.4, 0.5, 0.1]),
    _codes(1, range=(-2.5, 2.5)),
    _codes(2, floats(2, 32), np.array([3, 5], np.int32), *STATES, floats(2, 12), direction="bidirectional",
           range=(-2.5, 2.5)),
    _codes(1, floats(1, 32), None, floats(1, 2, 4), Input((1, 2, 4)), direction="reverse", clip=0.75, input_forget=1),
    _codes(2, floats(2, 32), direction="bidirectional", activation_alpha=[0.3, 1.5, 0.75], activation_beta=[0.4, 0.5],
           activations=["HardSigmoid", "Softsign", "Relu", "Sigmoid", "ScaledTanh", "Affine"], range=(-4, 4)),
]  # fmt: skip
