"""MaxPool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import layout
from magik_core.ops import Array, Params, Tensors
from magik_core.ops.cases import Input, case
from magik_core.ops.pooling import Pool, PoolParams, one_axis, pool_attributes

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class MaxPool(Pool):
    """The largest value of each window; padding never wins.

    A window without any element gives code 0, or minus infinity; a NaN never wins.

    Attributes: kernel_shape, strides, dilations, pads (top, left, bottom, right), ceil_mode.
    Shapes: x (N, H, W, C) or (N, L, C); y (N, OH, OW, C) or (N, OL, C).
    Source: ONNX MaxPool, opset 22.
    """

    onnx = ("MaxPool",)
    dtypes = ("u8", "u16", "f32")
    keeps_codes = True
    halves = True

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        y = node.outputs[0]
        if len(node.outputs) > 1 and (node.outputs[1].uses() or node.outputs[1].is_graph_output()):
            raise to.problem(node, "unsupported output", "Indices", "only the values")
        x = to.take(node, 0, to.dtype(node, cls, y) if to.is_float(y) else None)
        if x.dtype not in cls.dtypes:
            raise to.problem(node, "unsupported type", x.dtype, ", ".join(cls.dtypes))
        x = to.relayout(x, layout.channels_last(len(x.axes)))
        to.emit(node, cls(**pool_attributes(node, to)), [x], y)

    def params(self, x: Tensors, y: Tensors) -> PoolParams:
        return PoolParams(*self.pool_params())

    def integer(self, p: Params, x: Array) -> Array:
        return self._largest(x, 0)

    def real(self, p: Params, x: Array) -> Array:
        return self._largest(x, -np.inf)

    def _largest(self, x: Array, lowest: float) -> Array:
        wide = one_axis(x)
        out = np.full((len(x), *self.outputs(wide.shape[1:3]), x.shape[-1]), lowest, x.dtype)
        for values, _, _ in self.taps(wide, lowest):
            out = np.where(values > out, values, out)
        return out if x.ndim == 4 else out[:, 0]


CASES = [
    case("MaxPool", x=(2, 3, 7, 8), kernel_shape=[3, 2]),
    case("MaxPool", x=Input((1, 5, 7, 8), -6, -1), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    case("MaxPool", x=Input((1, 70, 8, 9), 0, 6), kernel_shape=[2, 3], strides=[2, 1], pads=[0, 1, 1, 0]),
    case("MaxPool", x=(1, 2, 6, 7), kernel_shape=[2, 2], strides=[2, 3], ceil_mode=1),
    case("MaxPool", x=(1, 2, 9, 9), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1),
    case("MaxPool", x=(1, 3, 11, 9), kernel_shape=[3, 2], dilations=[3, 2], pads=[2, 0, 2, 1]),
    case("MaxPool", x=(1, 3, 7, 6), kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
    case("MaxPool", x=(1, 3, 7, 6), kernel_shape=[2, 3], strides=[2, 2], auto_pad="SAME_LOWER"),
    case("MaxPool", x=(1, 3, 7, 6), kernel_shape=[2, 3], auto_pad="VALID"),
    case("MaxPool", x=(2, 3, 10), kernel_shape=[3], strides=[2], pads=[1, 2]),
    case("MaxPool", x=(1, 1, 1, 1), kernel_shape=[1, 1]),
]
CASES += [  # channels and widths about a vector
    case("MaxPool", x=(1, c, 5, w), kernel_shape=[k, k], strides=[s, s], pads=[k // 2] * 4)
    for c, k, s, w in (
        (1, 3, 1, 40),
        (9, 2, 2, 8),
        (16, 3, 2, 7),
        (31, 3, 1, 5),
        (33, 5, 3, 9),
        (64, 3, 2, 4),
        (70, 2, 1, 3),
    )
]
CASES += [
    case("MaxPool", x=(1, 3, 4, 4), kernel_shape=[2, 2], strides=[5, 7], ceil_mode=1),
    case("MaxPool", x=(1, 1, 1, 66), kernel_shape=[1, 66], pads=[0, 65, 0, 65]),
]
