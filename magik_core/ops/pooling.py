"""What MaxPool and AveragePool share: the window and the taps of it that lie inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from magik_core import layout
from magik_core.ops import Array, Op, Params
from magik_core.ops.convolution import Pair, explicit_pads, four, pair
from magik_core.program import Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

MAX_KERNEL = 2048  # taps per axis: 255 * MAX_KERNEL**2 fits int32, on u16 int64 holds the sums


@dataclass(frozen=True)
class PoolParams(Params):
    stride_h: int  # [1, 1024]
    stride_w: int
    dilation_h: int  # [1, 1024]
    dilation_w: int
    top: int  # padding, [0, 1024]
    left: int
    bottom: int
    right: int
    kernel_h: int  # [1, 2048]
    kernel_w: int
    ceil_mode: int  # 0, 1


@dataclass(frozen=True)
class Pool(Op):
    """Base of the operators that slide a window over each channel.

    Attributes: kernel, strides, dilations; pads (top, left, bottom, right); ceil_mode: a last window
        that begins inside x or its padding before counts, even where it reaches past the padding after.
    Shapes: x (N, H, W, C) or (N, L, C); y (N, OH, OW, C) or (N, OL, C).
    Source: ONNX MaxPool and AveragePool, opset 22.
    """

    kernel_shape: Pair = (1, 1)
    strides: Pair = (1, 1)
    dilations: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    ceil_mode: bool = False

    def shape(self, x: Shape) -> tuple[Shape, ...]:
        sizes = self.outputs((1, x[1]) if len(x) == 3 else x[1:3])
        return ((x[0], *sizes[4 - len(x) :], x[-1]),)

    def outputs(self, size: Shape) -> Pair:
        """Height and width of y from those of x."""
        out = []
        for i in range(2):
            before, after, stride = self.pads[i], self.pads[i + 2], self.strides[i]
            room = size[i] + before + after - self.dilations[i] * (self.kernel_shape[i] - 1) - 1
            count = (room + (stride - 1 if self.ceil_mode else 0)) // stride + 1
            out.append(count - 1 if self.ceil_mode and (count - 1) * stride >= size[i] + before else count)
        return out[0], out[1]

    def pool_params(self) -> tuple[int, ...]:
        """Values of the fields of PoolParams."""
        return (*self.strides, *self.dilations, *self.pads, *self.kernel_shape, int(self.ceil_mode))

    def taps(self, x: Array, fill: Any) -> Iterator[tuple[Array, Array, Array]]:
        """For each tap, over kh then kw: values of x (N, OH, OW, C), `fill` where it lies outside; whether it
        lies inside x, and whether inside x or its padding, (OH, OW, 1)."""
        oh, ow = self.outputs(x.shape[1:3])
        h, w = x.shape[1:3]
        for kh, kw in np.ndindex(*self.kernel_shape):
            ih = np.arange(oh) * self.strides[0] - self.pads[0] + kh * self.dilations[0]
            iw = np.arange(ow) * self.strides[1] - self.pads[1] + kw * self.dilations[1]
            inside = np.outer((ih >= 0) & (ih < h), (iw >= 0) & (iw < w))[..., None]
            padded = np.outer(ih < h + self.pads[2], iw < w + self.pads[3])[..., None]
            near = x[:, np.clip(ih, 0, h - 1)][:, :, np.clip(iw, 0, w - 1)]
            yield np.where(inside, near, x.dtype.type(fill)), inside, padded


def pool_attributes(node: ir.Node, to: Lowering) -> dict[str, Any]:
    """The fields of a Pool from an ONNX node.

    Raises: LowerError: more than two axes, or sizes that no kernel takes.
    """
    shape, kernel = to.shape(node.inputs[0]), to.attribute(node, "kernel_shape")
    rank = len(shape) - 2
    if rank not in (1, 2):
        raise to.problem(node, "unsupported rank", f"{rank} spatial axes", "1 or 2")
    if max(kernel) > MAX_KERNEL:
        raise to.problem(node, "the window is too large", list(kernel), f"at most {MAX_KERNEL} taps along an axis")
    strides, dilations = (to.attribute(node, k, (1,) * rank) for k in ("strides", "dilations"))
    pads = four(explicit_pads(node, to, shape[2:], kernel, strides, dilations))
    ceil_mode = bool(to.attribute(node, "ceil_mode", 0))
    found = Pool(pair(kernel), pair(strides), pair(dilations), pads, ceil_mode)
    stored = layout.stored(to.shape(node.outputs[0]), layout.channels_last(rank + 2))
    (made,) = found.shape(layout.stored(shape, layout.channels_last(rank + 2)))
    if made != stored:
        raise to.problem(node, "another size of the output is expected", stored[1:-1], f"{made[1:-1]}")
    return vars(found)


def one_axis(x: Array) -> Array:
    """A view with height 1 of a one-axis array."""
    return x if x.ndim == 4 else x[:, None]
