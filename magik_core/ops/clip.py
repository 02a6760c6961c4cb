"""Clip and Relu, where no operator before takes them over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core.ops import Array, Params
from magik_core.ops.affine import Affine
from magik_core.ops.cases import Input, case
from magik_core.ops.convolution import clip
from magik_core.ops.lut import Pointwise

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class ClipParams(Params):
    low: float
    high: float


@dataclass(frozen=True)
class Clip(Pointwise):
    """min(max(x, low), high); a NaN stays.

    Shapes: x any, y as x.
    Source: ONNX Clip, opset 13; Relu, opset 14.
    """

    low: float = -np.inf
    high: float = np.inf

    onnx = ("Clip", "Relu")

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        low, high = 0.0 if node.op_type == "Relu" else -np.inf, np.inf
        if len(node.inputs) > 1 and node.inputs[1] is not None:
            low = _bound(node, to, 1, "min")
        if len(node.inputs) > 2 and node.inputs[2] is not None:
            high = _bound(node, to, 2, "max")
        x, op = to.take(node, 0, to.dtype(node, cls)), cls(low, high)
        to.emit(node, op.straight() if x.dtype == "u16" else op, [x], node.outputs[0])

    def straight(self) -> Affine:
        return Affine(low=self.low, high=self.high)

    def constants(self) -> ClipParams:
        return ClipParams(float(self.low), float(self.high))

    def function(self, x: Array) -> Array:
        return np.minimum(np.maximum(x, self.low), self.high)

    def formula(self, x: Array, p: Params) -> Array:
        return clip(x, self.low, self.high)


def _bound(node: ir.Node, to: Lowering, index: int, what: str) -> float:
    bound = to.need_constant(node, index, what)
    if bound.size != 1:
        raise to.problem(node, f"{what} is no number", f"{bound.size} values", "one value")
    return float(bound.reshape(()))


def _number(x: float) -> Array:
    return np.array(x, np.float32)


CASES = [
    case("Relu", x=Input((2, 3, 5), -1, 3)),
    case("Relu", x=Input((1, 3, 4, 5), -4, 0)),
    case("Relu", x=Input((1, 3, 4, 5), 0, 4)),
    case("Clip", _number(0), _number(6), x=Input((1, 3, 4, 5), -8, 8)),
    case("Clip", _number(-0.3), x=Input((3, 7), -1, 3), range=(-1, 2)),
    case("Clip", None, _number(0.7), x=Input((7,), -1, 3)),
    case("Clip", x=Input((7,), -1, 3)),
    case("Clip", _number(2), _number(1), x=Input((7,), -1, 3)),
]
