"""Equal, Greater, Less, GreaterOrEqual and LessOrEqual."""

from __future__ import annotations

from dataclasses import dataclass
from math import frexp
from typing import TYPE_CHECKING

import numpy as np

from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.broadcast import broadcast_shape
from magik_core.ops.cases import Input, case, floats, ints
from magik_core.program import QuantParams, Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

RELATIONS = {
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
}
MAX_STEP = 22  # scales that differ by more than 2^22 compare as if they differed by 2^22: codes have 16 bits at most


@dataclass(frozen=True)
class CompareParams(Params):
    relation: int  # index in RELATIONS
    a_zero: int
    b_zero: int
    a_factor: int  # [0, 2^24]; the scale's mantissa
    b_factor: int
    a_shift: int  # [0, 22]; one of the two is 0
    b_shift: int


@dataclass(frozen=True)
class Compare(Op):
    """Whether a relation holds, element by element, with numpy broadcasting; exact on codes of any two scales.

    Where one side is a constant it is compared in f32.

    Attributes: relation: the ONNX operator's name.
    Shapes: a, b of one rank, sizes equal or 1; y (bool) the larger of each.
    Source: ONNX Equal, opset 19; Greater and Less, opset 13; GreaterOrEqual and LessOrEqual, opset 16.
    """

    relation: str

    onnx = tuple(RELATIONS)
    dtypes = ("u8", "u16", "f32", "s32", "bool")

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        value = next(v for v in node.inputs if v is not None and v.const_value is None)
        is_constant = any(to.constant(node, i) is not None for i in (0, 1))
        if to.is_float(value):
            dtype = "f32" if is_constant else to.dtype(node, cls)
        else:
            dtype = to.take(node, node.inputs.index(value)).dtype
        if dtype == "u8" and not to.is_float(value):
            raise to.problem(node, "of an integer type", value.dtype, "float, int32, int64 or bool")
        a, b = to.aligned(node, (0, 1), dtype, node.outputs[0])
        to.emit(node, cls(node.op_type), [a, b], node.outputs[0], dtype="bool")

    def shape(self, a: Shape, b: Shape) -> tuple[Shape, ...]:
        return (broadcast_shape(a, b),)

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return "compare_x8" if x[0].dtype == "bool" else f"compare_{x[0].dtype}"

    def params(self, x: Tensors, y: Tensors) -> CompareParams:
        relation = list(RELATIONS).index(self.relation)
        a, b = x[0].quant, x[1].quant
        if not (isinstance(a, QuantParams) and isinstance(b, QuantParams)):
            return CompareParams(relation, 0, 0, 0, 0, 0, 0)
        (fa, ea), (fb, eb) = frexp(a.scale), frexp(b.scale)
        up, down = min(max(ea - eb, 0), MAX_STEP), min(max(eb - ea, 0), MAX_STEP)
        factors = round(fa * 2**24), round(fb * 2**24)
        return CompareParams(relation, int(a.zero_point), int(b.zero_point), *factors, up, down)

    def integer(self, p: Params, a: Array, b: Array) -> Array:
        assert isinstance(p, CompareParams)
        if p.a_factor != 0:
            a = ((a.astype(np.int64) - p.a_zero) * p.a_factor) << p.a_shift
            b = ((b.astype(np.int64) - p.b_zero) * p.b_factor) << p.b_shift
        return self.real(p, a, b)

    def real(self, p: Params, a: Array, b: Array) -> Array:
        return np.asarray(RELATIONS[self.relation](a, b)).astype(np.uint8)


CASES = [
    case("Greater", (2, 3, 4, 5), x=(2, 3, 4, 5)),
    case("Less", Input((1, 3, 1, 1), -2, 5), x=Input((2, 3, 4, 5), -3, 0)),
    case("Equal", Input((4, 1), 0, 4), x=Input((2, 3, 4, 5), 0, 1)),
    case("GreaterOrEqual", Input((5,), 0, 1), x=Input((3, 5), 0, 1)),
    case("LessOrEqual", Input((5,), -1e9, 1e9), x=Input((30, 5), -1e-3, 1e-3)),
    case("LessOrEqual", Input((5,), -1e-9, 1e-9), x=Input((30, 5), -1e-3, 1e-3)),
    case("Greater", floats(1), x=Input((3, 5), -1, 1), is_float_only=True),
    case("Less", Input((3, 5), -1, 1), x=floats(3, 1), is_float_only=True),
    case("Equal", Input((3,), dtype="s32"), x=Input((4, 3), dtype="s32")),
    case("Less", ints(1), x=Input((4, 3), dtype="s32")),
    case("Equal", Input((3,), dtype="bool"), x=Input((4, 3), dtype="bool")),
]
