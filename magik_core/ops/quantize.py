"""Quantize: f32 to codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from magik_core import numerics
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.concat import Concat
from magik_core.program import CODES, QuantParams

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class QuantizeParams(Params):
    scale: float  # > 0
    zero: float  # [0, top]
    top: int  # 2^bits - 1


@dataclass(frozen=True)
class Quantize(Op):
    """Turn f32 into codes of u8 or u16: x / scale + zero_point in f32, rounded half up, saturated; NaN gives 0.

    Shapes: x any, y as x.
    Source: ONNX QuantizeLinear, opset 24; docs/quantization.md, "Activations".
    """

    onnx = ("QuantizeLinear",)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        """Codes that have the parameters stay; others are rescaled; reals are quantized."""
        y = node.outputs[0]
        quant = to.quant(y)
        x = to.take(node, 0)
        if x.quant == quant:
            to.rename(x, y, x.axes)
        elif x.dtype in CODES:
            wide = "u16" if "u16" in (x.dtype, quant.dtype) else "u8"
            to.emit(node, Concat(0), [to.take(node, 0, wide)], y)
        else:
            to.emit(node, cls(), [x], y, dtype=quant.dtype)

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return f"quantize_{y[0].dtype}"

    def params(self, x: Tensors, y: Tensors) -> QuantizeParams:
        q = y[0].quant
        assert isinstance(q, QuantParams)
        return QuantizeParams(q.scale, q.zero_point, q.top)

    def integer(self, p: Params, x: Array) -> Array:
        assert isinstance(p, QuantizeParams)
        return numerics.quantize(x, QuantParams(p.scale, p.zero, p.top.bit_length()))
