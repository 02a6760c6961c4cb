"""LSTM: long short-term memory, in f32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import fmath, layout
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.cases import Input, case, floats
from magik_core.ops.convolution import clip
from magik_core.program import Shape, Tensor

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

ACTIVATIONS = ("sigmoid", "tanh", "tanh")
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


@dataclass(frozen=True)
class LSTMParams(Params):
    is_reverse: int  # 0, 1: the first direction runs from the end; a second one always does
    clip: float  # limit of what enters the gates, 0 and above


@dataclass(frozen=True)
class LSTM(Op):
    """Run an LSTM over a sequence, in one or two directions.

    For each time step, with the gates i, o, f, g in this order, s = sigmoid, and v = (x[t], h[t - 1]):
    a = b + sum over k of v[k] * w[k] for each gate; i = s(clip(a_i + p_i * c[t - 1])), f likewise,
    g = tanh(clip(a_g)), c[t] = f * c[t - 1] + i * g, o = s(clip(a_o + p_o * c[t])), h[t] = o * tanh(c[t]).
    The sum runs from b over x, then over h, each product and sum rounded to f32.

    Attributes: is_reverse: the (only) direction runs from the end; clip: limit of what enters a gate.
    Shapes: x (T, N, I); w (D, H, I + H, 4), one column per gate; b (D, H, 4); p (D, H, 3), for i, o, f;
        h and c at the start (D, N, H); y (T, D, N, H), and h and c at the end (D, N, H); D is 1 or 2.
    Source: ONNX LSTM, opset 22.
    """

    is_reverse: bool = False
    clip: float = np.inf

    onnx = ("LSTM",)
    dtypes = ("f32",)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        _refuse(node, to)
        w, r = (to.need_constant(node, i, what) for i, what in ((1, "W"), (2, "R")))
        dirs, hidden = r.shape[0], r.shape[2]
        x = to.take(node, 0, "f32", (0, 1, 2))
        b = to.need_constant(node, 3, "B") if _has(node, 3) else np.zeros((dirs, 8 * hidden), np.float32)
        p = to.need_constant(node, 7, "P") if _has(node, 7) else np.zeros((dirs, 3 * hidden), np.float32)
        both = np.concatenate([w, r], axis=2).reshape(dirs, 4, hidden, -1).transpose(0, 2, 3, 1)
        bias = (b[:, : 4 * hidden] + b[:, 4 * hidden :]).reshape(dirs, 4, hidden).swapaxes(1, 2)
        peepholes = p.reshape(dirs, 3, hidden).swapaxes(1, 2)
        name = node.name or ""
        tables = [to.add(f"{name}/{k}", v, "f32") for k, v in (("w", both), ("b", bias), ("p", peepholes))]
        state = [_state(node, to, i, (dirs, x.shape[1], hidden)) for i in (5, 6)]
        is_reverse = to.attribute(node, "direction", "forward") == "reverse"
        op = cls(is_reverse, float(to.attribute(node, "clip", np.inf)))
        to.emit_many(node, op, [x, *tables, *state], [layout.source_order(n) for n in (4, 3, 3)])

    def shape(self, x: Shape, w: Shape, *rest: Shape) -> tuple[Shape, ...]:
        state = (w[0], x[1], w[1])
        return (x[0], *state), state, state

    def params(self, x: Tensors, y: Tensors) -> LSTMParams:
        return LSTMParams(int(self.is_reverse), float(self.clip))

    def real(self, p: Params, x: Array, w: Array, b: Array, peepholes: Array, h: Array, c: Array) -> tuple[Array, ...]:
        y = np.zeros(self.shape(x.shape, w.shape)[0], np.float32)
        ends = []
        for d in range(len(w)):
            hd, cd = h[d], c[d]
            steps = range(len(x))
            for t in reversed(steps) if d == 1 or self.is_reverse else steps:
                hd, cd = self._step(np.concatenate([x[t], hd], axis=1), cd, w[d], b[d], peepholes[d])
                y[t, d] = hd
            ends.append((hd, cd))
        return y, np.stack([e[0] for e in ends]), np.stack([e[1] for e in ends])

    def _step(self, v: Array, c: Array, w: Array, b: Array, p: Array) -> tuple[Array, Array]:
        """h and c (N, H) after one time step of one direction; v (N, I + H)."""
        a = np.broadcast_to(b, (len(v), *b.shape)).copy()
        for k in range(v.shape[1]):
            a += v[:, k, None, None] * w[:, k]
        i = fmath.sigmoid(clip(a[..., 0] + p[:, 0] * c, -self.clip, self.clip))
        f = fmath.sigmoid(clip(a[..., 2] + p[:, 2] * c, -self.clip, self.clip))
        g = fmath.tanh(clip(a[..., 3], -self.clip, self.clip))
        c = f * c + i * g
        o = fmath.sigmoid(clip(a[..., 1] + p[:, 1] * c, -self.clip, self.clip))
        return o * fmath.tanh(c), c

    def macs(self, x: Tensors, y: Tensors) -> int:
        return x[0].shape[0] * x[0].shape[1] * x[1].count


def _has(node: ir.Node, index: int) -> bool:
    return index < len(node.inputs) and node.inputs[index] is not None


def _refuse(node: ir.Node, to: Lowering) -> None:
    """Raise LowerError for an attribute or input that the kernel does not know."""
    direction = to.attribute(node, "direction", "forward")
    if direction not in DIRECTIONS:
        raise to.problem(node, "unknown direction", direction, ", ".join(DIRECTIONS))
    for name in ("layout", "input_forget"):
        if to.attribute(node, name, 0) != 0:
            raise to.problem(node, f"unsupported {name}", to.attribute(node, name), "0")
    given = to.attribute(node, "activations")
    if given is not None and tuple(a.lower() for a in given) != ACTIVATIONS * DIRECTIONS[direction]:
        raise to.problem(node, "unsupported activations", ", ".join(given), "Sigmoid, Tanh, Tanh")
    length = to.shape(node.inputs[0])[0]
    if _has(node, 4) and not (to.need_constant(node, 4, "sequence_lens") == length).all():
        raise to.problem(node, "unsupported sequence_lens", "several lengths", f"all {length}")


def _state(node: ir.Node, to: Lowering, index: int, shape: Shape) -> Tensor:
    """The state at the start, zeros where the node has none."""
    if _has(node, index):
        return to.take(node, index, "f32", (0, 1, 2))
    return to.add(f"{node.name}/zeros", np.zeros(shape, np.float32), "f32")


def _case(dirs: int, *more: Input | Array | None, **attributes: object) -> object:
    """A case with T = 5, N = 2, I = 3, H = 4."""
    w, r = floats(dirs, 16, 3), floats(dirs, 16, 4, seed=1)
    return case("LSTM", w, r, *more, x=(5, 2, 3), hidden_size=4, is_float_only=True, relative=4e-6, **attributes)  # type: ignore[arg-type]


CASES = [
    _case(1, outputs=3),
    _case(1, floats(1, 32), direction="reverse", outputs=3),
    _case(2, floats(2, 32), None, Input((2, 2, 4)), Input((2, 2, 4)), direction="bidirectional", outputs=3),
    _case(1, None, np.array([5, 5], np.int32), floats(1, 2, 4), None, floats(1, 12), clip=0.5, outputs=3),
    _case(1, floats(1, 32), activations=["Sigmoid", "Tanh", "Tanh"]),
]
