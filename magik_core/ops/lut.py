"""Pointwise functions: a table on codes, of codes or of points with lines between, and a formula on f32."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import floor
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Op, Params, Tensors, snake
from magik_core.program import DTYPES, QuantParams

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

POINT_BITS = 12  # a table of points has 2^12 + 2; up to this width there is a table of all codes
FRACTION = 8  # fraction bits of a point, in codes of y
TOLERANCE = 1 / 8  # codes that points may lie off before they are rounded


@dataclass(frozen=True)
class LutParams(Params):
    bits: int  # of x's codes: [1, 16]
    phase: int  # points lie at codes 2^(bits - 12) * i - phase; below 2^(bits - 12)
    top: int  # largest code of y


class Pointwise(Op):
    """Base of the functions of one value. `function` is the float64 meaning that fills the table.

    `formula` is the f32 meaning, operation by operation, which `magik_<op>_f32` repeats.
    """

    dtypes: ClassVar[tuple[str, ...]] = ("u8", "u16", "f32")
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
        return f"{snake(type(self).__name__)}_f32" if x[0].dtype == "f32" else f"lut_{x[0].dtype}"

    def constants(self) -> Params:
        """Parameters of the f32 kernel."""
        return Params()

    def params(self, x: Tensors, y: Tensors) -> Params:
        if x[0].dtype == "u8":
            return Params()
        a, b = x[0].quant, y[0].quant
        if not (isinstance(a, QuantParams) and isinstance(b, QuantParams)):
            return self.constants()
        return LutParams(a.bits, _phase(a), b.top)

    def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
        """On codes u8 or u16 (2^bits): a code for each code; or s32 (2^12 + 2): points in 8 fraction bits."""
        a, b = x[0].quant, y[0].quant
        if x[0].dtype == "f32" or not (isinstance(a, QuantParams) and isinstance(b, QuantParams)):
            return ()
        return (_table(self, a, b, x[0].dtype),)

    def integer(self, p: Params, x: Array, table: Array) -> Array:
        if table.dtype != np.int32:
            return table[x]
        assert isinstance(p, LutParams)
        return numerics.saturate(numerics.rescale(_on_lines(p, x, table), 1, _spread(p.bits) + FRACTION), 0, p.top)

    def real(self, p: Params, x: Array) -> Array:
        return self.formula(x, p).astype(np.float32, copy=False)


def _spread(bits: int) -> int:
    """Points are 2^this codes apart."""
    return bits - POINT_BITS


def _phase(q: QuantParams) -> int:
    """What brings real zero, where many functions have a kink, onto a point."""
    return -floor(q.zero_point) % 2 ** max(_spread(q.bits), 0)


def _real_codes(f: Pointwise, a: QuantParams, b: QuantParams, q: Array) -> Array:
    """What f makes of codes, in codes that are not rounded; NaN counts as real 0."""
    with np.errstate(all="ignore"):
        real = f.function(a.scale * (q - a.zero_point))
    return np.clip(np.nan_to_num(real / b.scale, nan=0.0, posinf=1e9, neginf=-1e9) + b.zero_point, -1e9, 1e9)


@lru_cache(maxsize=64)
def _table(f: Pointwise, a: QuantParams, b: QuantParams, dtype: str) -> Array:
    """Points where lines between them come close enough to f, else the code of every code."""
    real = _real_codes(f, a, b, np.arange(256.0 if dtype == "u8" else float(a.top + 1)))
    table = None if dtype == "u8" or a.bits <= POINT_BITS else _points(f, a, b, np.clip(real, 0, b.top))
    if table is None:
        table = numerics.saturate(numerics.round_half_up(real), 0, b.top).astype(DTYPES[dtype])
    table.flags.writeable = False
    return table


def _points(f: Pointwise, a: QuantParams, b: QuantParams, want: Array) -> Array | None:
    """Points of f, unless lines between them miss a code that is wanted by more than TOLERANCE."""
    n, phase = _spread(a.bits), _phase(a)
    at = np.arange(2.0**POINT_BITS + 2) * 2**n - phase
    fine = np.clip(_real_codes(f, a, b, at) * 2.0**FRACTION, -(2.0**31), 2.0**31 - 1)
    table = numerics.round_half_up(fine).astype(np.int32)
    got = _on_lines(LutParams(a.bits, phase, b.top), np.arange(a.top + 1), table) / 2.0 ** (n + FRACTION)
    return table if np.abs(np.clip(got, 0, b.top) - want).max() <= TOLERANCE else None


def _on_lines(p: LutParams, x: Array, points: Array) -> Array:
    """Codes of y in bits - 12 + 8 fraction bits."""
    n, at, t = _spread(p.bits), x.astype(np.int64) + p.phase, points.astype(np.int64)
    i = at >> n
    return (t[i] << n) + (t[i + 1] - t[i]) * (at & (1 << n) - 1)
