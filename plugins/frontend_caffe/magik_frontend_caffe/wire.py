"""The binary form of a message: protobuf's wire format, read by table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from magik_frontend_caffe.schema import ARRAYS, Field, FormatError, Message, numbers

MAX_FIELDS = 1 << 19  # far above real files (weights are one field each), so that no file takes minutes or gigabytes
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
SIZES = {FIXED64: 8, FIXED32: 4}
Item = tuple[int, int, Any]  # number, wire type, value: an int, or the bytes


class Wire:
    """A file being read: bounds are checked at each step, and the steps are counted."""

    def __init__(self, data: bytes) -> None:
        self.data = memoryview(data)
        self.budget = MAX_FIELDS

    def message(self, kind: str, start: int = 0, end: int | None = None) -> Message:
        """The message between two offsets; fields that the table lacks are passed over."""
        out, known = Message(kind), numbers(kind)
        for number, wire, value in self.items(start, len(self.data) if end is None else end):
            field = known.get(number)
            if field is not None:
                out.values.setdefault(field.name, []).extend(self._values(field, wire, value))
        return out

    def items(self, start: int, end: int) -> Iterator[Item]:
        """Each field between two offsets; of bytes the offsets."""
        at = start
        while at < end:
            self._count()
            begin = at
            tag, at = self.varint(at, end)
            number, wire = tag >> 3, tag & 7
            if wire == VARINT:
                value, at = self.varint(at, end)
                yield number, wire, value
                continue
            if wire == BYTES:
                size, at = self.varint(at, end)
            elif wire in SIZES:
                size = self._run(begin, at, end, SIZES[wire])
            else:
                raise FormatError(f"wire type {wire} at byte {begin}")
            if number == 0 or size > end - at:
                raise FormatError(f"field {number} of {size} bytes at byte {begin}, {end - at} are left")
            yield number, wire, (at, at + size)
            at += size

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """A number of up to 64 bits, and the offset behind it."""
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                raise FormatError(f"the data ends at byte {at}, in the middle of a number")
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & ((1 << 64) - 1), at
        raise FormatError(f"a number of more than 64 bits at byte {at}")

    def _run(self, begin: int, at: int, end: int, size: int) -> int:
        """Bytes of a fixed-size field; of an array that is not packed, of all of its numbers and tags but the first."""
        stride = at - begin + size
        count = (end - begin) // stride
        if count < 2:
            return size
        rows = np.frombuffer(self.data[begin : begin + count * stride], np.uint8).reshape(count, stride)
        differs = (rows[:, : at - begin] != rows[0, : at - begin]).any(axis=1)
        same = int(differs.argmax()) if differs.any() else count
        return same * stride - (at - begin)

    def _count(self) -> None:
        self.budget -= 1
        if self.budget < 0:
            raise FormatError(f"more than {MAX_FIELDS} fields")

    def _values(self, field: Field, wire: int, value: Any) -> list[Any]:
        if field.is_message or field.kind == "str":
            if wire != BYTES:
                raise FormatError(f"{field.name} has wire type {wire}")
            if field.is_message:
                return [self.message(field.kind, *value)]
            return [bytes(self.data[slice(*value)]).decode("utf-8", "replace")]
        if field.kind in ARRAYS or field.kind == "float":
            found = self._numbers(field, wire, value)
            return [found] if field.kind in ARRAYS else found.tolist()
        if wire == BYTES:  # packed
            return [_integer(field, n) for n in self._varints(*value)]
        if wire != VARINT:
            raise FormatError(f"{field.name} has wire type {wire}")
        return [_integer(field, value)]

    def _numbers(self, field: Field, wire: int, value: Any) -> np.ndarray[Any, Any]:
        dtype = np.dtype(ARRAYS.get(field.kind, "<f4"))
        if wire == VARINT or (wire != BYTES and SIZES[wire] != dtype.itemsize):
            raise FormatError(f"{field.name} has wire type {wire}")
        data = self.data[slice(*value)]
        if wire == BYTES:
            if len(data) % dtype.itemsize:
                raise FormatError(f"{field.name} of {len(data)} bytes, not a multiple of {dtype.itemsize}")
            return np.frombuffer(data, dtype).copy()
        return self._unpacked(data, dtype)

    def _unpacked(self, data: memoryview, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        """The numbers of a run: number, tag, number, …, number; all tags are of one length."""
        size = dtype.itemsize
        if len(data) == size:
            return np.frombuffer(data, dtype).copy()
        tag = 1
        while data[size + tag - 1] >= 0x80:
            tag += 1
        padded = bytes(tag) + bytes(data)
        rows = np.frombuffer(padded, np.uint8).reshape(-1, tag + size)
        return np.ascontiguousarray(rows[:, tag:]).view(dtype).reshape(-1)

    def _varints(self, at: int, end: int) -> Iterator[int]:
        while at < end:
            self._count()
            value, at = self.varint(at, end)
            yield value


def _integer(field: Field, value: int) -> Any:
    if field.kind == "bool":
        return value != 0
    if field.kind == "enum":
        if value not in field.names:
            raise FormatError(f"{field.name} {value}, not one of 0 to {max(field.names)}")
        return field.names[value]
    return value - (1 << 64) if field.kind in ("int", "long") and value >= 1 << 63 else value


def starts_as_net(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a net: short texts, then a layer that has begun."""
    try:
        return any(_is_layer(number, head[at : at + 1]) for number, _, (at, _) in _heads(head))
    except FormatError:
        return False


def _is_layer(number: int, first: bytes) -> bool:
    """A layer begins with its name and type, or, in V1, with any of five fields."""
    return first in {2: (b"\x0a", b"\x12", b"\x1a", b"\x22", b"\x28"), 100: (b"\x0a",)}.get(number, ())


def _heads(head: bytes) -> Iterator[Item]:
    """The fields at the beginning of a net; the last one may reach past what was read.

    Raises: FormatError: not a net's.
    """
    reader, at = Wire(head), 0
    while at < len(head):
        tag, at = reader.varint(at, len(head))
        number, wire = tag >> 3, tag & 7
        if number not in numbers("Net") and number not in (5, 7):
            raise FormatError(f"field {number}")
        if wire not in (VARINT, BYTES):
            raise FormatError(f"wire type {wire}")
        size, at = reader.varint(at, len(head))
        size = size if wire == BYTES else 0
        if number in (1, 3) and wire != BYTES:
            raise FormatError("a name that is a number")
        if number in (1, 3) and not head[at : at + size].decode("utf-8", "replace").isprintable():
            raise FormatError("a name that is no text")
        yield number, wire, (at, at + size)
        at += size
