"""What LSTM, GRU and RNN share: their params, and how time passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.activation import KINDS, SEGMENTS, Activation
from magik_core.ops.convolution import clip
from magik_core.ops.recurrent_sums import GateSums
from magik_core.program import QuantParams, Shape, Tensor

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

PER_DIRECTION = 3  # functions f, g, h; those that an operator lacks are never called
H, C = 5, 6  # inputs that hold the state
States = tuple[Array, ...]
Advance = Callable[[int, Array, States], States]  # direction, x of a time, states (N, H): y, then the new states
ONE = 1 << numerics.FIXED_BITS


@dataclass(frozen=True)
class RecurrentParams(Params):
    is_reverse: int  # 0, 1: the first direction runs from the end; a second one always does
    is_coupled: int  # 0, 1: LSTM's input_forget, GRU's linear_before_reset
    kinds: tuple[int, ...]  # positions in KINDS: f, g, h of the first direction, then of the second
    alphas: tuple[float, ...]
    betas: tuple[float, ...]
    clip: float  # limit of what enters a function f or g, 0 and above
    limit: int  # the same, fixed: [0, 2^30]
    h_zero: int  # [0, 65535]
    h_top: int
    h_real: int  # s_h to fixed
    h_real_shift: int
    h_multiplier: int  # fixed to s_h
    h_shift: int
    c_zero: int
    c_top: int
    c_real: int
    c_real_shift: int
    c_multiplier: int
    c_shift: int
    y_zero: int
    y_top: int
    y_multiplier: int  # fixed to s_y
    y_shift: int
    tables: tuple[int, ...]  # which table of functions
    segments: tuple[int, ...]  # bits of its segments, [1, 20]
    multipliers: tuple[int, ...]  # alpha
    shifts: tuple[int, ...]  # of alpha, [1, 62]
    offsets: tuple[int, ...]  # beta or a limit, fixed
    h_half: int  # 0, 1: the zero point of h is half a code above h_zero
    y_half: int  # the same of y


@dataclass(frozen=True)
class Recurrent(Op):
    """Base of LSTM, GRU and RNN.

    Attributes: is_reverse: the (only) direction runs from the end; functions, alphas, betas: f, g, h of each
        direction and their coefficients; clip: limit of what enters f or g.
    """

    functions: tuple[str, ...]
    alphas: tuple[float, ...]
    betas: tuple[float, ...]
    is_reverse: bool = False
    clip: float = np.inf

    dtypes = ("u8", "u16", "f32")
    defaults: ClassVar[tuple[str, ...]] = ()  # ONNX's functions of one direction
    gates: ClassVar[int] = 1  # rows of weights per unit
    switch: ClassVar[str] = ""  # ONNX's name of an attribute that couples two gates
    states: ClassVar[int] = 1  # h, and c where there is one
    halves = True

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        from magik_core.ops import recurrent_node

        recurrent_node.lower(cls, node, to)

    @classmethod
    def keeps_to_one(cls, functions: Sequence[Activation]) -> bool:
        """Whether h stays in [-1, 1] with functions f, g, h."""
        return False

    def biases(self, b: Array) -> Array:
        """What sums begin with, (D, B H), from ONNX's (D, 2, gates, H): one of the input, one of the state."""
        return np.asarray((b[:, 0] + b[:, 1]).reshape(len(b), -1))

    def shape(self, x: Shape, *rest: Shape) -> tuple[Shape, ...]:
        state = rest[H - 1]
        return ((x[0], *state), *(state,) * self.states)

    @cached_property
    def _activations(self) -> tuple[Activation, ...]:
        return tuple(map(Activation, self.functions, self.alphas, self.betas))

    @cached_property
    def _tables(self) -> list[Activation]:
        """The functions that have a table, each once."""
        return [a for a in dict.fromkeys(self._activations) if a.table() is not None]

    @cached_property
    def _limit(self) -> int:
        """What limits a fixed number that enters f or g: [0, 2^30]."""
        return int(numerics.round_half_up(np.array(min(self.clip, 2.0**10) * ONE)))

    def params(self, x: Tensors, y: Tensors) -> RecurrentParams:
        each = self._activations
        is_real = y[0].dtype == "f32"
        words = [(1, 0, 1, 0) if is_real else a.words() for a in each]
        segments, multipliers, shifts, offsets = zip(*words, strict=True)
        tables = tuple(0 if is_real or a not in self._tables else self._tables.index(a) for a in each)
        h, c = _state_words(x[H]), _state_words(x[C] if self.states > 1 else None)
        return RecurrentParams(
            int(self.is_reverse),
            int(getattr(self, self.switch, False)),
            _twice(tuple(KINDS.index(a.name) for a in each)),
            _twice(self.alphas),
            _twice(self.betas),
            float(self.clip),
            self._limit,
            *h,
            *c,
            *_landing_words(y[0]),
            _twice(tables),
            _twice(segments),
            _twice(multipliers),
            _twice(shifts),
            _twice(offsets),
            _half(x[H]),
            _half(y[0]),
        )

    def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
        """For codes s32 (n, SEGMENTS + 1): the functions that are not computed."""
        if y[0].dtype == "f32":
            return ()
        found = [t for t in (a.table() for a in self._tables) if t is not None]
        return (np.stack(found) if found else np.zeros((1, SEGMENTS + 1), np.int32),)

    def function(self, direction: int, which: int, x: Array) -> Array:
        """Function f, g or h (0, 1, 2) of a direction, on f32 or fixed numbers."""
        f = self._activations[direction * PER_DIRECTION + which]
        return f.real(x) if x.dtype == np.float32 else f.integer(x)

    def gate(self, direction: int, which: int, x: Array) -> Array:
        """The same of a limited x."""
        if x.dtype == np.float32:
            return self.function(direction, which, clip(x, -self.clip, self.clip))
        return self.function(direction, which, numerics.fixed(x, self._limit))

    def over_time(
        self, x: Array, lengths: Array, states: Sequence[Array], advance: Advance, beyond: int = 0
    ) -> tuple[Array, ...]:
        """y and the last states. Past its length a sequence keeps its state, and y is `beyond`.

        Args: x: (T, N, I); states: (D, N, H) each.
        """
        dirs, batch, hidden = states[0].shape
        y = np.full((len(x), dirs, batch, hidden), beyond, np.float32 if x.dtype == np.float32 else np.int64)
        last = [s.copy() for s in states]
        length, each = np.clip(lengths.astype(np.int64), 0, len(x)), np.arange(batch)
        for d in range(dirs):
            now = tuple(s[d] for s in last)
            for i in range(len(x)):
                runs, t = i < length, np.where(d == 1 or self.is_reverse, length - 1 - i, i)
                out, *new = advance(d, x[t, each], now)
                now = tuple(np.where(runs[:, None], a, b) for a, b in zip(new, now, strict=True))
                y[t[runs], d, each[runs]] = out[runs]
            for s, value in zip(last, now, strict=True):
                s[d] = value
        return (y, *last)

    def integer(
        self, p: Params, x: Array, w: Array, r: Array, b: Array, lengths: Array, *rest: Array
    ) -> tuple[Array, ...]:
        assert isinstance(p, RecurrentParams)
        states, factors = rest[: self.states], rest[-2]
        sums = [GateSums.of(d, len(b), w, r, b, factors) for d in range(len(b))]
        peepholes = rest[self.states].reshape(2, len(b), -1) if self.states > 1 else None

        def advance(d: int, v: Array, now: States) -> States:
            h, *more = self.cell(p, d, sums[d], v, now, None if peepholes is None else peepholes[:, d])
            return (_land(h, p.y_multiplier, p.y_shift, p.y_zero, p.y_top, p.y_half), land_h(p, h), *more)

        return self.over_time(x, lengths, states, advance, p.y_zero)

    def cell(
        self, p: RecurrentParams, d: int, sums: GateSums, x: Array, now: States, peepholes: Array | None
    ) -> States:
        """h, fixed, and the other states in codes, after one time of one direction.

        Args: x: codes (N, I); now: codes (N, H) each; peepholes: (2, 3 H).
        """
        raise NotImplementedError

    def macs(self, x: Tensors, y: Tensors) -> int:
        return x[0].shape[0] * x[0].shape[1] * (x[1].count + x[2].count)


