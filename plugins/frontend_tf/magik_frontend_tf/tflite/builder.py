"""The ONNX graph while it grows: nodes with types and sizes at once, constants, quantization in QDQ form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir as ir

from magik_core import graph
from magik_core.errors import short
from magik_core.infer import infer_node
from magik_core.naming import take_name
from magik_frontend_tf.tflite.schema import Quantization

MAX_ELEMENTS = 1 << 31  # of one tensor
MAX_MADE_BYTES = 1 << 28  # of all constants that are in no file
DTYPES = {
    "f32": np.float32, "f16": np.float16, "s32": np.int32, "u8": np.uint8, "s64": np.int64, "bool": np.bool_,
    "s16": np.int16, "s8": np.int8, "f64": np.float64, "u64": np.uint64, "u32": np.uint32, "u16": np.uint16,
    "s4": ml_dtypes.int4,
}  # fmt: skip
REALS = ("f32", "f16", "f64")  # all of them are f32 in the graph


class Refusal(Exception):
    """Why an operator cannot be taken; who catches it knows which."""

    def __init__(self, what: str, found: object = "", need: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what, self.found, self.need, self.hint = what, short(found), need, hint


def graph_type(kind: str) -> ir.DataType:
    """The dtype that a tensor of a type has in the graph.

    Raises: Refusal: it has none.
    """
    if kind not in DTYPES:
        raise Refusal("a tensor has a type that is not read", kind, ", ".join(DTYPES))
    return ir.DataType.FLOAT if kind in REALS else ir.DataType.from_numpy(np.dtype(DTYPES[kind]))


class Builder:
    """Nodes and constants; names are free of each other."""

    def __init__(self) -> None:
        self.nodes: list[ir.Node] = []
        self.initializers: list[ir.Value] = []
        self._made_bytes = 0
        self._names: set[str] = set()
        self._node_names: set[str] = set()

    def take(self, name: str) -> str:
        """The name, numbered where a value has it."""
        return take_name(name, self._names)

    def name_node(self, node: ir.Node, name: str) -> None:
        node.name = take_name(name, self._node_names)

    def constant(self, name: str, array: Any, dtype: Any = None) -> ir.Value:
        """An initializer."""
        data = np.ascontiguousarray(np.asarray(array, dtype)).reshape(np.shape(array))
        name = self.take(name)
        value = ir.Value(name=name, shape=ir.Shape(data.shape), const_value=ir.tensor(data, name=name))
        value.type = ir.TensorType(ir.DataType.from_numpy(data.dtype))
        self.initializers.append(value)
        return value

    def claim(self, size: int) -> None:
        """Count bytes of constants that are in no file.

        Raises: Refusal: all together are too many.
        """
        self._made_bytes += size
        if self._made_bytes > MAX_MADE_BYTES:
            raise Refusal("the constants of the model are too large", need=f"at most {MAX_MADE_BYTES} bytes in all")

    def nodes_of(self, op: str, inputs: Sequence[ir.Value | None], count: int, **attributes: Any) -> list[ir.Value]:
        """A node with some outputs, their types and sizes inferred by onnx.

        Raises: Refusal: the inputs do not fit, or an output would be empty or too large.
        """
        try:
            made = [ir.convenience.convert_attribute(k, v) for k, v in attributes.items() if v is not None]
            node = ir.Node("", op, list(inputs), made, num_outputs=count)
            found = infer_node(node)
        except Exception as error:  # onnx raises many kinds, C++ exceptions among them
            shapes = ", ".join(graph.describe(v) for v in inputs if v is not None)
            text = " ".join(str(error).split("\n")[0].split())[:200]
            raise Refusal("an operator does not fit its input", f"{shapes}: {text}") from None
        for value, (kind, shape) in zip(node.outputs, found, strict=True):
            if shape is None or min(shape, default=1) < 1 or math.prod(shape) > MAX_ELEMENTS:
                need = f"sizes of at least 1, {MAX_ELEMENTS} elements at most"
                sizes = "unknown sizes" if shape is None else list(shape)
                raise Refusal("the output of an operator has no sensible size", sizes, need)
            value.type, value.shape = ir.TensorType(kind), ir.Shape(shape)
        self.nodes.append(node)
        return list(node.outputs)

    def quantized(self, value: ir.Value, name: str, kind: str, how: Quantization) -> ir.Value:
        """QuantizeLinear and DequantizeLinear behind a value; the last has no name yet."""
        scale, zero_point = self.parameters(name, kind, how)
        (codes,) = self.nodes_of("QuantizeLinear", [value, scale, zero_point], 1)
        codes.name = self.take(f"{name}/codes")
        (back,) = self.nodes_of("DequantizeLinear", [codes, scale, zero_point], 1)
        for value_, what in ((codes, "quantize"), (back, "dequantize")):
            node = value_.producer()
            assert node is not None
            self.name_node(node, f"{name}/{what}")
        return back

    def parameters(self, name: str, kind: str, how: Quantization) -> tuple[ir.Value, ir.Value | None]:
        """Scale and zero point as initializers, scalars where there is one of each; none of s32, where it is 0.

        Raises: Refusal: a zero point is no code of the type.
        """
        limits: Any = ml_dtypes.iinfo  # untyped
        dtype = limits(DTYPES[kind])
        if how.zero_point.min() < dtype.min or how.zero_point.max() > dtype.max:
            found = f"{how.zero_point.min()} to {how.zero_point.max()}"
            raise Refusal("a zero point is no code", found, f"{dtype.min} to {dtype.max} for {kind}")
        shape = (-1,) if how.is_per_channel else ()
        scale = self.constant(f"{name}/scale", how.scale.astype(np.float32).reshape(shape))
        if kind == "s32":
            if how.zero_point.any():
                raise Refusal("a tensor of s32 has a zero point", how.zero_point[0], "0")
            return scale, None
        return scale, self.constant(f"{name}/zero_point", how.zero_point.astype(DTYPES[kind]).reshape(shape))
