"""ConvTranspose: each input pixel spreads a window of outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import layout, numerics
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.cases import Input, case, floats
from magik_core.ops.convolution import (
    Pair,
    channel_multipliers,
    clip,
    code_limits,
    four,
    grouped_matmul,
    pair,
    quantize_affine,
    two_axes,
)
from magik_core.program import QuantParams, Shape, WeightParams

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lower import Lowering


@dataclass(frozen=True)
class ConvTransposeParams(Params):
    stride_h: int  # [1, 1024]
    stride_w: int
    dilation_h: int  # [1, 1024]
    dilation_w: int
    top: int  # [0, 1024]
    left: int
    bottom: int
    right: int
    more_h: int  # output_padding, [0, 1024]
    more_w: int
    groups: int
    x_zero: int
    y_zero: int
    low: int  # smallest and largest code of y
    high: int
    real_low: float
    real_high: float


@dataclass(frozen=True)
class ConvTranspose(Op):
    """Transposed convolution, then limits.

    y[n, oh, ow, o] = clamp(b[o] + sum over kh, kw, i of w[o, kh, kw, i] * (x[n, ih, iw, g * I + i] - zero)),
    over the taps with oh = ih * stride - top + kh * dilation and ih inside x.

    Attributes: strides, dilations, pads (top, left, bottom, right), more (output_padding), groups; low,
        high: limits of y in reals.
    Shapes: x (N, H, W, C) or (N, L, C); w (O, kh, kw, C / groups) or (O, k, C / groups), s8 or f32; b (O), s32
        or f32; y (N, OH, OW, O), OH = stride * (H - 1) + dilation * (kh - 1) + 1 + more - top - bottom.
    Source: ONNX ConvTranspose, opset 22; docs/quantization.md, "Convolution".
    """

    strides: Pair = (1, 1)
    dilations: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    more: Pair = (0, 0)
    groups: int = 1
    low: float = -np.inf
    high: float = np.inf

    onnx = ("ConvTranspose",)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        w = to.need_constant(node, 1, "weight")
        if w.ndim not in (3, 4):
            raise to.problem(node, "unsupported rank", f"{w.ndim - 2} spatial axes", "1 or 2")
        y, low, high = to.fuse_clip(node)
        dtype = to.dtype(node, cls, y)
        window = cls.window(node, to, w.shape, low, high)
        g = window.groups
        w = np.moveaxis(w.reshape(g, w.shape[0] // g, *w.shape[1:]), 1, -1)
        w = np.ascontiguousarray(w.reshape(-1, *w.shape[2:]))
        bias = to.constant(node, 2)
        bias = np.zeros(len(w), np.float32) if bias is None else bias
        x = to.take(node, 0, dtype, layout.channels_last(w.ndim))
        name = node.name or ""
        if dtype == "f32":
            to.emit(node, window, [x, to.add(f"{name}/w", w, "f32"), to.add(f"{name}/b", bias, "f32")], y)
            return
        assert isinstance(x.quant, QuantParams)
        codes, b, scales = quantize_affine(node, to, w, bias, x.quant.scale, np.zeros(x.shape[-1]), g)
        quant = WeightParams(tuple(float(s) for s in scales))
        to.emit(node, window, [x, to.add(f"{name}/w", codes, "s8", quant), to.add(f"{name}/b", b, "s32")], y)

    @classmethod
    def window(cls, node: ir.Node, to: Lowering, w: Shape, low: float, high: float) -> ConvTranspose:
        """The attributes of a node, padding made explicit."""
        rank, size = len(w) - 2, to.shape(node.inputs[0])[2:]
        s, d = (to.attribute(node, k, (1,) * rank) for k in ("strides", "dilations"))
        more = to.attribute(node, "output_padding", (0,) * rank)
        pads = to.attribute(node, "pads", (0,) * 2 * rank)
        auto = to.attribute(node, "auto_pad", "NOTSET")
        wanted = to.attribute(node, "output_shape")
        if wanted is None and auto.startswith("SAME"):  # as large as the stride says, where the window reaches
            reach = (s[i] * (size[i] - 1) + more[i] + d[i] * (w[2 + i] - 1) + 1 for i in range(rank))
            wanted = tuple(min(n * k, r) for n, k, r in zip(size, s, reach, strict=True))
        if wanted is not None:
            wanted = wanted[-rank:]
            total = [s[i] * (size[i] - 1) + more[i] + d[i] * (w[2 + i] - 1) + 1 - wanted[i] for i in range(rank)]
            more = tuple(m - min(t, 0) for m, t in zip(more, total, strict=True))  # a negative total adds rows
            total = [max(t, 0) for t in total]
            small, large = [t // 2 for t in total], [t - t // 2 for t in total]
            pads = (*small, *large) if auto == "SAME_UPPER" else (*large, *small)
        if min(pads) < 0:
            raise to.problem(node, "negative padding", pads, "0 and above")
        more = (more[0], more[1]) if rank == 2 else (0, more[0])
        return cls(pair(s), pair(d), four(pads), more, to.attribute(node, "group", 1), low, high)

    def shape(self, x: Shape, w: Shape, *rest: Shape) -> tuple[Shape, ...]:
        return ((x[0], *self.outputs(x[1:-1], w[1:-1]), w[0]),)

    def outputs(self, size: Shape, window: Shape) -> Shape:
        """Spatial sizes of y."""
        first = 2 - len(size)
        s, d, m, p, q = (v[first:] for v in (self.strides, self.dilations, self.more, self.pads[:2], self.pads[2:]))
        return tuple(s[i] * (size[i] - 1) + d[i] * (window[i] - 1) + 1 + m[i] - p[i] - q[i] for i in range(len(size)))

    def params(self, x: Tensors, y: Tensors) -> ConvTransposeParams:
        a, b = x[0].quant, y[0].quant
        x_zero, y_zero, low, high = 0, 0, 0, 0
        if isinstance(a, QuantParams) and isinstance(b, QuantParams):
            x_zero, y_zero = int(a.zero_point), int(b.zero_point)
            low, high = code_limits(b, self.low, self.high)
        return ConvTransposeParams(*self.strides, *self.dilations, *self.pads, *self.more, self.groups, x_zero, y_zero,
                                   low, high, float(self.low), float(self.high))

    def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
        return () if x[0].dtype == "f32" else channel_multipliers(x[0], x[1], y[0])

    def integer(self, p: ConvTransposeParams, x: Array, w: Array, b: Array, m: Array, s: Array) -> Array:
        x, w, flat = two_axes(x, w)
        acc = np.zeros((x.shape[0], *self.outputs(x.shape[1:3], w.shape[1:3]), w.shape[0]))
        for kh, kw, out, part in self.spread(x.shape, w.shape):
            acc[out] += grouped_matmul(x[part].astype(np.int64) - p.x_zero, w[:, kh, kw], self.groups)
        y = numerics.rescale(acc.astype(np.int64) + b, m, s) + p.y_zero
        return flat(numerics.saturate(y, p.low, p.high))

    def real(self, p: ConvTransposeParams, x: Array, w: Array, b: Array) -> Array:
        x, w, flat = two_axes(x, w)
        shape = (x.shape[0], *self.outputs(x.shape[1:3], w.shape[1:3]), w.shape[0])
        acc = np.broadcast_to(b + np.float32(0), shape).copy()  # + 0: no negative zero to start from
        for kh, kw, out, part in self.spread(x.shape, w.shape):
            for i in range(w.shape[3]):
                xi = np.repeat(x[part][..., i :: w.shape[3]], w.shape[0] // self.groups, axis=-1)
                acc[out] = acc[out] + xi * w[:, kh, kw, i]
        return flat(clip(acc, self.low, self.high))

    def spread(self, x: Shape, w: Shape) -> Iterator[tuple[int, int, tuple[slice, ...], tuple[slice, ...]]]:
        """Per tap (kh, kw): where in y it adds, and which part of x."""
        size = self.outputs(x[1:3], w[1:3])
        for tap in np.ndindex(*w[1:3]):
            out, part = [slice(None)], [slice(None)]
            for i in range(2):
                s, at = self.strides[i], tap[i] * self.dilations[i] - self.pads[i]
                first = max(0, -(at // s))
                last = min(x[1 + i], (size[i] - 1 - at) // s + 1)
                part.append(slice(first, max(first, last)))
                start = first * s + at
                out.append(slice(start, start + max(0, last - first - 1) * s + (last > first), s))
            yield tap[0], tap[1], tuple(out), tuple(part)

    def macs(self, x: Tensors, y: Tensors) -> int:
        return x[0].count * layout.count(x[1].shape[:-1]) // self.groups


def spread_weights(inputs: int, outputs: int, *kernel: int) -> Array:
    """ONNX weights (C, M / groups, k…) whose codes are exact: each output channel has full range."""
    codes = np.random.default_rng(3).integers(-127, 128, (inputs, outputs, *kernel))
    codes.reshape(inputs, outputs, -1)[:, :, 0] = 127
    return (codes / 128.0).astype(np.float32)


CASES = [
    case("ConvTranspose", spread_weights(3, 4, 3, 3), floats(4), x=Input((1, 3, 5, 4)), strides=[2, 2], pads=[1, 1, 1, 1],
         output_padding=[1, 1]),
    case("ConvTranspose", spread_weights(4, 2, 2, 3), None, x=Input((2, 4, 4, 5), -3, 1), group=2, strides=[3, 1],
         dilations=[2, 3], pads=[1, 2, 0, 3]),
    case("ConvTranspose", spread_weights(4, 1, 4, 4), floats(4), x=Input((1, 4, 3, 3), 0, 6), group=4, strides=[2, 2],
         auto_pad="SAME_UPPER"),
    case("ConvTranspose", spread_weights(3, 5, 3), floats(5), x=Input((1, 3, 7)), strides=[2], pads=[0, 1]),
    case("ConvTranspose", spread_weights(2, 3, 3, 3), None, x=Input((1, 2, 3, 3)), strides=[3, 2], output_shape=[10, 8],
         output_padding=[1, 1]),
    case("ConvTranspose", spread_weights(2, 3, 3, 2), None, x=Input((1, 2, 3, 5)), strides=[2, 3], auto_pad="SAME_LOWER"),
]  # fmt: skip
