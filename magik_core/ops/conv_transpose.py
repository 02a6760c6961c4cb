"""ConvTranspose: transposed convolution over one or two axes, any groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from magik_core import layout, numerics
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.cases import Input, case, extreme, floats, full, weights
from magik_core.ops.conv import ConvParams
from magik_core.ops.convolution import (
    Pair,
    check_window,
    clip,
    code_limits,
    four,
    grouped_matmul,
    kernel_of,
    pair,
    rescale,
    same_pads,
    two_axes,
)
from magik_core.ops.sums import channel_multipliers, quantize_affine
from magik_core.program import QuantParams, Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

MAX_KERNEL = 256  # taps per axis that the kernel lists


@dataclass(frozen=True)
class ConvTransposeParams(ConvParams):
    """The padding is cut off; there is no border table."""

    more_h: int  # rows and columns added at the end, [0, 1024]
    more_w: int


@dataclass(frozen=True)
class ConvTranspose(Op):
    """What each output gathers from the inputs that a convolution would have taken it to, then limits.

    y[n, oh, ow, o] = clamp(b[o] + sum over kh, kw, i of w[o, kh, kw, i] * x[n, ih, iw, g * I + i]), over the
    taps for which ih = (oh + top - kh * dilation) / stride is whole and inside x, and likewise iw.

    Attributes: strides, dilations; pads (top, left, bottom, right): cut off; groups divides both channel
        counts; more: rows and columns added at the end; low, high: limits of y in reals; twice: sums over
        u8 are rounded twice, as a source does.
    Shapes: x (N, H, W, C) or (N, L, C); w (O, kh, kw, C / groups) or (O, k, C / groups), s8, s16 or f32;
        b (O), s32, s64 or f32; y (N, OH, OW, O) or (N, OL, O); OH = (H - 1) * stride + (kh - 1) * dilation + 1
        - top - bottom + more.
    Source: ONNX ConvTranspose, opset 22; docs/quantization.md, "Convolution".
    """

    strides: Pair = (1, 1)
    dilations: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    more: Pair = (0, 0)
    low: float = -np.inf
    high: float = np.inf
    twice: bool = False

    onnx = ("ConvTranspose",)
    dtypes = ("u8", "u16", "f32")

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        w = to.need_constant(node, 1, "weight")
        rank, groups = w.ndim - 2, to.attribute(node, "group", 1)
        if rank not in (1, 2):
            raise to.problem(node, "unsupported rank", f"{rank} spatial axes", "1 or 2")
        if max(w.shape[2:]) > MAX_KERNEL:
            raise to.problem(
                node, "the window is too large", list(w.shape[2:]), f"at most {MAX_KERNEL} taps along an axis"
            )
        bias = to.constant(node, 2)
        if len(node.inputs) > 2 and node.inputs[2] is not None and bias is None:
            to.need_constant(node, 2, "bias")
        strides, dilations = (to.attribute(node, k, (1,) * rank) for k in ("strides", "dilations"))
        pads, more = _pads(node, to, w.shape[2:], strides, dilations)
        check_window(node, to, strides, dilations, (*pads, *more))
        y, low, high = to.fuse_clip(node)
        dtype = to.dtype(node, cls, y)
        more_h, more_w = more if rank == 2 else (0, more[0])
        op = cls(pair(strides), pair(dilations), four(pads), groups, (more_h, more_w), low, high)
        per_group = w.shape[0] // groups
        w = w.reshape(groups, per_group, *w.shape[1:])  # (g, I, O / g, k…) -> (O, k…, I)
        w = np.moveaxis(w, 1, -1).reshape(-1, *w.shape[3:], per_group)
        bias = np.zeros(len(w), np.float32) if bias is None else bias
        name, x = node.name or "", to.take(node, 0, dtype, layout.channels_last(rank + 2))
        if dtype == "f32":
            to.emit(node, op, [x, to.add(f"{name}/w", w, "f32"), to.add(f"{name}/b", bias, "f32")], y)
            return
        sums = quantize_affine(node, to, w, bias, x, to.quant(y), np.zeros(per_group * groups), groups)
        to.emit(node, replace(op, twice=sums.twice), sums.inputs(to, name, x), y)

    def shape(self, x: Shape, w: Shape, *rest: Shape) -> tuple[Shape, ...]:
        return ((x[0], *self.outputs(x[1:-1], w[1:-1]), w[0]),)

    def outputs(self, size: Shape, window: Shape) -> Shape:
        """Spatial sizes of y; one axis means height 1."""
        first = 2 - len(size)
        s, d, p, q, m = (v[first:] for v in (self.strides, self.dilations, self.pads[:2], self.pads[2:], self.more))
        return tuple((size[i] - 1) * s[i] + (window[i] - 1) * d[i] + 1 - p[i] - q[i] + m[i] for i in range(len(size)))

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return kernel_of(self, x, self.twice)

    def params(self, x: Tensors, y: Tensors) -> ConvTransposeParams:
        a, b = x[0].quant, y[0].quant
        x_zero, y_zero, low, high = 0, 0, 0, 0
        if isinstance(a, QuantParams) and isinstance(b, QuantParams):
            x_zero, y_zero = int(a.zero_point), int(b.zero_point)
            low, high = code_limits(b, self.low, self.high)
        return ConvTransposeParams(
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
            0,
            *self.more,
        )

    def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
        return () if x[0].dtype == "f32" else channel_multipliers(x[0], x[1], y[0])

    def integer(self, p: Params, x: Array, w: Array, b: Array, m: Array, s: Array) -> Array:
        assert isinstance(p, ConvTransposeParams)
        x, w, flat = two_axes(x.astype(np.int64) - p.x_zero, w)
        acc = np.zeros((x.shape[0], *self.outputs(x.shape[1:3], w.shape[1:3]), w.shape[0]))
        for kh, kw, values, inside in self.taps(x, w.shape):
            acc += np.where(inside, grouped_matmul(values, w[:, kh, kw, :], self.groups), 0)
        out = rescale(acc.astype(np.int64) + b, m, s, self.twice) + p.y_zero
        return flat(numerics.saturate(out, p.low, p.high))

    def real(self, p: Params, x: Array, w: Array, b: Array) -> Array:
        x, w, flat = two_axes(x, w)
        shape = (x.shape[0], *self.outputs(x.shape[1:3], w.shape[1:3]), w.shape[0])
        acc = np.broadcast_to(b + np.float32(0), shape).copy()  # + 0: no negative zero to start from
        per_group = w.shape[0] // self.groups
        for kh, kw, values, inside in self.taps(x, w.shape):
            for i in range(w.shape[3]):
                xi = np.repeat(values[..., i :: w.shape[3]], per_group, axis=-1)
                acc = np.where(inside, acc + xi * w[:, kh, kw, i], acc)
        return flat(clip(acc, self.low, self.high))

    def taps(self, x: Array, w: Shape) -> Iterator[tuple[int, int, Array, Array]]:
        """For each tap kh, kw: the value of x that it brings to each output, (N, OH, OW, C), and whether it
        brings one, (OH, OW, 1)."""
        oh, ow = self.outputs(x.shape[1:3], w[1:3])
        for kh, kw in np.ndindex(*w[1:3]):
            ih, rest_h = np.divmod(np.arange(oh) + self.pads[0] - kh * self.dilations[0], self.strides[0])
            iw, rest_w = np.divmod(np.arange(ow) + self.pads[1] - kw * self.dilations[1], self.strides[1])
            h, v = x.shape[1:3]
            inside = np.outer((ih >= 0) & (ih < h) & (rest_h == 0), (iw >= 0) & (iw < v) & (rest_w == 0))
            yield kh, kw, x[:, np.clip(ih, 0, h - 1)][:, :, np.clip(iw, 0, v - 1)], inside[..., None]

    def macs(self, x: Tensors, y: Tensors) -> int:
        taps = x[1].count // (x[1].shape[0] * x[1].shape[-1])
        return x[0].count * taps * x[1].shape[0] // self.groups


def _pads(node: ir.Node, to: Lowering, kernel: Shape, strides: Shape, dilations: Shape) -> tuple[Shape, Shape]:
    """(begins, then ends, that are cut off; sizes added at the end), `auto_pad` and `output_shape` resolved."""
    rank, auto = len(kernel), to.attribute(node, "auto_pad", "NOTSET")
    more = tuple(to.attribute(node, "output_padding", (0,) * rank))
    size, wanted = to.shape(node.inputs[0])[2:], to.shape(node.outputs[0])[2:]
    if to.attribute(node, "output_shape") is None and auto in ("NOTSET", "VALID"):
        pads = tuple(to.attribute(node, "pads", (0,) * 2 * rank)) if auto == "NOTSET" else (0,) * 2 * rank
        if min(pads) < 0:
            raise to.problem(node, "negative padding", pads, "0 and above")
        return pads, more
    whole = [n - m for n, m in zip(wanted, more, strict=True)]
    pads, missing = same_pads(auto, size, whole, kernel, strides, dilations)
    return pads, tuple(m + rest for m, rest in zip(more, missing, strict=True))  # too small: added, not cut off


def _weights(i: int, o: int, *kernel: int, groups: int = 1) -> Array:
    """Weights (I, O / groups, k…) whose codes, per output channel, are exact."""
    w = weights(o * groups, i // groups, *kernel).reshape(groups, o, i // groups, *kernel)
    return np.ascontiguousarray(w.swapaxes(1, 2)).reshape(i, o, *kernel)


CASES = [
    case("ConvTranspose", _weights(3, 4, 3, 3), floats(4), x=(1, 3, 4, 5)),
    case("ConvTranspose", _weights(3, 4, 2, 2), x=Input((2, 3, 4, 5), 0, 6), strides=[2, 2]),
    case(
        "ConvTranspose",
        _weights(6, 2, 3, 2, groups=3),
        floats(6),
        x=Input((1, 6, 4, 5), -3, 1),
        group=3,
        strides=[3, 2],
        pads=[1, 0, 2, 1],
        output_padding=[1, 0],
    ),
    case(
        "ConvTranspose",
        _weights(2, 3, 3, 3),
        x=Input((1, 2, 4, 3), -6, 0),
        dilations=[2, 3],
        strides=[2, 1],
        pads=[1, 2, 0, 1],
    ),
    case("ConvTranspose", _weights(3, 2, 4), floats(2), x=(2, 3, 5), strides=[2], pads=[1, 2]),
    case(
        "ConvTranspose",
        _weights(4, 1, 4, 4, groups=4),
        x=(1, 4, 5, 3),
        group=4,
        strides=[2, 2],
        pads=[1, 1, 1, 1],
        range=(0, 1),
    ),
    case("ConvTranspose", _weights(3, 2, 3, 3), x=(1, 3, 4, 5), strides=[2, 3], auto_pad="SAME_UPPER"),
    case("ConvTranspose", _weights(3, 2, 4, 3), x=(1, 3, 4, 5), strides=[2, 2], auto_pad="SAME_LOWER"),
    case("ConvTranspose", _weights(3, 2, 3, 3), x=(1, 3, 4, 5), strides=[2, 2], output_shape=[8, 10]),
    case("ConvTranspose", _weights(3, 2, 2, 2), x=(1, 3, 4, 5), strides=[3, 2], auto_pad="SAME_UPPER"),
    case("ConvTranspose", _weights(3, 2, 3), x=(1, 3, 4), strides=[2], output_shape=[10], output_padding=[1]),
]
CASES += [  # codes that an import brings: -128, and s16 for weights with a zero point
    case("ConvTranspose", extreme(*w, codes=codes), x=x, group=g, strides=s, dilations=d, pads=p, codes=codes)
    for codes in ((-128, 127), (-255, 255))
    for w, x, g, s, d, p in (
        ((4, 5, 3, 3), Input((1, 4, 4, 5), -1, 2), 1, [2, 2], [1, 1], [1, 0, 0, 1]),
        ((4, 3, 2, 2), Input((1, 4, 4, 5), -3, 0), 2, [1, 1], [2, 1], [0, 0, 0, 0]),
    )
]
CASES += [
    case("ConvTranspose", np.full((40, 3, 3, 3), low / 128, np.float32), x=x, codes=(low, 0), relative=1e-5)
    for low, x in ((-128, full(1, 40, 3, 4)), (-128, full(1, 40, 3, 4, code=0)), (-255, full(1, 40, 3, 4)))
]
CASES += [  # sums that are rounded twice
    case("ConvTranspose", extreme(*w, codes=codes), x=x, group=g, strides=s, codes=codes, twice=True, steps=0.53)
    for codes in ((-128, 127), (-255, 255))
    for w, x, g, s in (
        ((4, 5, 3, 3), Input((1, 4, 4, 5), -1, 2), 1, [2, 2]),
        ((4, 3, 2, 2), Input((1, 4, 4, 5), -3, 0), 2, [1, 1]),
        ((3, 2, 4), Input((2, 3, 5)), 1, [2]),
    )
]
