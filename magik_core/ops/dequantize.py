"""Dequantize: codes to f32."""

from __future__ import annotations

from dataclasses import dataclass

from magik_core import numerics
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.program import QuantParams


@dataclass(frozen=True)
class DequantizeParams(Params):
    scale: float  # > 0
    zero: float  # code of real 0


@dataclass(frozen=True)
class Dequantize(Op):
    """Turn codes of u8 or u16 into f32: scale * (q - zero_point).

    Shapes: x any, y as x.
    Source: docs/quantization.md, "Activations".
    """

    def params(self, x: Tensors, y: Tensors) -> DequantizeParams:
        q = x[0].quant
        assert isinstance(q, QuantParams)
        return DequantizeParams(q.scale, q.zero_point)

    def integer(self, p: Params, x: Array) -> Array:
        assert isinstance(p, DequantizeParams)
        return numerics.dequantize(x, QuantParams(p.scale, p.zero))
