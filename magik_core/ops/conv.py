"""Conv: convolution over one or two axes, any groups; also what the convolutions share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from magik_core import layout, numerics
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.cases import Input, case, extreme, floats, full, striped, weights
from magik_core.ops.convolution import (
    Pair,
    clip,
    code_limits,
    emit_convolution,
    explicit_pads,
    four,
    grouped_matmul,
    kernel_of,
    pair,
    rescale,
    two_axes,
)
from magik_core.ops.sums import channel_multipliers
from magik_core.program import QuantParams, Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class ConvParams(Params):
    stride_h: int  # [1, 1024]
    stride_w: int
    dilation_h: int  # [1, 1024]
    dilation_w: int
    top: int  # padding, [0, 1024]
    left: int
    bottom: int
    right: int
    groups: int
    x_zero: int  # code of padding, unless the step has a border table
    y_zero: int
    low: int  # smallest and largest code of y
    high: int
    real_low: float  # the same limits on f32
    real_high: float
    has_border: int  # 0, 1: the step has a table of what padding adds


@dataclass(frozen=True)
class Conv(Op):
    """Convolution, then limits.

    y[n, oh, ow, o] = clamp(b[o] + sum over kh, kw, i of w[o, kh, kw, i] * x[n, ih, iw, g * I + i]),
    ih = oh * stride - top + kh * dilation. On codes the zero point of x is folded into the bias.

    Attributes: strides, dilations, pads (top, left, bottom, right); groups divides both channel
        counts; low, high: limits of y in reals; zero: code of padding, by default that of x;
        has_border: padding differs by input channel (a folded mean), so a table says what each tap
        adds when it falls on padding; twice: sums over u8 are rounded twice, as a source does.
    Shapes: x (N, H, W, C) or (N, L, C); w (O, kh, kw, C / groups) or (O, k, C / groups), s8, s16
        or f32; b (O), s32, s64 or f32; with a border (O, kh * kw), s32; y (N, OH, OW, O) or (N, OL, O).
    Source: ONNX Conv, opset 22; docs/quantization.md, "Convolution".
    """

    strides: Pair = (1, 1)
    dilations: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    low: float = -np.inf
    high: float = np.inf
    zero: int | None = None
    has_border: bool = False
    twice: bool = False

    onnx: ClassVar[tuple[str, ...]] = ("Conv",)
    dtypes = ("u8", "u16", "f32")
    halves = True

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        w = to.need_constant(node, 1, "weight")
        if w.ndim not in (3, 4):
            raise to.problem(node, "unsupported rank", f"{w.ndim - 2} spatial axes", "1 or 2")
        y, low, high = to.fuse_clip(node)
        dtype = to.dtype(node, cls, y)
        rank = w.ndim - 2
        x_shape = to.shape(node.inputs[0])
        groups = to.attribute(node, "group", 1)
        strides, dilations = (to.attribute(node, k, (1,) * rank) for k in ("strides", "dilations"))
        pads = explicit_pads(node, to, x_shape[2:], w.shape[2:], strides, dilations)
        kind = cls.of_depth() if groups == x_shape[1] == w.shape[0] and groups > 1 else cls
        window = kind(pair(strides), pair(dilations), four(pads), groups, low, high)
        has_bias = len(node.inputs) > 2 and node.inputs[2] is not None
        bias = to.need_constant(node, 2, "bias") if has_bias else np.zeros(w.shape[0], np.float32)
        emit_convolution(node, to, window, np.moveaxis(w, 1, -1), bias, y, dtype)

    @staticmethod
    def of_depth() -> type[Conv]:
        """The case of as many groups as channels, which has a file of its own."""
        from magik_core.ops.depthwise_conv import DepthwiseConv

        return DepthwiseConv

    @staticmethod
    def store(w: Array) -> Array:
        """Weights (O, kh, kw, I) in the order that the kernel reads."""
        return w

    def shape(self, x: Shape, w: Shape, *rest: Shape) -> tuple[Shape, ...]:
        return ((x[0], *self.outputs(x[1:-1], w[1:-1]), w[0]),)

    def outputs(self, size: Shape, window: Shape) -> Shape:
        """Spatial sizes of y; one axis means height 1."""
        first = 2 - len(size)
        s, d, p, q = (v[first:] for v in (self.strides, self.dilations, self.pads[:2], self.pads[2:]))
        return tuple((size[i] + p[i] + q[i] - d[i] * (window[i] - 1) - 1) // s[i] + 1 for i in range(len(size)))

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return kernel_of(self, x, self.twice)

    def params(self, x: Tensors, y: Tensors) -> ConvParams:
        a, b = x[0].quant, y[0].quant
        x_zero, y_zero, low, high = 0, 0, 0, 0
        if isinstance(a, QuantParams) and isinstance(b, QuantParams):
            x_zero, y_zero = int(a.zero_point if self.zero is None else self.zero), int(b.zero_point)
            low, high = code_limits(b, self.low, self.high)
        return ConvParams(
            *self.strides,
            *self.dilations,
            *self.pads,
            self.groups,
            x_zero,
            y_zero,
            low,
            high,
            float(self.low),
            float(self.high),
            int(self.has_border),
        )

    def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
        return () if x[0].dtype == "f32" else channel_multipliers(x[0], x[1], y[0])

    def integer(self, p: Params, x: Array, w: Array, b: Array, *rest: Array) -> Array:
        assert isinstance(p, ConvParams)
        *border, m, s = rest
        x, w, flat = two_axes(x, w)
        acc = np.zeros((x.shape[0], *self.outputs(x.shape[1:3], w.shape[1:3]), w.shape[0]))
        for t, (kh, kw) in enumerate(np.ndindex(*w.shape[1:3])):
            taps, inside = self.taps(x, w.shape, kh, kw, 0 if border else p.x_zero)
            acc += grouped_matmul(taps, w[:, kh, kw, :], self.groups)
            if border:
                acc += np.where(inside[..., None], 0, border[0][:, t].astype(np.float64))
        out = rescale(acc.astype(np.int64) + b, m, s, self.twice) + p.y_zero
        return flat(numerics.saturate(out, p.low, p.high))

    def real(self, p: Params, x: Array, w: Array, b: Array) -> Array:
        x, w, flat = two_axes(x, w)
        shape = (x.shape[0], *self.outputs(x.shape[1:3], w.shape[1:3]), w.shape[0])
        acc = np.broadcast_to(b + np.float32(0), shape).copy()  # + 0: no negative zero to start from
        per_group = w.shape[0] // self.groups
        for kh, kw in np.ndindex(*w.shape[1:3]):
            taps, inside = self.taps(x, w.shape, kh, kw, 0)
            for i in range(w.shape[3]):
                xi = np.repeat(taps[..., i :: w.shape[3]], per_group, axis=-1)
                acc = np.where(inside[..., None], acc + xi * w[:, kh, kw, i], acc)
        return flat(clip(acc, self.low, self.high))

    def taps(self, x: Array, w: Shape, kh: int, kw: int, fill: int) -> tuple[Array, Array]:
        """Values of x that one tap meets, (N, OH, OW, C), and which of them lie inside x, (OH, OW)."""
        oh, ow = self.outputs(x.shape[1:3], w[1:3])
        ih = np.arange(oh) * self.strides[0] - self.pads[0] + kh * self.dilations[0]
        iw = np.arange(ow) * self.strides[1] - self.pads[1] + kw * self.dilations[1]
        inside = np.outer((ih >= 0) & (ih < x.shape[1]), (iw >= 0) & (iw < x.shape[2]))
        near = x[:, np.clip(ih, 0, x.shape[1] - 1)][:, :, np.clip(iw, 0, x.shape[2] - 1)]
        return np.where(inside[..., None], near, x.dtype.type(fill)), inside

    def macs(self, x: Tensors, y: Tensors) -> int:
        return y[0].count * layout.count(x[1].shape[1:])


CASES = [
    case("Conv", weights(4, 3, 3, 3), floats(4), x=Input((1, 3, 6, 7), -1, 1), pads=[1, 1, 1, 1]),
    case("Conv", weights(8, 3, 1, 1), None, x=Input((2, 3, 4, 5), 0, 6)),
    case(
        "Conv", weights(6, 2, 3, 2), floats(6), x=Input((1, 6, 9, 8), -3, 1), group=3, strides=[2, 1], pads=[0, 1, 2, 0]
    ),
    case(
        "Conv",
        weights(4, 3, 3, 3),
        floats(4, low=-9, high=9),
        x=Input((1, 3, 11, 9), -2, 0),
        dilations=[2, 3],
        pads=[2, 3, 2, 3],
    ),
    case("Conv", weights(5, 4, 3), floats(5), x=Input((2, 4, 10)), strides=[2], pads=[1, 0]),
    case("Conv", weights(8, 1, 3, 3), floats(8), x=Input((1, 4, 5, 5)), group=4, auto_pad="SAME_UPPER"),
    case(
        "Conv", weights(3, 40, 5, 5), floats(3), x=Input((1, 40, 7, 7), 0, 255), auto_pad="SAME_LOWER", strides=[3, 2]
    ),
    case("Conv", weights(2, 42, 5, 5), floats(2), x=Input((1, 42, 6, 5), -1, 2), pads=[2, 1, 0, 2]),  # a large window
    case("Conv", weights(16, 16, 1, 1), floats(16), x=Input((1, 16, 3, 3)), range=(0, 1)),
    case("Conv", np.full((2, 4, 1, 1), 1e-31, np.float32), floats(2), x=Input((1, 4, 3, 3))),  # switched off
    # what fast kernels cut into tiles of pixels and blocks of channels: every kind of rest
    case("Conv", weights(33, 5, 3, 3), floats(33), x=Input((2, 5, 5, 19), -1, 2), pads=[1, 1, 1, 1]),
    case("Conv", weights(17, 7, 1, 1), floats(17), x=Input((2, 7, 3, 5))),
    case("Conv", weights(31, 6, 1, 1), floats(31), x=Input((1, 6, 9, 9)), strides=[2, 2]),
    case("Conv", weights(20, 3, 3, 3), floats(20), x=Input((1, 3, 9, 41), 0, 255), strides=[2, 2], pads=[1, 1, 1, 1]),
    case("Conv", weights(18, 4, 3, 3), floats(18), x=Input((1, 4, 7, 13)), dilations=[1, 2], pads=[1, 2, 1, 2]),
    case("Conv", weights(24, 4, 3, 3), None, x=Input((1, 8, 5, 9), -2, 1), group=2, pads=[1, 1, 1, 1]),
    case("Conv", weights(70, 5, 1, 2), floats(70), x=Input((1, 10, 2, 6)), group=2, dilations=[1, 3]),
    case("Conv", weights(19, 6, 3), floats(19), x=Input((2, 6, 21)), strides=[2], dilations=[2], pads=[2, 2]),
    case("Conv", weights(4, 3, 3, 3), floats(4), x=Input((1, 3, 2, 2), -3, 1), pads=[3, 4, 3, 4]),
    case("Conv", weights(2, 40, 1, 1), floats(2), x=Input((1, 40, 1, 1030)), strides=[1, 1024]),  # a tile is too wide
    *(case("Conv", weights(1 + i, 4 + i, 1, 2), x=Input((1, 4 + i, 1, 2 + i))) for i in range(9)),
]
CASES += [  # codes that an import brings: -128, and s16 for weights with a zero point
    *(
        case("Conv", extreme(*w, codes=codes), floats(w[0]), x=x, group=g, strides=s, dilations=d, pads=p, codes=codes)
        for codes in ((-128, 127), (-255, 255))
        for w, x, g, s, d, p in (
            ((5, 3, 3, 3), Input((1, 3, 6, 7)), 1, [1, 1], [1, 1], [1, 1, 1, 1]),
            ((33, 17, 1, 1), Input((2, 17, 3, 5), 0, 6), 1, [1, 1], [1, 1], [0, 0, 0, 0]),
            ((18, 4, 3, 3), Input((1, 4, 7, 13), -1, 2), 1, [1, 1], [1, 2], [1, 2, 1, 2]),
            ((24, 8, 3, 3), Input((1, 16, 5, 9), -2, 1), 2, [2, 1], [1, 1], [1, 1, 1, 1]),
            ((6, 2, 3, 3), Input((1, 6, 5, 4), -3, 0), 3, [1, 1], [1, 1], [0, 1, 2, 0]),
            ((4, 42, 5, 5), Input((1, 42, 6, 5), 0, 255), 1, [1, 1], [1, 1], [2, 1, 0, 2]),  # a large window
        )
    ),
    case("Conv", extreme(9, 5, 4, codes=(-255, 255)), None, x=(2, 5, 10), strides=[2], pads=[1, 0], codes=(-255, 255)),
    *(
        case("Conv", np.full((o, i, k, k), low / 128, np.float32), x=x, codes=(low, 127), relative=1e-4)
        for low, code in ((-128, 255), (-128, 0), (-255, 255))
        for o, i, k, x in ((17, 450, 3, full(1, 450, 4, 7, code=code)), (6, 500, 3, full(1, 500, 3, 5, code=code)))
    ),
    *(  # pairs that 16 bits just hold
        case("Conv", striped(17, i, k, k), x=x, codes=(-128, 127))
        for i, k in ((40, 1), (6, 3))
        for x in (full(1, i, 5, 6), full(1, i, 5, 6, code=0), Input((2, i, 4, 7), 0, 255))
    ),
    *(  # sums that are rounded twice; tiles, groups, padding, a large window, one axis
        case(
            "Conv", extreme(*w, codes=codes), None, x=x, group=g, strides=s, pads=p, codes=codes, twice=True, steps=0.53
        )
        for codes in ((-128, 127), (-255, 255))
        for w, x, g, s, p in (
            ((33, 5, 3, 3), Input((2, 5, 5, 19), -1, 2), 1, [1, 1], [1, 1, 1, 1]),
            ((17, 70, 1, 1), Input((2, 70, 3, 5), -6, 6), 1, [1, 1], [0, 0, 0, 0]),
            ((24, 4, 3, 3), Input((1, 8, 5, 9), -2, 1), 2, [2, 1], [1, 0, 2, 1]),
            ((4, 42, 5, 5), Input((1, 42, 6, 5), 0, 255), 1, [1, 1], [2, 1, 0, 2]),
            ((9, 5, 4), Input((2, 5, 10)), 1, [2], [1, 0]),
        )
    ),
    *(  # the same for shifts from 32 down
        case("Conv", weights(18, 3, 1, 1) * np.float32(k), x=(1, 3, 4, 5), range=(-1, 1), twice=True, steps=0.76)
        for k in (1.0, 2.0**5, 2.0**6, 2.0**9)
    ),
    *(  # sums at the end of a lane of 25 bits
        case(
            "Conv", np.full((4, i, 1, 1), -255 / 128, np.float32), x=full(1, i, 5, 6), codes=(-255, 127), relative=1e-5
        )
        for i in (516, 517)
    ),
    *(
        case("Conv", np.full((4, i, 1, 1), -1, np.float32), b, x=full(1, i, 5, 6), codes=(-128, 127), relative=1e-5)
        for i, b in ((1028, None), (1029, None), (1000, np.full(4, -914431 / 128, np.float32)))
    ),
]
