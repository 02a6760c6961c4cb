"""ReduceMax, ReduceMin and GlobalMaxPool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core.ops import Array, Params, Tensors
from magik_core.ops.cases import Input, case, ints
from magik_core.ops.reduce import Reduce, ReduceParams

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class ReduceMaxParams(ReduceParams):
    is_min: int  # 0, 1


@dataclass(frozen=True)
class ReduceMax(Reduce):
    """The largest or smallest element over some axes; a NaN never wins.

    Attributes: axes: stored axes, ascending; keepdims: they stay, with size 1; is_min: the smallest.
    Shapes: x any; y as x, without `axes` or with size 1 there.
    Source: ONNX ReduceMax and ReduceMin, opset 20, and GlobalMaxPool, opset 22.
    """

    is_min: bool = False

    onnx = ("ReduceMax", "ReduceMin", "GlobalMaxPool")
    keeps_codes = True

    @classmethod
    def attributes(cls, node: ir.Node) -> dict[str, bool]:
        return {"is_min": node.op_type == "ReduceMin"}

    def params(self, x: Tensors, y: Tensors) -> ReduceMaxParams:
        return ReduceMaxParams(*self.words_of_axes(), int(self.is_min))

    def integer(self, p: Params, x: Array) -> Array:
        rows = self.rows(x)
        return np.asarray(rows.min(axis=-1) if self.is_min else rows.max(axis=-1))

    def real(self, p: Params, x: Array) -> Array:
        worst = np.float32(np.inf if self.is_min else -np.inf)
        rows = self.rows(x)
        rows = np.where(np.isnan(rows), worst, rows)
        out = np.full(rows.shape[:-1], worst)
        for i in range(rows.shape[-1]):  # in order: of two zeros the first stays
            v = rows[..., i]
            out = np.where(v < out if self.is_min else v > out, v, out)
        return out


CASES = [
    case("GlobalMaxPool", x=Input((2, 70, 7, 5), -3, -1)),
    case("GlobalMaxPool", x=(2, 3, 9)),
    case("ReduceMax", ints(1), x=(2, 3, 4, 5)),
    case("ReduceMax", ints(0, -1), x=Input((3, 4, 5, 6), 0, 6), keepdims=0),
    case("ReduceMin", ints(2, 3), x=Input((1, 5, 4, 5), 0, 6), keepdims=0),
    case("ReduceMin", x=Input((3, 4, 5), -6, -1)),
    case("ReduceMin", ints(1, 3), x=(2, 3, 2, 3, 2)),
    case("ReduceMax", x=(3, 4), noop_with_empty_axes=1),
]
