"""A TFLite file from a few words, written with TensorFlow's own schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

TYPES = {
    "f32": "FLOAT32", "f16": "FLOAT16", "s32": "INT32", "u8": "UINT8", "s64": "INT64", "bool": "BOOL",
    "s16": "INT16", "s8": "INT8", "s4": "INT4",
}  # fmt: skip
KINDS = {"float32": "f32", "float16": "f16", "int32": "s32", "uint8": "u8", "int64": "s64", "bool": "bool",
         "int16": "s16", "int8": "s8"}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor: an input where it has no data; `scale` and `zero` are numbers, or lists along `axis`."""

    shape: tuple[int, ...] = ()
    type: str = "f32"
    scale: Any = None
    zero: Any = 0
    axis: int = 0
    data: Any = None
    is_state: bool = False
    low: float = -3.0
    high: float = 3.0


@dataclass(frozen=True, eq=False)
class Op:
    """A builtin operator, or a custom one where `custom` names it; options: the name of their table and its fields."""

    name: str
    inputs: Sequence[Any]  # tensors, arrays, None
    outputs: Sequence[Tensor]
    table: str = ""
    options: Mapping[str, Any] | None = None
    custom: str = ""


def stored(array: Any, scale: Any = None, zero: Any = 0, axis: int = 0, type: str = "") -> Tensor:
    """A tensor with data."""
    array = np.asarray(array)
    return Tensor(array.shape, type or KINDS[array.dtype.name], scale, zero, axis, array)


def model(ops: Sequence[Op], outputs: Sequence[Tensor] = (), version: int = 1) -> bytes:
    """The file: inputs are the tensors that nobody makes, outputs those that nobody reads, unless they are given.

    Version: of all operators, as kernels are registered for.
    """
    writer = _Writer()
    for op in ops:
        writer.add(op)
    return writer.packed(outputs, version)


class _Writer:
    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.buffers = [schema.BufferT()]
        self.codes: list[tuple[str, str]] = []
        self.made: set[int] = set()
        self.read: set[int] = set()

    def index(self, one: Any) -> int:
        if one is None:
            return -1
        tensor = one if isinstance(one, Tensor) else stored(one)
        for i, known in enumerate(self.tensors):
            if known is tensor:
                return i
        self.tensors.append(tensor)
        self.graph.tensors.append(self._packed(tensor))
        return len(self.tensors) - 1

    def _packed(self, tensor: Tensor) -> Any:
        t = schema.TensorT()
        t.shape, t.type = list(tensor.shape), getattr(schema.TensorType, TYPES[tensor.type])
        t.name, t.isVariable, t.hasRank = f"t{len(self.tensors) - 1}", tensor.is_state, True
        if tensor.data is not None:
            buffer = schema.BufferT()
            buffer.data = _bytes(tensor)
            t.buffer = len(self.buffers)
            self.buffers.append(buffer)
        if tensor.scale is not None:
            t.quantization = schema.QuantizationParametersT()
            t.quantization.scale = np.atleast_1d(tensor.scale).astype(np.float32)
            t.quantization.zeroPoint = np.broadcast_to(tensor.zero, t.quantization.scale.shape).astype(np.int64)
            t.quantization.quantizedDimension = tensor.axis
        return t

    def add(self, op: Op) -> None:
        o = schema.OperatorT()
        if (op.name, op.custom) not in self.codes:
            self.codes.append((op.name, op.custom))
        o.opcodeIndex = self.codes.index((op.name, op.custom))
        o.inputs, o.outputs = [self.index(i) for i in op.inputs], [self.index(i) for i in op.outputs]
        if op.table:
            o.builtinOptionsType = getattr(schema.BuiltinOptions, op.table)
            o.builtinOptions = getattr(schema, f"{op.table}T")()
            for key, value in (op.options or {}).items():
                assert hasattr(o.builtinOptions, key), key
                setattr(o.builtinOptions, key, value)
        self.made |= set(o.outputs)
        self.read |= set(o.inputs)
        self.graph.operators.append(o)

    def packed(self, outputs: Sequence[Tensor], version: int) -> bytes:
        m = schema.ModelT()
        m.version, m.buffers, m.subgraphs, m.operatorCodes = 3, self.buffers, [self.graph], []
        free = [i for i, t in enumerate(self.tensors) if i not in self.made and t.data is None and not t.is_state]
        self.graph.inputs, self.graph.name = free, "main"
        self.graph.outputs = [self.index(t) for t in outputs] or sorted(self.made - self.read)
        for name, custom in self.codes:
            code = schema.OperatorCodeT()
            number = getattr(schema.BuiltinOperator, name)
            code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), version
            code.customCode = custom or None
            m.operatorCodes.append(code)
        builder = flatbuffers.Builder(1024)
        builder.Finish(m.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _bytes(tensor: Tensor) -> np.ndarray:
    if tensor.type != "s4":
        return np.frombuffer(np.ascontiguousarray(tensor.data).tobytes(), np.uint8)
    codes = np.asarray(tensor.data, np.int8).reshape(-1).astype(np.uint8) & 15
    codes = np.append(codes, np.zeros(codes.size % 2, np.uint8))
    return codes[::2] | codes[1::2] << 4
