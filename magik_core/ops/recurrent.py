"""What LSTM, GRU and RNN share: the reading of an ONNX node, the params, and how time passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.activation import KINDS, Activation, read_activations
from magik_core.ops.convolution import clip
from magik_core.program import Shape, Tensor

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.layout import Axes
    from magik_core.lowering import Lowering

DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
PER_DIRECTION = 3  # functions f, g, h; those that an operator lacks are never called
X, W, R, B, LENGTHS, H, C, PEEPHOLES = range(8)  # inputs of the ONNX nodes
Advance = Callable[[int, Array, "tuple[Array, ...]"], "tuple[Array, ...]"]


@dataclass(frozen=True)
class RecurrentParams(Params):
    is_reverse: int  # 0, 1: the first direction runs from the end; a second one always does
    is_coupled: int  # 0, 1: LSTM's input_forget, GRU's linear_before_reset
    kinds: tuple[int, ...]  # positions in KINDS: f, g, h of the first direction, then of the second
    alphas: tuple[float, ...]
    betas: tuple[float, ...]
    clip: float  # limit of what enters a function f or g, 0 and above


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

    dtypes = ("f32",)
    defaults: ClassVar[tuple[str, ...]] = ()  # ONNX's functions of one direction
    gates: ClassVar[int] = 1  # rows of weights per unit
    switch: ClassVar[str] = ""  # ONNX's name of an attribute that couples two gates
    states: ClassVar[int] = 1  # h, and c where there is one

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        attributes = cls._attributes(node, to)
        time_first = to.attribute(node, "layout", 0) == 0
        x = to.take(node, X, "f32", (0, 1, 2) if time_first else (1, 0, 2))
        batch, name = x.shape[1], node.name or ""
        w, r = (to.need_constant(node, i, what) for i, what in ((W, "W"), (R, "R")))
        dirs, hidden = r.shape[0], r.shape[2]
        b = to.need_constant(node, B, "B") if _has(node, B) else np.zeros((dirs, 2 * cls.gates * hidden), np.float32)
        inputs = [x, *(to.add(f"{name}/{k}", v.swapaxes(1, 2), "f32") for k, v in (("w", w), ("r", r)))]
        op = cls(**attributes)
        inputs += [to.add(f"{name}/b", op.biases(b.reshape(dirs, 2, cls.gates, hidden)), "f32")]
        inputs += [_lengths(node, to, batch)]
        order = (0, 1, 2) if time_first else (1, 0, 2)
        inputs += [_state(node, to, i, (dirs, batch, hidden), order) for i in (H, C)[: cls.states]]
        if cls.states > 1:
            p = to.need_constant(node, PEEPHOLES, "P") if _has(node, PEEPHOLES) else np.zeros((dirs, 3 * hidden))
            inputs += [to.add(f"{name}/p", p.astype(np.float32), "f32")]
        to.emit_many(node, op, inputs, [(0, 1, 2, 3) if time_first else (1, 2, 0, 3), *[order] * cls.states])

    @classmethod
    def _attributes(cls, node: ir.Node, to: Lowering) -> dict[str, Any]:
        direction = to.attribute(node, "direction", "forward")
        if direction not in DIRECTIONS:
            raise to.problem(node, "unknown direction", direction, ", ".join(DIRECTIONS))
        found = read_activations(node, to, cls.defaults * DIRECTIONS[direction])
        count = len(cls.defaults)
        each = [
            (*found[i : i + count], *[Activation("Tanh")] * (PER_DIRECTION - count))
            for i in range(0, len(found), count)
        ]
        flat = [a for functions in each for a in functions]
        out = {
            "functions": tuple(a.name for a in flat),
            "alphas": tuple(a.alpha for a in flat),
            "betas": tuple(a.beta for a in flat),
            "is_reverse": direction == "reverse",
            "clip": float(to.attribute(node, "clip", np.inf)),
        }
        switch = cls.switch
        return {**out, switch: bool(to.attribute(node, switch, 0))} if switch else out

    def biases(self, b: Array) -> Array:
        """What sums begin with, f32 (D, B H), from ONNX's (D, 2, gates, H): one of the input, one of the state."""
        return (b[:, 0] + b[:, 1]).reshape(len(b), -1)

    def shape(self, x: Shape, *rest: Shape) -> tuple[Shape, ...]:
        state = rest[H - 1]
        return ((x[0], *state), *(state,) * self.states)

    def params(self, x: Tensors, y: Tensors) -> RecurrentParams:
        kinds = tuple(KINDS.index(name) for name in self.functions)
        return RecurrentParams(
            int(self.is_reverse),
            int(getattr(self, self.switch, False)),
            _twice(kinds),
            _twice(self.alphas),
            _twice(self.betas),
            float(self.clip),
        )

    def function(self, direction: int, which: int, x: Array) -> Array:
        """Function f, g or h (0, 1, 2) of a direction on f32."""
        i = direction * PER_DIRECTION + which
        return Activation(self.functions[i], self.alphas[i], self.betas[i]).real(x)

    def gate(self, direction: int, which: int, x: Array) -> Array:
        """The same of a limited x."""
        return self.function(direction, which, clip(x, -self.clip, self.clip))

    def over_time(self, x: Array, lengths: Array, states: Sequence[Array], advance: Advance) -> tuple[Array, ...]:
        """y and the last states. Beyond its length a sequence keeps its state, and y is 0.

        Args: x: (T, N, I); states: (D, N, H) each; advance: from (direction, x of a time, states) to states.
        """
        dirs, batch, hidden = states[0].shape
        y = np.zeros((len(x), dirs, batch, hidden), states[0].dtype)
        last = [s.copy() for s in states]
        length, each = np.clip(lengths.astype(np.int64), 0, len(x)), np.arange(batch)
        for d in range(dirs):
            now = tuple(s[d] for s in last)
            for i in range(len(x)):
                runs, t = i < length, np.where(d == 1 or self.is_reverse, length - 1 - i, i)
                new = advance(d, x[t, each], now)
                now = tuple(np.where(runs[:, None], a, b) for a, b in zip(new, now, strict=True))
                y[t[runs], d, each[runs]] = now[0][runs]
            for s, value in zip(last, now, strict=True):
                s[d] = value
        return (y, *last)

    def macs(self, x: Tensors, y: Tensors) -> int:
        return x[0].shape[0] * x[0].shape[1] * (x[1].count + x[2].count)


