"""DepthToSpace and SpaceToDepth: blocks of pixels as channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from magik_core import layout
from magik_core.ops import Op
from magik_core.ops.cases import Input, case
from magik_core.ops.reshape import Reshape
from magik_core.ops.transpose import Transpose

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

KEEP = (1, (-1,))  # one axis stays one axis
JOIN = (2, (-1,))


@dataclass(frozen=True)
class DepthToSpace(Op):
    """Move blocks of channels to pixels or back: Reshape, Transpose, Reshape; height and width stay open.

    Shapes: x (N, H, W, B * B * C), y (N, H * B, W * B, C), or the other way around.
    Source: ONNX DepthToSpace and SpaceToDepth, opset 13.
    """

    onnx = ("DepthToSpace", "SpaceToDepth")
    dtypes = ("u8", "u16", "f32", "s32", "bool")
    keeps_codes = True

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        x, y = to.take(node, 0, axes=layout.channels_last(4)), node.outputs[0]
        b = to.attribute(node, "blocksize")
        if node.op_type == "SpaceToDepth":
            apart = Reshape((KEEP, (1, (-1, b)), (1, (-1, b)), KEEP))
            perm, together = (0, 1, 3, 2, 4, 5), Reshape((KEEP, KEEP, KEEP, (3, (-1,))))
        elif to.attribute(node, "mode", "DCR") == "DCR":
            apart = Reshape((KEEP, KEEP, KEEP, (1, (b, b, -1))))
            perm, together = (0, 1, 3, 2, 4, 5), Reshape((KEEP, JOIN, JOIN, KEEP))
        else:
            apart = Reshape((KEEP, KEEP, KEEP, (1, (-1, b, b))))
            perm, together = (0, 1, 4, 2, 5, 3), Reshape((KEEP, JOIN, JOIN, KEEP))
        six = layout.source_order(6)
        x = to.emit(node, apart, [x], y, name=f"{y.name}/apart", axes=six)
        x = to.emit(node, Transpose(perm), [x], y, name=f"{y.name}/moved", axes=six)
        to.emit(node, together, [x], y, axes=layout.channels_last(4))


CASES = [
    case("DepthToSpace", x=(2, 12, 3, 5), blocksize=2),
    case("DepthToSpace", x=Input((1, 18, 2, 3), -3, 0), blocksize=3, mode="CRD"),
    case("SpaceToDepth", x=(1, 3, 4, 6), blocksize=2),
    case("SpaceToDepth", x=Input((2, 1, 3, 6), 0, 6), blocksize=3),
]
