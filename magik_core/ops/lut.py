"""Pointwise functions: a table on codes, a formula on f32."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Op, Params, Tensors, by_onnx, snake
from magik_core.ops.points import Points, PointsParams, find_points, on_lines, real_codes
from magik_core.program import DTYPES, QuantParams

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


class Pointwise(Op):
    """Base of the functions of one value. `function` is the float64 meaning that fills the table.

    `formula` is the f32 meaning, operation by operation, which `magik_<op>_f32` repeats.
    """

    dtypes: ClassVar[tuple[str, ...]] = ("u8", "u16", "f32")
    halves = True
    in_place = (0,)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        x = to.take(node, 0, to.dtype(node, cls))
        op = cls(**{k: to.attribute(node, k) for k in node.attributes})
        to.emit(node, op.straight() or op if x.dtype == "u16" else op, [x], node.outputs[0])

    def straight(self) -> Pointwise | None:
        """The Affine that is this function, if there is one: on u16 it needs no table."""
        return None

    def function(self, x: Array) -> Array:
        raise NotImplementedError

    def formula(self, x: Array, p: Params) -> Array:
        raise NotImplementedError

    def kernel(self, x: Tensors, y: Tensors) -> str:
        if x[0].dtype == "f32":
            return f"{snake(type(self).__name__)}_f32"
        return f"lut_{x[0].dtype}" if self._points(x, y) is None else "points_u16"

    def constants(self) -> Params:
        """Parameters of the f32 kernel."""
        return Params()

    def params(self, x: Tensors, y: Tensors) -> Params:
        points = self._points(x, y)
        return points.params if points else self.constants() if x[0].dtype == "f32" else Params()

    def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
        """On codes a code of y for each of x's; where points_u16 computes the step, the points."""
        if x[0].dtype == "f32":
            return ()
        points = self._points(x, y)
        return (points.table if points else codes(self, *quants(x, y)).astype(DTYPES[x[0].dtype]),)

    def _points(self, x: Tensors, y: Tensors) -> Points | None:
        """The points that stand for a table of more than 12 bits."""
        return None if x[0].dtype != "u16" else points_of(self, *quants(x, y))

    def integer(self, p: Params, x: Array, table: Array) -> Array:
        return on_lines(p, x, table) if isinstance(p, PointsParams) else table[x]

    def real(self, p: Params, x: Array) -> Array:
        return self.formula(x, p).astype(np.float32, copy=False)


def quants(x: Tensors, y: Tensors) -> tuple[QuantParams, QuantParams]:
    """What the codes of a step's input and output mean."""
    a, b = x[0].quant, y[0].quant
    assert isinstance(a, QuantParams) and isinstance(b, QuantParams)
    return a, b


@cache
def unary() -> frozenset[str]:
    """ONNX operators that compute each element of their one value by itself, so that the order of its axes is free."""
    of_two = {"Pow"}
    return frozenset(n for n, op in by_onnx().items() if issubclass(op, Pointwise)) - of_two | {"Cast", "Identity"}


@lru_cache(maxsize=64)
def codes(f: Pointwise, a: QuantParams, b: QuantParams) -> Array:
    """The code of f for each of the codes that there are."""
    table = numerics.saturate(
        numerics.round_half_up(real_codes(f.function, a, b, np.arange(2.0 ** max(a.bits, 8)))), 0, b.top
    )
    table.flags.writeable = False
    return table


@lru_cache(maxsize=64)
def points_of(f: Pointwise, a: QuantParams, b: QuantParams) -> Points | None:
    """Points with lines between that come close enough to f, if there are."""
    return find_points(f.function, a, b)
