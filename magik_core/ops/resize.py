"""Resize: an image at another size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from magik_core import layout, numerics
from magik_core.ops import Array, Op, Params, Tensors, width
from magik_core.ops.cases import Case, Input, case, ints
from magik_core.program import Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

COORDINATES = ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners", "half_pixel_symmetric")
ROUNDING = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
LIMIT = 1 << 20  # most of a size and of the terms of a ratio
BITS = {1: 11, 2: 19}  # fraction bits of a weight, by the bytes of a code
RATIO_TERMS = 2048  # largest denominator that is looked for in an f32 scale


class Line(NamedTuple):
    """The positions floor((a * i + b) / d) for i = 0, 1, …"""

    a: int
    b: int
    d: int

    def parts(self, size: int) -> tuple[Array, Array]:
        """Floors and remainders for i in [0, size)."""
        n = self.a * np.arange(size, dtype=np.int64) + self.b
        return n // self.d, n % self.d


@dataclass(frozen=True)
class ResizeParams(Params):
    axis: int  # [0, rank): the first of the two axes, neighbors in memory
    coordinates: int  # index into COORDINATES
    rounding: int  # index into ROUNDING
    num: tuple[int, int]  # per axis, [1, 2^20]: out = floor(in * num / den)
    den: tuple[int, int]


@dataclass(frozen=True)
class Resize(Op):
    """Resize two neighboring axes, to the nearest element or linearly between elements.

    Where an element of y lies in x is an exact ratio of integers. Linear weights of codes have 11
    bits per axis, on u16 19, and the sum is rounded once; weights of f32 are the ratio in f32, applied as
    (a * (1 - f) + b * f), the last axis first.

    Attributes: axis: the first of the two (where it is the last one, it is alone); num, den: ratio per axis,
        so height and width may change on the board; mode: "nearest" or "linear"; coordinates: of
        COORDINATES; rounding: of ROUNDING, for nearest.
    Shapes: x any, y: floor(size * num / den) along the axes.
    Source: ONNX Resize, opset 19; docs/quantization.md, "Resize".
    """

    axis: int
    num: tuple[int, int]
    den: tuple[int, int]
    mode: str = "nearest"
    coordinates: str = "half_pixel"
    rounding: str = "round_prefer_floor"

    onnx = ("Resize",)
    dtypes = ("u8", "u16", "f32")
    keeps_codes = True

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        y = node.outputs[0]
        mode, coordinates, rounding = _attributes(node, to)
        ratios = _ratios(node, to)
        x = to.take(node, 0, to.dtype(node, cls) if mode == "linear" else None)
        if mode == "linear" and len(_pairs(x.axes, ratios)) > 1:
            x = to.relayout(x, layout.channels_last(len(x.axes)))
        pairs = _pairs(x.axes, ratios)
        if mode == "linear" and len(pairs) > 1:
            what = "linear along axes that do not lie together"
            raise to.problem(node, what, f"axes {sorted(ratios)}", "one axis, or the two of an image")
        if not pairs:
            to.rename(x, y, x.axes)
        for i, k in enumerate(pairs):
            both = [ratios.pop(a, Fraction(1)) for a in (*x.axes, -1)[k : k + 2]]
            num, den = (both[0].numerator, both[1].numerator), (both[0].denominator, both[1].denominator)
            op = cls(k, num, den, mode, coordinates, rounding)
            x = to.emit(node, op, [x], y, name=None if k == pairs[-1] else f"{y.name}/{i}")

    def shape(self, x: Shape) -> tuple[Shape, ...]:
        out = list(x)
        for i, (num, den) in enumerate(zip(self.num, self.den, strict=True)):
            if self.axis + i < len(x):
                out[self.axis + i] = x[self.axis + i] * num // den
        return (tuple(out),)

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return "resize_" + (width(x) if self.mode == "nearest" else x[0].dtype)

    def params(self, x: Tensors, y: Tensors) -> ResizeParams:
        coordinates, rounding = COORDINATES.index(self.coordinates), ROUNDING.index(self.rounding)
        return ResizeParams(self.axis, coordinates, rounding, self.num, self.den)

    def line(self, k: int, size: int, out: int) -> Line:
        """Where the elements of y lie in x along resized axis `k`, as a ratio.

        Source: ONNX Resize, coordinate_transformation_mode.
        """
        num, den = self.num[k], self.den[k]
        if num == den:
            return Line(1, 0, 1)
        if self.coordinates == "align_corners":
            return Line(size - 1, 0, out - 1) if out > 1 else Line(0, 0, 1)
        if self.coordinates == "asymmetric":
            return Line(den, 0, num)
        if self.coordinates == "pytorch_half_pixel" and out == 1:
            return Line(0, 0, 1)
        shift = size * num - out * den if self.coordinates == "half_pixel_symmetric" else 0
        return Line(2 * den, den - num + shift, 2 * num)

    def nearest(self, k: int, size: int, out: int) -> Array:
        """Element of x for each element of y along resized axis `k`."""
        a, b, d = self.line(k, size, out)
        rounded = {
            "floor": Line(a, b, d),
            "ceil": Line(a, b + d - 1, d),
            "round_prefer_ceil": Line(2 * a, 2 * b + d, 2 * d),
            "round_prefer_floor": Line(2 * a, 2 * b + d - 1, 2 * d),
        }[self.rounding]
        at: Array = np.clip(rounded.parts(out)[0], 0, size - 1)
        return at

    def _views(self, x: Array) -> tuple[Array, Shape, Shape]:
        """x as (outer, A, B, inner), (A, B) of y, and the shape of y."""
        y = self.shape(x.shape)[0]
        a, rest = self.axis, x.shape[self.axis + 1 :]
        b, after = (rest[0], rest[1:]) if rest else (1, ())
        out = (y[a], y[a + 1] if rest else 1)
        return x.reshape(layout.count(x.shape[:a]), x.shape[a], b, layout.count(after)), out, y

    def integer(self, p: Params, x: Array) -> Array:
        v, out, shape = self._views(x)
        if self.mode == "nearest":
            for k in (0, 1):
                v = v.take(self.nearest(k, v.shape[k + 1], out[k]), k + 1)
            return np.ascontiguousarray(v.reshape(shape))
        v, bits = v.astype(np.int64), BITS[x.itemsize]
        for k in (1, 0):
            a, b, d = self.line(k, v.shape[k + 1], out[k])
            rounded = Line(a << bits + 1, (b << bits + 1) + d, 2 * d)  # half up, in units of 2^-bits
            at = np.clip(rounded.parts(out[k])[0], 0, v.shape[k + 1] - 1 << bits)
            low, f = at >> bits, _along(at & (1 << bits) - 1, k + 1)
            high = np.minimum(low + 1, v.shape[k + 1] - 1)
            v = v.take(low, k + 1) * ((1 << bits) - f) + v.take(high, k + 1) * f
        return numerics.saturate(numerics.rescale(v, 1, 2 * bits), 0, np.iinfo(x.dtype).max).reshape(shape)

    def real(self, p: Params, x: Array) -> Array:
        if self.mode == "nearest":
            return self.integer(p, x)
        v, out, shape = self._views(x)
        for k in (1, 0):
            line, last = self.line(k, v.shape[k + 1], out[k]), v.shape[k + 1] - 1
            at, left = line.parts(out[k])
            left = np.where((at < 0) | (at >= last), 0, left).astype(np.float32)
            low, f = np.clip(at, 0, last), _along(left / np.float32(line.d), k + 1)
            v = v.take(low, k + 1) * (np.float32(1) - f) + v.take(np.minimum(low + 1, last), k + 1) * f
        return v.reshape(shape)


def _along(v: Array, axis: int) -> Array:
    """A vector shaped to broadcast along `axis` of four."""
    return v.reshape([-1 if i == axis else 1 for i in range(4)])


def _attributes(node: ir.Node, to: Lowering) -> tuple[str, str, str]:
    """Mode, coordinates and rounding; what has no kernel is refused by name."""
    coordinates = to.attribute(node, "coordinate_transformation_mode", "half_pixel")
    rounding = to.attribute(node, "nearest_mode", "round_prefer_floor")
    mode = to.attribute(node, "mode", "nearest")
    policy = to.attribute(node, "keep_aspect_ratio_policy", "stretch")
    allowed = (
        ("mode", mode, ("nearest", "linear")),
        ("coordinate_transformation_mode", coordinates, COORDINATES),
        ("nearest_mode", rounding, ROUNDING),
        ("antialias", to.attribute(node, "antialias", 0), (0,)),
        ("keep_aspect_ratio_policy", policy, ("stretch",)),
    )
    for name, value, values in allowed:
        if value not in values:
            raise to.problem(node, f"no kernel for this {name}", value, ", ".join(map(str, values)))
    return mode, coordinates, rounding


def _ratios(node: ir.Node, to: Lowering) -> dict[int, Fraction]:
    """Exact ratio per resized source axis: of sizes, or the simple fraction that an f32 scale stands for."""
    old, new = to.shape(node.inputs[0]), to.shape(node.outputs[0])
    if 0 in new:
        raise to.problem(node, "the result is empty", new, "sizes of 1 and above")
    axes = [a % len(old) for a in to.attribute(node, "axes", tuple(range(len(old))))]
    is_sized = len(node.inputs) > 3 and node.inputs[3] is not None
    values = to.need_constant(node, 3, "sizes") if is_sized else to.need_constant(node, 2, "scales")
    out = {}
    for axis, value in zip(axes, values.tolist(), strict=True):
        exact = Fraction(new[axis], old[axis]) if is_sized else Fraction(value)
        ratio = exact if is_sized else _simple(exact, old[axis], new[axis])
        if ratio != 1 and max(ratio.numerator, ratio.denominator, old[axis], new[axis]) > LIMIT:
            found, need = f"{ratio} along axis {axis}", f"terms and sizes up to {LIMIT}"
            raise to.problem(node, "a ratio of large terms", found, need)
        if ratio != 1:
            out[axis] = ratio
    return out


def _simple(scale: Fraction, size: int, out: int) -> Fraction:
    """The fraction of small terms that an f32 scale stands for, nudged where it misses the graph's size.

    0.7 in f32 is a little below 7 / 10, so inference may say that 400 become 279.
    """
    ratio = scale.limit_denominator(RATIO_TERMS)
    fine = max(LIMIT // max(ratio.numerator, ratio.denominator) - 1, 1)
    near = (Fraction(ratio.numerator * fine + nudge, ratio.denominator * fine) for nudge in (0, -1, 1))
    return next((r for r in near if floor(size * r) == out), scale)


def _pairs(axes: tuple[int, ...], ratios: dict[int, Fraction]) -> list[int]:
    """Stored axes at which to resize two neighbors, so that every resized axis is in one of the pairs.

    A single axis is the second of its pair where it can be: what follows it is then one run of memory.
    """
    resized = [k for k, a in enumerate(axes) if a in ratios]
    out: list[int] = []
    while resized:
        k = resized.pop(0)
        if resized and resized[0] == k + 1:
            resized.pop(0)
            out.append(k)
        else:
            out.append(max(k - 1, 0))
    return out


def _scales(*values: float) -> Array:
    return np.array(values, np.float32)


X = Input((2, 3, 5, 7), -3, 1)


def _at(coordinates: str, *sizes: Array | None, x: Input = X, mode: str = "nearest", **more: Any) -> Case:
    return case("Resize", None, *sizes, x=x, mode=mode, coordinate_transformation_mode=coordinates, **more)


CASES = [
    _at("asymmetric", _scales(1, 1, 2, 2), nearest_mode="floor"),
    _at("asymmetric", _scales(1, 1, 0.5, 3), nearest_mode="ceil"),
    _at("half_pixel", _scales(1, 1, 0.75, 1.5), nearest_mode="round_prefer_floor"),
    _at("half_pixel", _scales(1, 1, 1.25, 0.5), nearest_mode="round_prefer_ceil"),
    _at("align_corners", None, ints(1, 3, 9, 4), x=Input((1, 3, 5, 7), -3, 1)),
    _at("pytorch_half_pixel", None, ints(1, 6), axes=[2, 3]),
    _at("asymmetric", _scales(2), x=Input((3, 5), 0, 6), nearest_mode="floor", axes=[0]),
    _at("asymmetric", _scales(2, 1, 2, 1), nearest_mode="floor"),
    _at("half_pixel", _scales(3), x=Input((5,), 0, 6)),
    _at("half_pixel", _scales(1, 1, 2, 2), mode="linear"),
    _at("asymmetric", _scales(1, 1, 2, 4), mode="linear"),
    _at("half_pixel", _scales(1, 1, 1, 1), mode="linear"),
    _at("half_pixel", None, ints(2, 3, 9, 16), mode="linear", steps=0.64, relative=1e-5),
    _at("pytorch_half_pixel", None, ints(2, 3, 4, 1), mode="linear", steps=0.64, relative=1e-5),
    _at("align_corners", None, ints(2, 3, 8, 1), mode="linear", steps=0.64, relative=1e-5),
    _at("half_pixel_symmetric", _scales(1, 1, 0.7, 1.6), mode="linear", steps=0.64, relative=1e-5),
    _at("half_pixel", _scales(1, 1, 2.5), x=Input((2, 3, 7), 0, 6), mode="linear", steps=0.58, relative=1e-5),
    _at("half_pixel", _scales(2, 0.5), x=Input((4, 6), 0, 6), mode="linear"),
]
