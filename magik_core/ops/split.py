"""Split: ranges of an axis as tensors of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from magik_core.ops import Op
from magik_core.ops.cases import Input, case, ints
from magik_core.ops.slice import TO_END, Slice

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class Split(Op):
    """Cut a tensor along an axis: one Slice for each part, a view where nothing precedes the axis.

    Shapes: x any; y… equal but along the axis.
    Source: ONNX Split, opset 18.
    """

    onnx = ("Split",)
    dtypes = ("u8", "u16", "f32", "s32", "bool")
    keeps_codes = True

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        x = to.take(node, 0)
        k = x.axes.index(to.attribute(node, "axis", 0) % len(x.axes))
        sizes = _sizes(node, to, x.shape[k])
        if min(sizes) < 1:
            raise to.problem(node, "a part is empty", sizes, "sizes of 1 and above")
        at = 0
        for y, size in zip(node.outputs, sizes, strict=True):
            end = at + size
            if y.name:
                part = (at, TO_END if end == x.shape[k] else end, 1)
                to.emit(node, Slice.of(len(x.shape), {k: part}), [x], y)
            at = end


def _sizes(node: ir.Node, to: Lowering, size: int) -> list[int]:
    """Sizes of the parts along the axis; equal ones but for the last where the node gives none."""
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        sizes: list[int] = to.need_constant(node, 1, "split").tolist()
        return sizes
    parts = len(node.outputs)
    most = -(-size // parts)
    return [min(most, size - i * most) for i in range(parts)]


CASES = [
    case("Split", ints(1, 2, 4), x=(1, 7, 4, 5), axis=1, outputs=3),
    case("Split", x=Input((1, 3, 6, 4), 0, 6), axis=2, outputs=3, num_outputs=3),
    case("Split", x=Input((2, 7), -4, 1), axis=-1, outputs=3, num_outputs=3),
    case("Split", ints(3, 2), x=Input((5, 2), dtype="s32"), outputs=2),
]
