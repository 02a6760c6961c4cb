"""AveragePool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import layout, numerics
from magik_core.ops import Array, Params, Tensors
from magik_core.ops.cases import Input, case
from magik_core.ops.pooling import Pool, PoolParams, one_axis, pool_attributes
from magik_core.program import QuantParams

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class AveragePoolParams(PoolParams):
    count_include_pad: int  # 0, 1
    x_zero: int
    y_zero: int
    top_code: int  # largest code of y
    multiplier: int  # s_x / s_y / 2^16
    shift: int  # [1, 62]


@dataclass(frozen=True)
class AveragePool(Pool):
    """The mean of each window: its sum over kh, then kw, by the number of taps that count.

    On codes the mean has 16 fraction bits before it is rescaled. The mean of nothing is 0.

    Attributes: kernel_shape, strides, dilations, pads (top, left, bottom, right), ceil_mode;
        count_include_pad: taps on padding count as zeros, those past it do not.
    Shapes: x (N, H, W, C) or (N, L, C); y (N, OH, OW, C) or (N, OL, C).
    Source: ONNX AveragePool, opset 22; docs/quantization.md, "Averages".
    """

    count_include_pad: bool = False

    onnx = ("AveragePool",)
    dtypes = ("u8", "u16", "f32")

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        x = to.take(node, 0, to.dtype(node, cls))
        x = to.relayout(x, layout.channels_last(len(x.axes)))
        is_counted = bool(to.attribute(node, "count_include_pad", 0))
        to.emit(node, cls(**pool_attributes(node, to), count_include_pad=is_counted), [x], node.outputs[0])

    def params(self, x: Tensors, y: Tensors) -> AveragePoolParams:
        a, b = x[0].quant, y[0].quant
        window: tuple[int, ...] = (*self.pool_params(), int(self.count_include_pad))
        if not (isinstance(a, QuantParams) and isinstance(b, QuantParams)):
            return AveragePoolParams(*(*window, 0, 0, 0, 0, 1))
        scale = numerics.multiplier(a.scale / b.scale / 2**numerics.AVERAGE_BITS)
        return AveragePoolParams(*(*window, int(a.zero_point), int(b.zero_point), b.top, *scale))

    def integer(self, p: Params, x: Array) -> Array:
        assert isinstance(p, AveragePoolParams)
        total, count = self._sum(x.astype(np.int64) - p.x_zero)
        out = numerics.rescale(numerics.average(total, count), p.multiplier, p.shift) + p.y_zero
        return numerics.saturate(out, 0, p.top_code)

    def real(self, p: Params, x: Array) -> Array:
        total, count = self._sum(x)
        return total / count.astype(np.float32)

    def _sum(self, x: Array) -> tuple[Array, Array]:
        """Sums of the windows, and how many taps count, at least 1."""
        wide = one_axis(x)
        total = np.zeros((len(x), *self.outputs(wide.shape[1:3]), x.shape[-1]), x.dtype)
        count = np.zeros((*total.shape[1:3], 1), np.int64)
        for values, inside, padded in self.taps(wide, 0):
            total = np.where(inside, total + values, total)
            count = count + (padded if self.count_include_pad else inside)
        count = np.maximum(count, 1)
        return (total, count) if x.ndim == 4 else (total[:, 0], count[0])


CASES = [
    case("AveragePool", x=(2, 3, 7, 8), kernel_shape=[3, 2]),
    case("AveragePool", x=Input((1, 5, 7, 8), -6, -1), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    case(
        "AveragePool",
        x=Input((1, 70, 8, 9), 0, 6),
        kernel_shape=[2, 3],
        strides=[2, 1],
        pads=[0, 1, 1, 0],
        count_include_pad=1,
    ),
    case("AveragePool", x=(1, 2, 6, 7), kernel_shape=[2, 2], strides=[2, 3], ceil_mode=1),
    case(
        "AveragePool",
        x=(1, 2, 8, 8),
        kernel_shape=[3, 3],
        strides=[2, 2],
        pads=[1, 1, 0, 1],
        ceil_mode=1,
        count_include_pad=1,
    ),
    case("AveragePool", x=(1, 3, 11, 9), kernel_shape=[3, 2], dilations=[3, 2], pads=[2, 0, 2, 1]),
    case("AveragePool", x=(1, 3, 11, 9), kernel_shape=[3, 2], dilations=[3, 2], pads=[2, 1, 2, 1], count_include_pad=1),
    case("AveragePool", x=(1, 3, 7, 6), kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
    case("AveragePool", x=(1, 3, 7, 6), kernel_shape=[2, 3], strides=[2, 2], auto_pad="SAME_LOWER"),
    case("AveragePool", x=(1, 3, 7, 6), kernel_shape=[2, 3], auto_pad="VALID", range=(0, 0.1)),
    case("AveragePool", x=Input((2, 3, 10), 0, 1), kernel_shape=[3], strides=[2], pads=[1, 2], range=(0, 300)),
    case("AveragePool", x=Input((1, 2, 40, 41), 0, 255), kernel_shape=[40, 41]),
]
