"""From the bytes of a file to the plain values of schema.py; nothing here knows ONNX."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from magik_core import model_file
from magik_core.errors import ModelError, short
from magik_frontend_tf.tflite.flatbuffer import Flatbuffer, FormatError, Table
from magik_frontend_tf.tflite.operators import CUSTOM, NAMES
from magik_frontend_tf.tflite.schema import OPTIONS, TYPES, VERSION, Field, Model, Operator, Quantization, Tensor

MAX_BYTES = 1 << 31  # of a file
MAX_AXES = 8  # TFLite's own kernels stop at 6
MAX_DIM = (1 << 31) - 1
MAX_EDGES = 1 << 20  # inputs and outputs of all operators
MAX_NAME = 1 << 16
BITS: Mapping[str, int] = {
    "f32": 32, "f16": 16, "s32": 32, "u8": 8, "s64": 64, "bool": 8, "s16": 16, "s8": 8, "f64": 64, "u64": 64,
    "u32": 32, "u16": 16, "s4": 4,
}  # fmt: skip


def read(path: Path) -> Model:
    """Return the main graph of a file.

    Raises: ModelError: the file cannot be read, is damaged, or is of another version.
    """
    data = model_file.read_bytes(path, MAX_BYTES, "a TFLite file")
    try:
        return _model(Flatbuffer(data), path)
    except FormatError as error:
        hint = "fetch or export the file again"
        need = "offsets and sizes that lie in the file and fit each other"
        raise ModelError("the file is damaged, or no TFLite model", where=str(path), found=short(error), need=need,
                         hint=hint) from None  # fmt: skip


def _model(file: Flatbuffer, path: Path) -> Model:
    root = file.root
    version = root.scalar(0, "I")
    if version != VERSION:
        raise ModelError(
            "the file is of another version", where=str(path), found=str(version), need=f"version {VERSION}"
        )
    graphs = root.tables(2)
    if not graphs:
        raise ModelError("the file holds no graph", where=str(path), need="a subgraph")
    main = graphs[0]
    buffers = [_buffer(table, file) for table in root.tables(4)]
    tensors = tuple(_tensor(table, i, buffers) for i, table in enumerate(main.tables(0)))
    codes = [_code(table) for table in root.tables(1)]
    found = main.tables(3)
    operators = tuple(_operator(table, i, codes, len(tensors)) for i, table in enumerate(found))
    inputs, outputs = (_indices(main.integers(n), len(tensors), "of the graph") for n in (1, 2))
    _check_order(operators, tensors, inputs, outputs)
    text = root.text(3)
    return Model(path, main.text(4) or path.stem, text, tensors, inputs, outputs, operators)


def _buffer(table: Table, file: Flatbuffer) -> memoryview:
    """The bytes of a buffer: in the table, or behind the flatbuffer in large files."""
    offset, size = table.scalar(1, "Q"), table.scalar(2, "Q")
    if offset > 1:
        file.check(offset, size)
        return file.data[offset : offset + size]
    return table.data(0)


def _code(table: Table) -> tuple[str, str]:
    """(name of a builtin operator, name of a custom one); old files have the number in a byte."""
    number = max(table.scalar(3, "i"), table.scalar(0, "b"))
    name = NAMES[number] if 0 <= number < len(NAMES) else f"operator {number}"
    return name, table.text(1)[:MAX_NAME] if name == CUSTOM else ""


def _tensor(table: Table, index: int, buffers: list[memoryview]) -> Tensor:
    kind, number = table.scalar(1, "b"), table.scalar(2, "I")
    if not 0 <= kind < len(TYPES):
        raise FormatError(f"tensor {index} of type {kind}")
    if number >= max(len(buffers), 1):
        raise FormatError(f"tensor {index} with buffer {number} of {len(buffers)}")
    shape, signature = table.integers(0), table.integers(7)
    if len(shape) > MAX_AXES or min(shape, default=0) < -1 or (signature and len(signature) != len(shape)):
        raise FormatError(f"tensor {index} of shape {list(shape)}, signature {list(signature)}")
    name = table.text(3)
    if len(name) > MAX_NAME:
        raise FormatError(f"tensor {index} with a name of {len(name)} characters")
    data = buffers[number] if buffers else memoryview(b"")
    tensor = Tensor(
        index,
        name or f"tensor_{index}",
        TYPES[kind],
        shape,
        signature,
        data,
        _quantization(table.table(4), shape, index),
        table.scalar(5, "?", False),
        table.table(6) is not None,
    )
    if data and not tensor.is_sparse:
        _check_data(tensor)
    return tensor


def _check_data(tensor: Tensor) -> None:
    bits = BITS.get(tensor.type)
    if bits is None:
        return  # whoever reads it says what it cannot read
    need = (math.prod(tensor.shape) * bits + 7) // 8
    if min(tensor.shape, default=0) < 0 or need != len(tensor.data):
        found = f"{len(tensor.data)} bytes for {tensor.type} {list(tensor.shape)}"
        raise FormatError(f"tensor {tensor.index} with {found}")


def _quantization(table: Table | None, shape: tuple[int, ...], index: int) -> Quantization | None:
    """Scale and zero point; none where the file has only a range."""
    if table is None:
        return None
    scale, zero_point = table.array(2, "<f4"), table.array(3, "<i8")
    if not scale.size:
        return None
    axis = table.scalar(6, "i")
    zero_point = zero_point if zero_point.size else np.zeros(scale.size, np.int64)
    if scale.size > 1 and not (0 <= axis < len(shape) and scale.size == shape[axis]):
        raise FormatError(f"tensor {index} of shape {list(shape)} with {scale.size} scales on axis {axis}")
    if zero_point.size == 1:
        zero_point = np.repeat(zero_point, scale.size)
    if zero_point.size != scale.size:
        raise FormatError(f"tensor {index} with {scale.size} scales and {zero_point.size} zero points")
    if not np.isfinite(scale).all() or (scale < 0).any() or (scale.size == 1 and scale[0] == 0):
        raise FormatError(f"tensor {index} with a scale that is no positive number")
    return Quantization(scale, zero_point, axis)


def _indices(found: tuple[int, ...], count: int, whose: str, least: int = 0) -> tuple[int, ...]:
    for index in found:
        if not least <= index < count:
            raise FormatError(f"tensor {index} {whose}, of {count}")
    return found


def _operator(table: Table, index: int, codes: list[tuple[str, str]], count: int) -> Operator:
    number = table.scalar(0, "I")
    if number >= len(codes):
        raise FormatError(f"operator {index} with code {number} of {len(codes)}")
    name, custom = codes[number]
    inputs = _indices(table.integers(1), count, f"of operator {index}", -1)
    outputs = _indices(table.integers(2), count, f"of operator {index}")
    return Operator(index, name, custom, inputs, outputs, _options(table, name, index))


def _options(table: Table, name: str, index: int) -> dict[str, Any]:
    known = OPTIONS.get(name)
    if known is None:
        return {}
    kind, inner = table.scalar(3, "B"), table.table(4)
    if inner is not None and kind != known.number:
        raise FormatError(f"operator {index}, {name}, with options of kind {kind}")
    return {key: _option(inner, field, index) for key, field in known.fields.items()}


def _option(table: Table | None, field: Field, index: int) -> Any:
    """The value of a field; the default where the operator has no options."""
    if field.kind == "integers":
        return () if table is None else table.integers(field.number)
    if isinstance(field.kind, str):
        return field.default if table is None else table.scalar(field.number, field.kind, field.default)
    number = 0 if table is None else table.scalar(field.number, "b")
    if not 0 <= number < len(field.kind):
        raise FormatError(f"operator {index} with {number} in an option of {len(field.kind)} values")
    return field.kind[number]


def _check_order(
    operators: tuple[Operator, ...], tensors: tuple[Tensor, ...], inputs: tuple[int, ...], outputs: tuple[int, ...]
) -> None:
    """Nobody reads what is made later or never, and nothing is made twice."""
    if sum(len(op.inputs) + len(op.outputs) for op in operators) > MAX_EDGES:
        raise FormatError(f"more than {MAX_EDGES} inputs and outputs")
    made = set(inputs) | {t.index for t in tensors if t.data or t.is_variable or t.is_sparse or 0 in t.shape}
    for op in operators:
        for index in op.inputs:
            if index >= 0 and index not in made:
                raise FormatError(f"operator {op.index}, {op.name}, reads tensor {index}, which nobody has made")
        for index in op.outputs:
            if index in made:
                raise FormatError(f"operator {op.index}, {op.name}, makes tensor {index} again")
            made.add(index)
    for index in outputs:
        if index not in made:
            raise FormatError(f"output {index} is made by nobody")
