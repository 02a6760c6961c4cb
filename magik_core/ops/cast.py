"""Cast between f32, s32 and bool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.cases import Input, case

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

STORAGE = {"FLOAT": "f32", "INT32": "s32", "INT64": "s32", "BOOL": "bool"}
WIDER = ("FLOAT16", "BFLOAT16", "DOUBLE")
RESULTS = ("s32", "f32", "bool")


@dataclass(frozen=True)
class CastParams(Params):
    result: int  # index in RESULTS


@dataclass(frozen=True)
class Cast(Op):
    """The same numbers in another type.

    f32 to s32 cuts off towards zero and saturates, NaN gives 0; to bool whether it is not 0.

    Attributes: result: f32, s32 or bool.
    Shapes: x any, y as x.
    Source: ONNX Cast, opset 24.
    """

    result: str

    onnx = ("Cast",)
    dtypes = ("f32", "s32", "bool")

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        value, y = node.inputs[0], node.outputs[0]
        assert value is not None and value.dtype is not None and y.dtype is not None
        names = value.dtype.name, y.dtype.name
        for way, name in zip(("from", "to"), names, strict=True):
            if name not in STORAGE and (way, name) != ("from", "UINT8"):
                hint = "export the model in float32" if name in WIDER else ""
                raise to.problem(node, f"{way} {name}", name, ", ".join(STORAGE), hint)
        source = STORAGE.get(names[0], "f32")  # codes of UINT8 are its numbers: read, they are f32
        result = STORAGE[names[1]]
        if source == result:
            x = to.take(node, 0, source)
            to.rename(x, y, x.axes)
            return
        to.emit(node, cls(result), [to.take(node, 0, source)], y, dtype=result)

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return "cast_x8" if x[0].dtype == "bool" else f"cast_{x[0].dtype}"

    def params(self, x: Tensors, y: Tensors) -> CastParams:
        return CastParams(RESULTS.index(self.result))

    def integer(self, p: Params, x: Array) -> Array:
        if self.result == "bool":
            return (x != 0).astype(np.uint8)
        if self.result == "f32":
            return x.astype(np.float32)
        if x.dtype != np.float32:
            return x.astype(np.int32)
        whole = np.clip(np.trunc(np.where(np.isnan(x), np.float32(0), x)).astype(np.float64), -(2.0**31), 2.0**31 - 1)
        return whole.astype(np.int32)

    real = integer


CASES = [
    case("Cast", x=Input((2, 3, 4, 5), -9, 9), to=6, is_float_only=True),
    case("Cast", x=Input((3, 5), -9, 9), to=7, is_float_only=True),
    case("Cast", x=Input((3, 5), 0, 1), to=9, is_float_only=True),
    case("Cast", x=Input((2, 3, 4, 5), dtype="s32"), to=1),
    case("Cast", x=Input((4,), dtype="s32", values=(16777217, -16777219, 2147483647, -5)), to=1),
    case("Cast", x=Input((3, 5), dtype="s32"), to=9),
    case("Cast", x=Input((3, 5), dtype="s32"), to=6),
    case("Cast", x=Input((3, 5), dtype="bool"), to=1),
    case("Cast", x=Input((2, 3, 4, 5), dtype="bool"), to=7),
    case("Cast", x=Input((3, 5), -2, 2), to=1),
]
