"""Quantize: f32 to codes."""

from __future__ import annotations

from dataclasses import dataclass

from magik_core import numerics
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.program import QuantParams


@dataclass(frozen=True)
class QuantizeParams(Params):
    scale: float  # > 0
    zero: float  # [0, top]
    top: int  # 2^bits - 1


@dataclass(frozen=True)
class Quantize(Op):
    """Turn f32 into codes of u8 or u16: x / scale + zero_point in f32, rounded half up, saturated; NaN gives 0.

    Shapes: x any, y as x.
    Source: docs/quantization.md, "Activations".
    """

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return f"quantize_{y[0].dtype}"

    def params(self, x: Tensors, y: Tensors) -> QuantizeParams:
        q = y[0].quant
        assert isinstance(q, QuantParams)
        return QuantizeParams(q.scale, q.zero_point, q.top)

    def integer(self, p: Params, x: Array) -> Array:
        assert isinstance(p, QuantizeParams)
        return numerics.quantize(x, QuantParams(p.scale, p.zero, p.top.bit_length()))
