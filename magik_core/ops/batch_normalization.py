"""BatchNormalization that no pass has folded away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magik_core.ops import Op
from magik_core.ops.add import Add
from magik_core.ops.cases import Input, case, floats, weights
from magik_core.ops.convolution import emit_convolution
from magik_core.ops.depthwise_conv import DepthwiseConv
from magik_core.ops.mul import Mul

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


class BatchNormalization(Op):
    """x * gain + offset per channel: a 1x1 DepthwiseConv does it, or on f32 Mul and Add.

    Shapes: x (N, C, …), y as x.
    Source: ONNX BatchNormalization, opset 15.
    """

    onnx = ("BatchNormalization",)
    dtypes = ("u8", "u16", "f32")

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        if to.attribute(node, "training_mode", 0) != 0:
            raise to.problem(node, "training_mode", 1, "0")
        names = ("scale", "B", "mean", "variance")
        scale, bias, mean, variance = (
            to.need_constant(node, i, what).astype(np.float64) for i, what in enumerate(names, 1)
        )
        gain = scale / np.sqrt(variance + to.attribute(node, "epsilon", 1e-5))
        offset = (bias - mean * gain).astype(np.float32)
        gain = gain.astype(np.float32)
        rank = len(to.shape(node.inputs[0]))
        if rank in (3, 4) and to.dtype(node, DepthwiseConv) != "f32":
            y, low, high = to.fuse_clip(node)
            window, dtype = DepthwiseConv(groups=len(gain), low=low, high=high), to.dtype(node, DepthwiseConv, y)
            emit_convolution(node, to, window, gain.reshape(-1, *(1,) * (rank - 1)), offset, y, dtype)
            return
        x, y = to.take(node, 0, "f32"), node.outputs[0]
        shape = tuple(len(gain) if a == 1 else 1 for a in x.axes)
        g = to.add(f"{node.name}/gain", gain.reshape(shape), "f32")
        o = to.add(f"{node.name}/offset", offset.reshape(shape), "f32")
        scaled = to.emit(node, Mul(), [x, g], y, name=f"{node.name}/scaled")
        to.emit(node, Add(), [scaled, o], y)


def _four(channels: int) -> tuple[np.ndarray, ...]:
    return tuple(floats(channels, seed=i, low=low, high=2) for i, low in enumerate((-2, -1, -1, 0.5)))


CASES = [
    case(
        "BatchNormalization",
        *(weights(3, 1).reshape(-1), np.zeros(3, np.float32), np.zeros(3, np.float32), np.ones(3, np.float32)),
        x=Input((2, 3, 4, 5), -3, 2),
        epsilon=0.0,
    ),
    case("BatchNormalization", *_four(3), x=Input((2, 3, 4, 5), -3, 2), epsilon=0.01, steps=0.6),
    case("BatchNormalization", *_four(4), x=Input((2, 4, 5), 0, 2), range=(-1, 1), steps=0.6),
    case("BatchNormalization", *_four(4), x=Input((3, 4), -1, 2), is_float_only=True),
    case("BatchNormalization", *_four(2), x=Input((1, 2, 2, 3, 2), -1, 2), is_float_only=True),
]
