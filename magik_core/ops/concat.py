"""Concat: tensors one after the other along an axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import layout, numerics
from magik_core.ops import Array, Op, Params, Tensors, View, width
from magik_core.ops.cases import Input, case
from magik_core.program import CODES, QuantParams, Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class ConcatParams(Params):
    axis: int  # [0, rank)
    y_zero: int
    top: int  # largest code of y


@dataclass(frozen=True)
class Concat(Op):
    """Join tensors along a stored axis; codes of another scale than y's are rescaled on the way.

    Shapes: x… equal but along `axis`; y: the sum of their sizes there.
    Source: ONNX Concat, opset 13; docs/quantization.md, "Concat".
    """

    axis: int

    halves = True
    onnx = ("Concat",)
    dtypes = ("u8", "u16", "f32", "s32")

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        y = node.outputs[0]
        dtype = to.dtype(node, cls) if to.is_float(y) else None
        if dtype in CODES and _is_rescaled_between(node, to):
            dtype = "f32"
        parts = [to.take(node, i, dtype) for i in range(len(node.inputs))]
        axes = max(parts, key=lambda t: (t.data is None, t.count)).axes
        axis = to.attribute(node, "axis") % len(axes)
        to.emit(node, cls(axes.index(axis)), [to.relayout(t, axes) for t in parts], y)

    def shape(self, *x: Shape) -> tuple[Shape, ...]:
        first, a = x[0], self.axis
        return ((*first[:a], sum(s[a] for s in x), *first[a + 1 :]),)

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return f"concat_{x[0].dtype}" if x[0].dtype in CODES else "concat_" + width(x)

    def params(self, x: Tensors, y: Tensors) -> ConcatParams:
        q = y[0].quant
        return (
            ConcatParams(self.axis, int(q.zero_point), q.top)
            if isinstance(q, QuantParams)
            else ConcatParams(self.axis, 0, 0)
        )

    def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
        """For codes (inputs, 3): zero point, multiplier, shift of each; multiplier 0 copies."""
        if x[0].dtype not in CODES:
            return ()
        return (np.array([self._rescale(t.quant, y[0].quant) for t in x], np.int32),)

    @staticmethod
    def _rescale(x: object, y: object) -> tuple[int, int, int]:
        assert isinstance(x, QuantParams) and isinstance(y, QuantParams)
        if x == y:
            return 0, 0, 1
        return (int(x.zero_point), *numerics.multiplier(x.scale / y.scale))

    def integer(self, p: Params, *x: Array) -> Array:
        assert isinstance(p, ConcatParams)
        *parts, table = x
        out = []
        for part, (zero, m, s) in zip(parts, table, strict=True):
            codes = numerics.rescale(part.astype(np.int64) - zero, m, s) + p.y_zero
            out.append(part if m == 0 else numerics.saturate(codes, 0, p.top))
        return np.concatenate(out, self.axis)

    def real(self, p: Params, *x: Array) -> Array:
        return np.concatenate(x, self.axis)

    def run(self, x: Tensors, y: Tensors, values: tuple[Array, ...]) -> tuple[Array, ...]:
        if x[0].dtype in CODES:
            return super().run(x, y, values)
        return (self.real(self.params(x, y), *values),)

    def views(self, x: Tensors, y: Tensors) -> tuple[View, ...]:
        """Inputs lie inside y where nothing precedes `axis` and no code changes."""
        if layout.count(y[0].shape[: self.axis]) != 1 or any(t.quant != y[0].quant for t in x):
            return ()
        starts = np.cumsum([0, *(t.nbytes for t in x[:-1])])
        return tuple(View(t.name, y[0].name, int(at)) for t, at in zip(x, starts, strict=True))


def _is_rescaled_between(node: ir.Node, to: Lowering) -> bool:
    """Whether codes change between two of which real zero lies."""
    quants = {to.quant(v) for v in (*node.inputs, node.outputs[0]) if v is not None and v.const_value is None}
    return len(quants) > 1 and any(q.zero_point % 1 for q in quants)


CASES = [
    case("Concat", (1, 2, 4, 5), x=(1, 3, 4, 5), axis=1),
    case("Concat", Input((2, 3, 1), -4, 2), Input((2, 3, 6), 0, 1), x=(2, 3, 4), axis=2),
    case("Concat", (5, 3), (2, 3), x=(1, 3), axis=0),
    case("Concat", Input((1, 2, 3, 3), 0, 6), x=Input((1, 2, 3, 3), -0.1, 9), axis=-1, range=(0, 4)),
]
CASES += [  # parts about a vector, many short ones, one longer than what is rescaled at a time
    case("Concat", Input((70, 24), -4, 2), Input((70, 33), 0, 1), x=(70, 2), axis=1),
    case("Concat", Input((300, 8), -4, 2), Input((300, 16), 0, 1), Input((300, 3), 0, 9), x=(300, 4), axis=1),
    case("Concat", Input((2, 4100), -4, 2), x=(2, 130), axis=1, range=(-1, 1)),
    case("Concat", Input((5, 7), -900, 900), x=(5, 40), axis=1, range=(-0.01, 0.01)),
]
CASES += [  # a single input: equal parameters copy it, others rescale it
    case("Concat", x=Input((2, 3, 4), -4, 2), axis=1, range=(-4, 2)),
    case("Concat", x=Input((1, 3, 4, 5), -4, 2), axis=0, range=(-4, 2)),
    case("Concat", x=Input((2, 3, 4), -4, 2), axis=-1, range=(-1, 3)),
    case("Concat", x=Input((1, 70, 3, 5), 0, 6), axis=1, range=(-2, 9)),
    case("Concat", x=Input((3, 700), -4, 2), axis=1, range=(-4, 9)),
]
