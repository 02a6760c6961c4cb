"""Pad: more elements before and after each axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import numerics
from magik_core.ops import Array, Op, Params, Tensors, pad8, width
from magik_core.ops.cases import Input, case, ints
from magik_core.ops.slice import TO_END, Slice
from magik_core.program import QuantParams, Shape, Tensor

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

MODES = ("constant", "edge", "reflect", "wrap")


@dataclass(frozen=True)
class PadParams(Params):
    mode: int  # index into MODES
    fill: int  # bits of the element that "constant" adds
    before: tuple[int, ...]  # 0 and above; reflect: below the size, wrap: up to it
    after: tuple[int, ...]


@dataclass(frozen=True)
class Pad(Op):
    """Add elements before and after each stored axis.

    The constant is written as a code of x, so one outside of x's range saturates.

    Attributes: before, after: one per stored axis, 0 and above; mode: of MODES; value: what
        "constant" adds, a real (an integer for s32 and bool).
    Shapes: x any, y: sizes of x plus `before` plus `after`.
    Source: ONNX Pad, opset 24.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    mode: str = "constant"
    value: float = 0.0

    onnx = ("Pad",)
    dtypes = ("u8", "u16", "f32", "s32", "bool")
    keeps_codes = True

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        mode = to.attribute(node, "mode", "constant")
        if mode not in MODES:
            raise to.problem(node, "an unknown mode", mode, ", ".join(MODES))
        x, y = to.take(node, 0), node.outputs[0]
        if not x.shape or 0 in to.shape(y):
            raise to.problem(node, "the result has no axes or is empty", to.shape(y), "sizes of 1 and above")
        before, after = _pads(node, to, x)
        value = to.need_constant(node, 2, "value").item() if len(node.inputs) > 2 and node.inputs[2] else 0
        x = _cut(node, to, x, before, after)
        before, after = [max(n, 0) for n in before], [max(n, 0) for n in after]
        for size, *pads in zip(x.shape, before, after, strict=True):
            most = {"reflect": size - 1, "wrap": size}.get(mode, max(pads))
            if max(pads) > most:
                what = f"{mode} padding is larger than what it repeats"
                raise to.problem(node, what, max(pads), f"at most {most}")
        to.emit(node, cls(tuple(before), tuple(after), mode, value), [x], y)

    def shape(self, x: Shape) -> tuple[Shape, ...]:
        return (tuple(n + b + a for n, b, a in zip(x, self.before, self.after, strict=True)),)

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return "pad_" + width(x)

    def params(self, x: Tensors, y: Tensors) -> PadParams:
        return PadParams(MODES.index(self.mode), self._fill(x[0]), pad8(self.before), pad8(self.after))

    def _fill(self, x: Tensor) -> int:
        value = np.array(self.value, np.float32)
        if isinstance(x.quant, QuantParams):
            return int(numerics.quantize(value, x.quant))
        return int(value.view(np.int32)) if x.dtype == "f32" else int(self.value)

    def integer(self, p: Params, x: Array) -> Array:
        assert isinstance(p, PadParams)
        pads = list(zip(self.before, self.after, strict=True))
        if self.mode != "constant":
            return np.pad(x, pads, self.mode)  # type: ignore[call-overload]
        bits = np.array(p.fill, np.int32)
        fill = bits.view(np.float32) if x.dtype == np.float32 else bits.astype(x.dtype)
        return np.pad(x, pads, constant_values=fill)

    real = integer


def _pads(node: ir.Node, to: Lowering, x: Tensor) -> tuple[list[int], list[int]]:
    """Pads before and after each stored axis, negative ones too."""
    pads = to.need_constant(node, 1, "pads").tolist()
    half, rank = len(pads) // 2, len(x.axes)
    axes = list(range(rank))
    if len(node.inputs) > 3 and node.inputs[3] is not None:
        axes = to.need_constant(node, 3, "axes").tolist()
    before, after = [0] * rank, [0] * rank
    for axis, b, a in zip(axes, pads[:half], pads[half:], strict=True):
        k = x.axes.index(axis % rank)
        before[k], after[k] = b, a
    return before, after


def _cut(node: ir.Node, to: Lowering, x: Tensor, before: list[int], after: list[int]) -> Tensor:
    """Take away what negative pads say."""
    ranges = {
        i: (max(-b, 0), a if a < 0 else TO_END, 1)
        for i, (b, a) in enumerate(zip(before, after, strict=True))
        if min(b, a) < 0
    }
    if not ranges:
        return x
    y = node.outputs[0]
    return to.emit(node, Slice.of(len(x.shape), ranges), [x], y, name=f"{y.name}/cut")


CASES = [
    case("Pad", ints(0, 0, 1, 2, 0, 0, 3, 4), x=(1, 3, 4, 5)),
    case("Pad", ints(1, 2, 0, 0, 0, 1, 0, 3), np.array(0.5, np.float32), x=Input((1, 3, 4, 5), -1, 3)),
    case("Pad", ints(2, 1), np.array(-9, np.float32), ints(-1), x=Input((2, 3, 4), -9, 0)),
    case("Pad", ints(0, 0, 3, 2, 0, 0, 1, 4), x=Input((1, 2, 4, 5), 0, 6), mode="reflect"),
    case("Pad", ints(1, 0, 2, 2, 3, 1), x=(2, 3, 4), mode="edge"),
    case("Pad", ints(2, 0, 1, 0, 2, 4), x=(3, 2, 4), mode="wrap"),
    case("Pad", ints(0, 0, -1, 2, 0, 0, 3, -2), x=Input((2, 3, 4, 5), 1, 3)),
    case("Pad", ints(-2, 1), x=(7,), mode="edge"),
    case("Pad", ints(0, 1, 2, 0), np.array(-7), x=Input((2, 3), dtype="s32")),
    case("Pad", ints(1, 0, 0, 2), np.array(True), x=Input((2, 3), dtype="bool")),
    case("Pad", ints(0, 0, 0, 0), x=(2, 3)),
]
