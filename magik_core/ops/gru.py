"""GRU: a gated recurrent unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Params
from magik_core.ops.activation import Activation
from magik_core.ops.cases import Case, Input, Range, case, floats, weights
from magik_core.ops.recurrent import ONE, Recurrent, RecurrentParams, States, add_products, real_h
from magik_core.ops.recurrent_sums import GateSums


@dataclass(frozen=True)
class GRU(Recurrent):
    """Run a GRU over sequences, in one or two directions.

    For each time step: z = F(b_z + W_z x + R_z h), r likewise, g = G(b_g + W_g x + R_g (r * h)), or with
    linear_before_reset G(b_g + W_g x + r * (b_h + R_g h)), and h' = (1 - z) * g + z * h, where F and G are the
    functions of the direction, of values limited to [-clip, clip]. On codes, h is kept in codes of 16 bits. On
    f32 the sums run from b over x, then over
    h, each product and sum rounded.

    Attributes: as Recurrent; linear_before_reset: the reset gate takes its part of R h, not of h.
    Shapes: x (T, N, I); w (D, I, 3 H); r (D, H, 3 H); b (D, 4 H), for z, r, g, then b_h; lengths s32 (N);
        h at the start (D, N, H); y (T, D, N, H), and h at the end (D, N, H); D is 1 or 2.
    Source: ONNX GRU, opset 22; docs/quantization.md, "Recurrent layers".
    """

    linear_before_reset: bool = False

    onnx = ("GRU",)
    defaults = ("Sigmoid", "Tanh")
    gates = 3
    halves = False  # it takes h itself, not only its sums
    switch = "linear_before_reset"

    @classmethod
    def keeps_to_one(cls, functions: Sequence[Activation]) -> bool:
        return functions[0].is_share and functions[1].is_within_one

    def biases(self, b: Array) -> Array:
        both = b[:, 0] + b[:, 1]
        of_h = b[:, 1, 2]
        if self.linear_before_reset:
            both[:, 2] = b[:, 0, 2]
        else:
            of_h = np.zeros_like(of_h)
        return np.concatenate([both, of_h[:, None]], axis=1).reshape(len(b), -1)

    def real(self, p: Params, x: Array, w: Array, r: Array, b: Array, lengths: Array, h: Array) -> tuple[Array, ...]:
        def advance(d: int, v: Array, now: States) -> States:
            h_now = self._cell(d, add_products(v, w[d], b[d, : 3 * h.shape[2]]), now[0], r[d], b[d])
            return h_now, h_now

        return self.over_time(x, lengths, (h,), advance)

    def cell(
        self, p: RecurrentParams, d: int, sums: GateSums, x: Array, now: States, peepholes: Array | None
    ) -> States:
        h, size = now[0], now[0].shape[1]
        both, last = slice(2 * size), slice(2 * size, 3 * size)
        gates = self.gate(d, 0, sums.of_both(x, h, both))
        update, reset = gates[:, :size], gates[:, size:]
        if self.linear_before_reset:
            u = sums.total(last, sums.of_x(x, last), 0)
            v = sums.total(last, 0, sums.of_h(h, last), slice(3 * size, 4 * size))
            a = numerics.fixed(u + numerics.fix(reset * v))
        else:
            left = numerics.rescale((h.astype(np.int64) - p.h_zero) * reset, 1, numerics.FIXED_BITS) + p.h_zero
            a = sums.of_both(x, np.clip(left, 0, p.h_top), last)
        return (numerics.fix((ONE - update) * self.gate(d, 1, a) + update * real_h(p, h)),)

    def _cell(self, d: int, sums: Array, h: Array, r: Array, b: Array) -> Array:
        """h (N, H) from what x gives the sums (N, 3 H), and h."""
        size = h.shape[1]
        gates = self.gate(d, 0, add_products(h, r[:, : 2 * size], sums[:, : 2 * size]))
        update, reset = gates[:, :size], gates[:, size:]
        a = sums[:, 2 * size :]
        if self.linear_before_reset:
            a = a + reset * add_products(h, r[:, 2 * size :], b[3 * size :])
        else:
            a = add_products(reset * h, r[:, 2 * size :], a)
        return (np.float32(1) - update) * self.gate(d, 1, a) + update * h


def _case(dirs: int, *more: Input | Array | None, steps: int = 5, **attributes: Any) -> Case:
    """A case with N = 2, I = 3, H = 4."""
    w, r = floats(dirs, 12, 3), floats(dirs, 12, 4, seed=1)
    return case("GRU", w, r, *more, x=(steps, 2, 3), hidden_size=4, is_float_only=True, relative=4e-6, **attributes)


BOTH: dict[str, Any] = {"direction": "bidirectional", "outputs": 2}


def _codes(dirs: int, *more: Input | Array | None, range: Range = (-1, 1), **attributes: Any) -> Case:
    """The same on codes, all outputs; those of the states have 16 bits, and so have their errors."""
    w, r = (weights(dirs * 12, n, seed=n).reshape(dirs, 12, n) for n in (3, 4))
    given = {"hidden_size": 4, "outputs": 2, "steps": 3, "relative": 4e-6, **attributes}
    return case("GRU", w, r, *more, x=Input((5, 2, 3), -2, 2), range=range, **given)


CASES = [
    _case(1, outputs=2),
    _case(1, linear_before_reset=1, outputs=2),
    _case(1, floats(1, 24), direction="reverse", outputs=2),
    _case(1, floats(1, 24), linear_before_reset=1, clip=0.5, outputs=2),
    _case(2, floats(2, 24), np.array([3, 5], np.int32), Input((2, 2, 4)), **BOTH),
    _case(2, floats(2, 24), np.array([5, 1], np.int32), Input((2, 2, 4)), linear_before_reset=1, **BOTH),
    _case(2, floats(2, 24), **BOTH, activations=["HardSigmoid", "LeakyRelu", "Sigmoid", "Elu"],
          activation_alpha=[0.3, 0.2, 0.5], activation_beta=[0.4]),
    _codes(1),
    _codes(1, floats(1, 24), None, floats(1, 2, 4), linear_before_reset=1),
    _codes(2, floats(2, 24), np.array([3, 5], np.int32), Input((2, 2, 4)), direction="bidirectional", clip=0.75),
    _codes(2, floats(2, 24), direction="bidirectional", linear_before_reset=1, activation_alpha=[0.3, 0.2, 0.5],
           activation_beta=[0.4], activations=["HardSigmoid", "LeakyRelu", "Sigmoid", "Elu"], range=(-4, 4)),
]  # fmt: skip
