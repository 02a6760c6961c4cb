"""Tables of a flatbuffer: every offset is checked against the file, and what is read is counted.

Little-endian. A file begins with the u32 offset of its root table. A table begins with the i32 distance back to
its vtable: u16 size of the vtable, u16 size of the table, u16 per field its place in the table, 0 where it is
absent. Vectors, strings and tables inside a table are u32 offsets from where they are written; a vector is a
u32 count and its elements.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

MAX_TABLES = 1 << 18  # real models have some thousands
MAX_COPIED_BYTES = 64 << 20  # of names and short lists, which are read into Python objects


class FormatError(Exception):
    """What is wrong with the bytes, and at which of them."""


class Flatbuffer:
    """A file being read."""

    def __init__(self, data: bytes) -> None:
        self.data = memoryview(data)
        self._tables, self._copied = 0, 0

    @property
    def root(self) -> Table:
        return self.table(0)

    def number(self, code: str, at: int) -> Any:
        """The number of a struct code at an offset."""
        self.check(at, struct.calcsize(code))
        return struct.unpack_from("<" + code, self.data, at)[0]

    def check(self, at: int, size: int) -> None:
        if at < 0 or size < 0 or at + size > len(self.data):
            raise FormatError(f"{size} bytes at byte {at} of {len(self.data)}")

    def table(self, at: int) -> Table:
        """The table that an offset at `at` points to."""
        self._tables += 1
        if self._tables > MAX_TABLES:
            raise FormatError(f"more than {MAX_TABLES} tables")
        return Table(self, at + self.number("I", at))

    def vector(self, at: int, size: int) -> tuple[int, int]:
        """(where the elements begin, their count) of the vector that an offset at `at` points to."""
        start = at + self.number("I", at)
        count = self.number("I", start)
        self.check(start + 4, count * size)
        return start + 4, count

    def copy(self, at: int, size: int) -> bytes:
        self._copied += size
        if self._copied > MAX_COPIED_BYTES:
            raise FormatError(f"more than {MAX_COPIED_BYTES} bytes of names and lists")
        return bytes(self.data[at : at + size])


class Table:
    """One table; a field is its number in the schema, and what is absent is the default."""

    def __init__(self, file: Flatbuffer, at: int) -> None:
        self._file, self._at = file, at
        self._vtable = at - file.number("i", at)
        self._vtable_size = file.number("H", self._vtable)
        self._size = file.number("H", self._vtable + 2)
        if self._vtable_size < 4 or self._size < 4:
            raise FormatError(f"a table of {self._size} bytes with a vtable of {self._vtable_size} at byte {at}")
        file.check(self._vtable, self._vtable_size)
        file.check(at, self._size)

    def _field(self, number: int, size: int) -> int:
        """Where a field lies in the file; 0 where it is absent."""
        entry = 4 + 2 * number
        place = self._file.number("H", self._vtable + entry) if entry + 2 <= self._vtable_size else 0
        if place and place + size > self._size:
            raise FormatError(f"field {number} at {place} of a table of {self._size} bytes at byte {self._at}")
        return self._at + place if place else 0

    def scalar(self, number: int, code: str, default: Any = 0) -> Any:
        """A number; the code is struct's."""
        at = self._field(number, struct.calcsize(code))
        return self._file.number(code, at) if at else default

    def table(self, number: int) -> Table | None:
        at = self._field(number, 4)
        return self._file.table(at) if at else None

    def tables(self, number: int) -> list[Table]:
        """A vector of tables; those that a file repeats are counted each time."""
        at = self._field(number, 4)
        if not at:
            return []
        start, count = self._file.vector(at, 4)
        if count > MAX_TABLES:
            raise FormatError(f"a vector of {count} tables at byte {start}")
        return [self._file.table(start + 4 * i) for i in range(count)]

    def text(self, number: int) -> str:
        at = self._field(number, 4)
        if not at:
            return ""
        start, count = self._file.vector(at, 1)
        return self._file.copy(start, count).decode("utf-8", "replace")

    def array(self, number: int, dtype: str) -> np.ndarray:
        """A vector of numbers; a copy, so that it is aligned."""
        at = self._field(number, 4)
        kind = np.dtype(dtype)
        if not at:
            return np.zeros(0, kind)
        start, count = self._file.vector(at, kind.itemsize)
        return np.frombuffer(self._file.copy(start, count * kind.itemsize), kind)

    def integers(self, number: int) -> tuple[int, ...]:
        """A vector of i32."""
        return tuple(self.array(number, "<i4").tolist())

    def data(self, number: int) -> memoryview:
        """A vector of bytes, as a view of the file."""
        at = self._field(number, 4)
        if not at:
            return memoryview(b"")
        start, count = self._file.vector(at, 1)
        return self._file.data[start : start + count]
