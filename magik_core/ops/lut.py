"""Pointwise functions: a table of 256 codes on u8, a formula on f32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Op, Params, Tensors, snake
from magik_core.program import QuantParams

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


class Pointwise(Op):
    """Base of the functions of one value. `function` is the float64 meaning that fills the table.

    `formula` is the f32 meaning, operation by operation, which `magik_<op>_f32` repeats.
    """

    in_place = (0,)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        x = to.take(node, 0, to.dtype(node, cls))
        to.emit(node, cls(**{k: to.attribute(node, k) for k in node.attributes}), [x], node.outputs[0])

    def function(self, x: Array) -> Array:
        raise NotImplementedError

    def formula(self, x: Array, p: Params) -> Array:
        raise NotImplementedError

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return "lut_u8" if x[0].dtype == "u8" else f"{snake(type(self).__name__)}_f32"

    def constants(self) -> Params:
        """Parameters of the f32 kernel."""
        return Params()

    def params(self, x: Tensors, y: Tensors) -> Params:
        return Params() if x[0].dtype == "u8" else self.constants()

    def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
        if x[0].dtype != "u8":
            return ()
        a, b = x[0].quant, y[0].quant
        assert isinstance(a, QuantParams) and isinstance(b, QuantParams)
        with np.errstate(all="ignore"):
            real = self.function(a.scale * (np.arange(256.0) - a.zero_point))
        codes = np.nan_to_num(real / b.scale, nan=0.0, posinf=1e9, neginf=-1e9) + b.zero_point
        return (numerics.saturate(numerics.round_half_up(np.clip(codes, -1e9, 1e9)), 0, b.top),)

    def integer(self, p: Params, x: Array, table: Array) -> Array:
        return table[x]

    def real(self, p: Params, x: Array) -> Array:
        return self.formula(x, p).astype(np.float32, copy=False)


@dataclass(frozen=True)
class Affine(Pointwise):
    """gain * x + offset, limited to [low, high]: what a scalar constant does to codes.

    Shapes: x any, y as x.
    Source: docs/quantization.md, "Tables".
    """

    gain: float = 1.0
    offset: float = 0.0
    low: float = -np.inf
    high: float = np.inf

    dtypes = ("u8",)

    def function(self, x: Array) -> Array:
        return np.clip(self.gain * x + self.offset, self.low, self.high)
