"""Reshape: the same bytes under another shape."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from magik_core import layout
from magik_core.ops import Array, Op, Params, Tensors, View, pad8, width
from magik_core.ops.cases import case, ints
from magik_core.program import Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class ReshapeParams(Params):
    runs: int  # [1, 8]
    take: tuple[int, ...]  # per run, axes of x; [0, 8]
    give: tuple[int, ...]  # per run, axes of y; [0, 8]
    dims: tuple[int, ...]  # per axis of y, its size, or -1: what is left of the run


@dataclass(frozen=True)
class Reshape(Op):
    """Give the same elements, in memory order, another shape.

    Attributes: runs: per run of axes, how many axes of x it takes and the sizes it gives, one of
        them -1; so height and width may change on the board.
    Shapes: x any, y with as many elements.
    Source: ONNX Reshape, opset 24.
    """

    runs: tuple[tuple[int, tuple[int, ...]], ...]

    onnx = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity")
    dtypes = ("u8", "u16", "f32", "s32", "bool")
    keeps_codes = True

    @classmethod
    def between(cls, x: Shape, y: Shape) -> Reshape:
        """The reshape from one stored shape to another; of each run the first axis above 1 is left open."""
        runs = layout.groups(x, y) if x and y else [(list(range(len(x))), list(range(len(y))))]
        return cls(tuple((len(a), _with_open_axis([y[i] for i in b])) for a, b in runs))

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        x, y = to.take(node, 0), node.outputs[0]
        new = to.shape(y)
        axes = layout.reshape(x.shape, x.axes, new)
        if axes is None:
            x, axes = to.relayout(x, layout.source_order(len(x.axes))), layout.source_order(len(new))
        to.emit(node, cls.between(x.shape, layout.stored(new, axes)), [x], y, axes=axes)

    def shape(self, x: Shape) -> tuple[Shape, ...]:
        out: list[int] = []
        at = 0
        for take, give in self.runs:
            known = prod(n for n in give if n > 0)
            out += [n if n > 0 else prod(x[at : at + take]) // known for n in give]
            at += take
        return (tuple(out),)

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return "reshape_" + width(x)

    def params(self, x: Tensors, y: Tensors) -> ReshapeParams:
        return ReshapeParams(
            len(self.runs),
            pad8(take for take, _ in self.runs),
            pad8(len(give) for _, give in self.runs),
            pad8(n for _, give in self.runs for n in give),
        )

    def integer(self, p: Params, x: Array) -> Array:
        return x.reshape(self.shape(x.shape)[0])

    real = integer

    def views(self, x: Tensors, y: Tensors) -> tuple[View, ...]:
        return (View(y[0].name, x[0].name, 0),)


def _with_open_axis(sizes: list[int]) -> tuple[int, ...]:
    """The sizes that a run gives, with -1 for the one that follows a change of height or width."""
    at = next((i for i, n in enumerate(sizes) if n != 1), 0)
    return tuple(-1 if i == at else n for i, n in enumerate(sizes))


CASES = [
    case("Reshape", ints(2, 60), x=(2, 3, 4, 5)),
    case("Reshape", ints(1, 2, 3, 2, 2), x=(1, 6, 2, 2)),
    case("Reshape", ints(4, 3, 2), x=(2, 3, 4)),
    case("Flatten", x=(2, 3, 1, 1), axis=1),
    case("Squeeze", ints(2), x=(1, 3, 1, 5)),
    case("Unsqueeze", ints(0, 3), x=(3, 5)),
    case("Identity", x=(3, 5)),
]
