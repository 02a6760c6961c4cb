"""Dequantize: codes to f32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from magik_core import numerics
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.program import CODES, QuantParams

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class DequantizeParams(Params):
    scale: float  # > 0
    zero: float  # code of real 0


@dataclass(frozen=True)
class Dequantize(Op):
    """Turn codes of u8 or u16 into f32: scale * (q - zero_point).

    Shapes: x any, y as x.
    Source: ONNX DequantizeLinear, opset 24; docs/quantization.md, "Activations".
    """

    onnx = ("DequantizeLinear",)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        """Codes stay codes until a reader wants reals."""
        x, y = to.take(node, 0), node.outputs[0]
        if x.dtype in CODES:
            to.rename(x, y, x.axes)
        else:
            to.emit(node, cls(), [x], y, dtype="f32")

    def params(self, x: Tensors, y: Tensors) -> DequantizeParams:
        q = x[0].quant
        assert isinstance(q, QuantParams)
        return DequantizeParams(q.scale, q.zero_point)

    def integer(self, p: Params, x: Array) -> Array:
        assert isinstance(p, DequantizeParams)
        return numerics.dequantize(x, QuantParams(p.scale, p.zero))
