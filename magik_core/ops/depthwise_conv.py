"""DepthwiseConv: a convolution of each channel by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_core import layout, numerics
from magik_core.ops import Array, Params, Tensors
from magik_core.ops.cases import Input, case, extreme, floats, full, striped, weights
from magik_core.ops.conv import Conv, ConvParams
from magik_core.ops.convolution import clip, two_axes
from magik_core.program import Shape


@dataclass(frozen=True)
class DepthwiseConv(Conv):
    """Conv with as many groups as channels in and out; weights lie channels-last, so kernels run along them.

    Attributes: as Conv.
    Shapes: x (N, H, W, C) or (N, L, C); w (kh, kw, C) or (k, C), s8, s16 or f32; b (C); with a border
        (C, kh * kw), s32; y (N, OH, OW, C) or (N, OL, C).
    Source: ONNX Conv, opset 22; docs/quantization.md, "Convolution".
    """

    onnx = ()  # Conv lowers to it

    @staticmethod
    def store(w: Array) -> Array:
        return np.ascontiguousarray(np.moveaxis(w[..., 0], 0, -1))

    def shape(self, x: Shape, w: Shape, *rest: Shape) -> tuple[Shape, ...]:
        return ((x[0], *self.outputs(x[1:-1], w[:-1]), x[-1]),)

    def integer(self, p: Params, x: Array, w: Array, b: Array, *rest: Array) -> Array:
        assert isinstance(p, ConvParams)
        *border, m, s = rest
        w = w if w.ndim == 3 else w[None]
        x, _, flat = two_axes(x, w)
        acc = np.zeros((x.shape[0], *self.outputs(x.shape[1:3], w.shape[:2]), x.shape[3]), np.int64)
        for t, (kh, kw) in enumerate(np.ndindex(*w.shape[:2])):
            taps, inside = self.taps(x, (0, *w.shape[:2]), kh, kw, 0 if border else p.x_zero)
            acc += taps.astype(np.int64) * w[kh, kw]
            if border:
                acc += np.where(inside[..., None], 0, border[0][:, t].astype(np.int64))
        return flat(numerics.saturate(numerics.rescale(acc + b, m, s) + p.y_zero, p.low, p.high))

    def real(self, p: Params, x: Array, w: Array, b: Array) -> Array:
        w = w if w.ndim == 3 else w[None]
        x, _, flat = two_axes(x, w)
        shape = (x.shape[0], *self.outputs(x.shape[1:3], w.shape[:2]), x.shape[3])
        acc = np.broadcast_to(b + np.float32(0), shape).copy()  # + 0: no negative zero to start from
        for kh, kw in np.ndindex(*w.shape[:2]):
            taps, inside = self.taps(x, (0, *w.shape[:2]), kh, kw, 0)
            acc = np.where(inside[..., None], acc + taps * w[kh, kw], acc)
        return flat(clip(acc, self.low, self.high))

    def macs(self, x: Tensors, y: Tensors) -> int:
        return y[0].count * layout.count(x[1].shape[:-1])


CASES = [
    case("Conv", weights(6, 1, 3, 3), floats(6), x=Input((1, 6, 7, 5)), group=6, pads=[1, 1, 1, 1]),
    case("Conv", weights(5, 1, 2, 3), None, x=Input((2, 5, 9, 8), -3, 1), group=5, strides=[2, 2], pads=[0, 1, 2, 0]),
    case(
        "Conv",
        weights(4, 1, 3, 3),
        floats(4),
        x=Input((1, 4, 9, 9), 0, 6),
        group=4,
        dilations=[3, 2],
        pads=[3, 2, 3, 2],
    ),
    case("Conv", weights(70, 1, 5), floats(70), x=Input((1, 70, 11)), group=70, pads=[2, 2]),
]
CASES += [  # channels and widths about a vector; windows, strides and rows that come in pairs
    case("Conv", weights(c, 1, k, k), floats(c), x=(1, c, h, w), group=c, strides=[s, s], pads=[p, p, p, p])
    for c, k, s, p, h, w in (
        (1, 3, 1, 1, 4, 40),
        (7, 3, 2, 1, 5, 37),
        (8, 3, 1, 1, 6, 33),
        (16, 5, 1, 2, 7, 9),
        (17, 3, 3, 0, 9, 12),
        (24, 5, 2, 2, 8, 6),
        (31, 2, 1, 1, 3, 5),
        (32, 3, 2, 1, 7, 8),
        (33, 3, 1, 1, 3, 4),
        (48, 7, 1, 3, 5, 3),
        (63, 1, 1, 0, 3, 3),
        (64, 3, 1, 1, 5, 5),
        (65, 3, 2, 1, 4, 3),
        (88, 3, 1, 1, 2, 6),
        (130, 5, 1, 2, 3, 2),
    )
]
CASES += [
    case("Conv", weights(9, 1, 3, 2), None, x=(2, 9, 7, 11), group=9, strides=[1, 3], pads=[2, 1, 3, 0]),
    case(
        "Conv",
        weights(40, 1, 2, 3),
        None,
        x=(1, 40, 9, 5),
        group=40,
        strides=[4, 2],
        dilations=[1, 2],
        pads=[0, 3, 0, 2],
    ),
    case(
        "Conv", weights(6, 1, 3, 3), None, x=(1, 6, 3, 3), group=6, strides=[2, 2], pads=[5, 4, 3, 6], dilations=[2, 1]
    ),
    case("Conv", weights(3, 1, 17, 16), None, x=(1, 3, 18, 17), group=3),  # too many taps for the fast ones
    case(
        "Conv", weights(5, 1, 3, 3) * np.float32(2.0**9), None, x=(1, 5, 4, 4), group=5, range=(-1, 1)
    ),  # shifts below 32
]
CASES += [  # codes that an import brings: -128, and s16 for weights with a zero point
    case("Conv", extreme(c, 1, k, k, codes=codes), floats(c), x=x, group=c, strides=[s, s], pads=[p] * 4, codes=codes)
    for codes in ((-128, 127), (-255, 255))
    for c, k, s, p, x in (
        (7, 3, 2, 1, Input((1, 7, 5, 37), -1, 1)),
        (33, 3, 1, 1, Input((2, 33, 5, 4), -3, 0)),
        (65, 5, 1, 2, Input((1, 65, 6, 7), 0, 6)),
        (3, 17, 1, 0, Input((1, 3, 18, 19), -1, 2)),
    )
]
CASES += [
    case("Conv", np.full((c, 1, 9, 9), low / 128, np.float32), x=full(1, c, 12, 13, code=code), group=c, codes=(low, 0))
    for low, code in ((-128, 255), (-128, 0), (-255, 255))
    for c in (5, 40)
]
CASES += [
    case("Conv", extreme(18, 1, 4, codes=(-255, 255)), None, x=(2, 18, 11), group=18, pads=[2, 1], codes=(-255, 255)),
]
CASES += [  # pairs that 16 bits just hold
    case("Conv", striped(18, 1, 3, 3, axis=2), x=x, group=18, pads=[1, 1, 1, 1], codes=(-128, 127))
    for x in (full(1, 18, 5, 6), full(1, 18, 5, 6, code=0), Input((2, 18, 4, 7), 0, 255))
]
CASES += [  # sums at the end of a lane of 22 bits, and biases about what fits one
    case("Conv", np.full((5, 1, *k), low / 128, np.float32), b, x=full(1, 5, 9, 27), group=5, codes=(low, 127))
    for low, k in ((-128, (8, 12)), (-255, (7, 7)), (-255, (5, 10)))
    for b in (None, np.full(5, -999999 / 128, np.float32), np.full(5, -1000000 / 128, np.float32))
]