def real_h(p: RecurrentParams, h: Array) -> Array:
    """A state h in codes as a fixed number."""
    return numerics.fixed(numerics.rescale(h.astype(np.int64) - p.h_zero, p.h_real, p.h_real_shift))


def land_h(p: RecurrentParams, h: Array) -> Array:
    """Codes of a fixed h."""
    return _land(h, p.h_multiplier, p.h_shift, p.h_zero, p.h_top, p.h_half)


def real_c(p: RecurrentParams, c: Array) -> Array:
    """A state c in codes as a fixed number."""
    return numerics.fixed(numerics.rescale(c.astype(np.int64) - p.c_zero, p.c_real, p.c_real_shift))


def land_c(p: RecurrentParams, c: Array) -> Array:
    """Codes of a fixed c."""
    return _land(c, p.c_multiplier, p.c_shift, p.c_zero, p.c_top)


def _land(v: Array, m: int, s: int, zero: int, top: int, half: int = 0) -> Array:
    return np.clip(numerics.shift(v.astype(np.int64) * m + half * (1 << (s - 1)), s) + zero, 0, top)


def _state_words(state: Tensor | None) -> tuple[int, int, int, int, int, int]:
    """Zero point, largest code, to fixed, from fixed."""
    q = None if state is None else state.quant
    if not isinstance(q, QuantParams):
        return (0, 0, 0, 1, 0, 1)
    zero, top, m, s = _landing_words(state)
    return (zero, top, *numerics.multiplier(q.scale * ONE), m, s)


def _landing_words(t: Tensor | None) -> tuple[int, int, int, int]:
    """Zero point, largest code, from fixed."""
    q = None if t is None else t.quant
    if not isinstance(q, QuantParams):
        return (0, 0, 0, 1)
    return (int(q.zero_point), q.top, *numerics.multiplier(1 / (q.scale * ONE)))


def _half(t: Tensor) -> int:
    """1 where the zero point lies between two codes."""
    return int(t.quant.zero_point % 1 != 0) if isinstance(t.quant, QuantParams) else 0


def _twice(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Values of one direction, or of two, for two."""
    return values * (2 * PER_DIRECTION // len(values))


def add_products(v: Array, w: Array, sums: Array) -> Array:
    """sums (N, J) + v (N, K) w (K, J): over k in order, each product and each sum rounded to f32."""
    out = np.broadcast_to(sums, (len(v), w.shape[1])).astype(np.float32)
    for k in range(v.shape[1]):
        out = out + v[:, k, None] * w[k]
    return out