def _twice(values: tuple) -> tuple:  # type: ignore[type-arg]
    """Values of one direction, or of two, for two."""
    return values * (2 * PER_DIRECTION // len(values))


def add_products(v: Array, w: Array, sums: Array) -> Array:
    """sums (N, J) + v (N, K) w (K, J): over k in order, each product and each sum rounded to f32."""
    out = np.broadcast_to(sums, (len(v), w.shape[1])).astype(np.float32)
    for k in range(v.shape[1]):
        out = out + v[:, k, None] * w[k]
    return out


def _has(node: ir.Node, index: int) -> bool:
    return index < len(node.inputs) and node.inputs[index] is not None


def _lengths(node: ir.Node, to: Lowering, batch: int) -> Tensor:
    """How long each sequence is; one for all where the node does not say, so long that they take all there is."""
    if _has(node, LENGTHS):
        return to.take(node, LENGTHS, "s32")
    return to.add(f"{node.name}/lengths", np.full(batch, 2**31 - 1, np.int32), "s32")


def _state(node: ir.Node, to: Lowering, index: int, shape: Shape, order: Axes) -> Tensor:
    """The state at the start (D, N, H), zeros where the node has none."""
    if _has(node, index):
        return to.take(node, index, "f32", order)
    return to.add(f"{node.name}/zeros", np.zeros(shape, np.float32), "f32")
