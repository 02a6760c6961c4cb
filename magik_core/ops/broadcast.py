"""What the operators of two tensors share: broadcasting, and constants that become an affine function."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magik_core import layout, shifted
from magik_core.errors import LowerError
from magik_core.ops.affine import Affine
from magik_core.ops.convolution import emit_convolution
from magik_core.ops.depthwise_conv import DepthwiseConv
from magik_core.ops.reshape import Reshape
from magik_core.program import QuantParams, Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


def broadcast_shape(a: Shape, b: Shape) -> Shape:
    """Sizes of two shapes of one rank, a 1 stretched."""
    if len(a) != len(b) or any(i != j and 1 not in (i, j) for i, j in zip(a, b, strict=True)):
        raise LowerError("shapes do not broadcast", found=f"{a} and {b}", need="sizes equal or 1")
    return tuple(j if i == 1 else i for i, j in zip(a, b, strict=True))


def affine_by_constant(node: ir.Node, to: Lowering) -> bool:
    """Lower x + c, x - c, c - x, x * c and x / c on codes where c is one number or one per channel.

    A number is a table, on u16 one product; one per channel is a 1x1 depthwise convolution, whose scale per channel
    is exact.
    """
    at = 1 if to.constant(node, 1) is not None else 0
    c = to.constant(node, at)
    if c is None or to.constant(node, 1 - at) is not None:
        return False
    if at == 0 and node.op_type == "Div":
        return False
    gain, offset = _gain_and_offset(node.op_type, c.astype(np.float64), at)
    y = node.outputs[0]
    if to.shape(y) != to.shape(node.inputs[1 - at]):
        return False
    if c.size == 1:
        if to.dtype(node, Affine) == "f32":
            return False
        y, low, high = to.fuse_clip(node)
        x = to.take(node, 1 - at, to.dtype(node, Affine, y))
        q = to.quant(y)
        if isinstance(x.quant, QuantParams) and shifted.is_same(node, x.quant, q) and shifted.is_neutral(q, low, high):
            to.emit(node, Reshape.between(x.shape, x.shape), [x], y)
            return True
        to.emit(node, Affine(float(gain.reshape(-1)[0]), float(offset.reshape(-1)[0]), low, high), [x], y)
        return True
    shape = to.shape(y)
    is_per_channel = at == 1 and len(shape) in (3, 4) and _channel_size(c.shape, len(shape)) == shape[1]
    if not is_per_channel or to.dtype(node, DepthwiseConv) == "f32":
        return False
    y, low, high = to.fuse_clip(node)
    w = np.broadcast_to(gain.reshape(-1), (shape[1],)).astype(np.float32)
    b = np.broadcast_to(offset.reshape(-1), (shape[1],)).astype(np.float32)
    window, dtype = DepthwiseConv(groups=shape[1], low=low, high=high), to.dtype(node, DepthwiseConv, y)
    emit_convolution(node, to, window, w.reshape(-1, *(1,) * (len(shape) - 1)), b, y, dtype)
    return True


def _gain_and_offset(op_type: str, c: np.ndarray, at: int) -> tuple[np.ndarray, np.ndarray]:
    one, none = np.ones_like(c), np.zeros_like(c)
    if op_type == "Add":
        return one, c
    if op_type == "Sub":
        return (one, -c) if at == 1 else (-one, c)
    return (c if op_type == "Mul" else 1 / c), none


def _channel_size(shape: tuple[int, ...], rank: int) -> int:
    """Size of a constant's channel axis when all of its other axes are 1, else 0."""
    wide = (1,) * (rank - len(shape)) + shape
    return wide[1] if layout.count(wide) == wide[1] else 0
