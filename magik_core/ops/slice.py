"""Slice: every step-th element of a range along each axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import layout
from magik_core.ops import Array, Op, Params, Tensors, View, pad8, width
from magik_core.ops.cases import Input, case, ints
from magik_core.program import DTYPES, Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

TO_END = 2**31 - 1  # an end at or beyond this size stays at the end whatever the size becomes
TO_START = -(2**31)  # the end of a backward range that takes element 0


@dataclass(frozen=True)
class SliceParams(Params):
    start: tuple[int, ...]  # any; below 0 it counts from the end; limited to the axis
    end: tuple[int, ...]  # any; as start; not itself taken
    step: tuple[int, ...]  # not 0


@dataclass(frozen=True)
class Slice(Op):
    """Take every step-th element of [start, end) along each stored axis.

    An `end` that leaves out no element of the size that the model was compiled for means "to the end", so
    height and width may change on the board.

    Attributes: start, end, step: one per stored axis; negative positions count from the end.
    Shapes: x any, y: sizes of the ranges, 1 and above.
    Source: ONNX Slice, opset 13.
    """

    start: tuple[int, ...]
    end: tuple[int, ...]
    step: tuple[int, ...]

    onnx = ("Slice",)
    dtypes = ("u8", "u16", "f32", "s32", "bool")
    keeps_codes = True

    @classmethod
    def of(cls, rank: int, ranges: dict[int, tuple[int, int, int]]) -> Slice:
        """Take (start, end, step) along the axes that are keys of `ranges`, everything along others."""
        whole = (0, TO_END, 1)
        starts, ends, steps = zip(*(ranges.get(i, whole) for i in range(rank)), strict=True)
        return cls(starts, ends, steps)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        x, y = to.take(node, 0), node.outputs[0]
        starts = to.need_constant(node, 1, "starts").tolist()
        ends = to.need_constant(node, 2, "ends").tolist()
        axes = _optional(node, to, 3, "axes", list(range(len(starts))))
        steps = _optional(node, to, 4, "steps", [1] * len(starts))
        ranges = {}
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            k = x.axes.index(axis % len(x.axes))
            if (
                step > 0
                and end >= 0
                and _count(x.shape[k], start, end, step) == _count(x.shape[k], start, TO_END, step)
            ):
                end = TO_END
            ranges[k] = (_s32(start), _s32(end), _s32(step))
        if 0 in to.shape(y):
            raise to.problem(node, "the result is empty", to.shape(y), "sizes of 1 and above")
        to.emit(node, cls.of(len(x.shape), ranges), [x], y)

    def shape(self, x: Shape) -> tuple[Shape, ...]:
        return (tuple(n for _, n in self._extents(x)),)

    def _extents(self, x: Shape) -> list[tuple[int, int]]:
        """Per axis the first element and how many."""
        return [extent(*item) for item in zip(x, self.start, self.end, self.step, strict=True)]

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return "slice_" + width(x)

    def params(self, x: Tensors, y: Tensors) -> SliceParams:
        return SliceParams(pad8(self.start), pad8(self.end), pad8(self.step))

    def integer(self, p: Params, x: Array) -> Array:
        for axis, ((first, n), step) in enumerate(zip(self._extents(x.shape), self.step, strict=True)):
            x = x.take(first + step * np.arange(n, dtype=np.int64), axis)
        return np.ascontiguousarray(x)

    real = integer

    def views(self, x: Tensors, y: Tensors) -> tuple[View, ...]:
        """y lies inside x where nothing precedes the one axis that is cut, and its step is 1."""
        old, new = x[0].shape, y[0].shape
        cut = [i for i in range(len(old)) if old[i] != new[i] or self.step[i] < 0 < old[i] - 1]
        if len(cut) > 1:
            return ()
        start = 0
        if cut:
            (axis,) = cut
            if layout.count(old[:axis]) != 1 or (new[axis] > 1 and self.step[axis] != 1):
                return ()
            start = self._extents(old)[axis][0] * layout.count(old[axis + 1 :])
        return (View(y[0].name, x[0].name, start * DTYPES[x[0].dtype].itemsize),)


def extent(dim: int, start: int, end: int, step: int) -> tuple[int, int]:
    """First element of a range along an axis of size `dim`, and how many it takes.

    Source: ONNX Slice: negative positions count from the end; then start and end are limited to
        [0, dim], or going backward to [0, dim - 1] and [-1, dim - 1].
    """
    start, end = (v + dim if v < 0 else v for v in (start, end))
    if step > 0:
        start, end = (min(max(v, 0), dim) for v in (start, end))
    else:
        start, end = min(max(start, 0), dim - 1), min(max(end, -1), dim - 1)
    return start, max(0, -((start - end) // step))


def _count(dim: int, start: int, end: int, step: int) -> int:
    """How many elements a range takes along an axis of size `dim`."""
    return extent(dim, start, end, step)[1]


def _optional(node: ir.Node, to: Lowering, index: int, what: str, default: list[int]) -> list[int]:
    if index >= len(node.inputs) or node.inputs[index] is None:
        return default
    out: list[int] = to.need_constant(node, index, what).tolist()
    return out


def _s32(v: int) -> int:
    return min(max(v, TO_START), TO_END)


LAST = 2**63 - 1

CASES = [
    case("Slice", ints(1, 0), ints(3, LAST), ints(2, 3), x=(2, 3, 5, 7)),
    case("Slice", ints(1), ints(LAST), ints(2), ints(2), x=Input((1, 4, 7, 6), -3, 1)),
    case("Slice", ints(0, 1), ints(LAST, LAST), ints(-2, -1), ints(2, 2), x=(1, 3, 8, 6)),
    case("Slice", ints(-1), ints(-LAST), ints(3), ints(-1), x=(2, 3, 4, 5)),
    case("Slice", ints(-2, 100), ints(-LAST, 0), ints(1, 2), ints(-2, -3), x=Input((1, 5, 9, 2), 0, 6)),
    case("Slice", ints(2), ints(5), ints(2), x=(1, 3, 7, 4)),
    case("Slice", ints(2), ints(-1), ints(1), x=(1, 6, 4, 3)),
    case("Slice", ints(-3, 1), ints(1000, -1), x=(5, 7)),
    case("Slice", ints(0), ints(9), ints(0), ints(4), x=(9,)),
    case("Slice", ints(1, 1, 1), ints(2, 4, 3), ints(4, 0, 2), ints(1, 2, 1), x=(4, 2, 3, 2, 3)),
    case("Slice", ints(1), ints(3), ints(1), x=Input((2, 4, 3), dtype="s32")),
    case("Slice", ints(3), ints(0), ints(1), ints(-2), x=Input((2, 4, 3), dtype="bool")),
]
CASES += [  # every other element, from the first and from the second on; short pieces
    case("Slice", ints(0), ints(LAST), ints(1), ints(2), x=(1, 70, 3, 5)),
    case("Slice", ints(1), ints(LAST), ints(1), ints(2), x=(1, 70, 3, 5)),
    case("Slice", ints(1), ints(3), ints(1), x=(40, 4)),
    case("Slice", ints(0), ints(24), ints(1), x=(9, 48)),
]
