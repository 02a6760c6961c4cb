"""The binary list of named arrays that MXNet saves: today's form and the two before it.

Little-endian. List: u64 0x112, u64 0, u64 count, the arrays, u64 count, per name u64 length and text.
Array: u32 magic, [i32 storage], i32 axes, i64 per size, i32 device, i32 number of it, i32 dtype, the values;
the oldest form has no magic but begins with the number of axes, and its sizes are u32.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from magik_core.errors import ModelError

LIST_MAGIC = 0x112
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
MAX_AXES = 32  # numpy's own limit before 2.0
DTYPES: Mapping[int, str] = {0: "<f4", 1: "<f8", 2: "<f2", 3: "u1", 4: "<i4", 5: "i1", 6: "<i8", 7: "?"}
OTHER_DTYPES: Mapping[int, str] = {8: "int16", 9: "uint16", 10: "uint32", 11: "uint64", 12: "bfloat16"}
STORAGES: Mapping[int, str] = {1: "row_sparse", 2: "csr"}


class Cursor:
    """A position in the bytes of a file; whatever would read past the end is refused."""

    def __init__(self, data: bytes, path: Path) -> None:
        self.data, self.path, self.at = data, path, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int, what: str) -> bytes:
        if not 0 <= count <= self.left:
            raise self.problem(
                "the parameters are truncated, or no parameters",
                found=f"{self.left} bytes left for {what}",
                need=f"{count} bytes at offset {self.at}",
            )
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, code: str, what: str) -> int:
        return int(struct.unpack("<" + code, self.take(struct.calcsize("<" + code), what))[0])

    def problem(self, what: str, *, found: str = "", need: str = "", hint: str = "") -> ModelError:
        return ModelError(what, where=str(self.path), found=found, need=need, hint=hint)


def read(data: bytes, path: Path) -> dict[str, np.ndarray]:
    """Return the arrays by name, as stored: `arg:conv0_weight`, `aux:bn0_moving_mean`.

    Raises: ModelError: the file is truncated, sparse, of a dtype that is not read, or no list of arrays.
    """
    cursor = Cursor(data, path)
    magic = cursor.number("Q", "the magic number")
    if magic != LIST_MAGIC:
        raise cursor.problem("the file is no list of parameters", found=f"{magic:#x}", need=f"{LIST_MAGIC:#x}")
    cursor.number("Q", "a reserved word")
    count = _count(cursor, "arrays")
    arrays = [_array(cursor, index) for index in range(count)]
    names = [_name(cursor) for _ in range(_count(cursor, "names"))]
    if len(names) != len(arrays):
        found, need = f"{len(arrays)} arrays and {len(names)} names", "a name for each array"
        raise cursor.problem("the parameters have no names", found=found, need=need)
    if cursor.left:
        raise cursor.problem("bytes follow the parameters", found=f"{cursor.left} bytes", need="none")
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise cursor.problem("names are given to two parameters", found=", ".join(map(repr, twice[:8])))
    return {name: array for name, array in zip(names, arrays, strict=True) if array is not None}


def _count(cursor: Cursor, what: str) -> int:
    count = cursor.number("Q", f"the number of {what}")
    if count > cursor.left // 4:  # none takes fewer bytes
        found = f"{count} {what} in {cursor.left} bytes"
        raise cursor.problem("the parameters are truncated, or no parameters", found=found)
    return count


def _name(cursor: Cursor) -> str:
    data = cursor.take(cursor.number("Q", "the length of a name"), "a name")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise cursor.problem("the name of a parameter is no text", found=repr(data[:32]), need="UTF-8") from None


def _array(cursor: Cursor, index: int) -> np.ndarray | None:
    """One array; None where the file says that it has none."""
    shape = _shape(cursor, index)
    if shape is None:
        return None
    cursor.take(8, f"the device of array {index}")
    flag = cursor.number("i", f"the dtype of array {index}")
    if flag not in DTYPES:
        raise cursor.problem(
            "a parameter has a dtype that is not read",
            found=f"array {index}: {OTHER_DTYPES.get(flag, f'number {flag}')}",
            need="f32, f16, f64, u8, i8, i32, i64 or bool",
        )
    dtype = np.dtype(DTYPES[flag])
    size = math.prod(shape)  # Python's integers: no overflow
    data = cursor.take(size * dtype.itemsize, f"array {index} of shape {list(shape)}")
    return np.frombuffer(data, dtype).reshape(shape)


def _shape(cursor: Cursor, index: int) -> tuple[int, ...] | None:
    first = cursor.number("I", f"array {index}")
    if first in (V2, V3):
        storage = cursor.number("i", f"the storage of array {index}")
        if storage in STORAGES:
            need, hint = "dense parameters", 'array.tostype("default") before saving'
            found = f"array {index}: {STORAGES[storage]}"
            raise cursor.problem("a parameter is sparse", found=found, need=need, hint=hint)
        if storage != 0:
            found = f"array {index}: storage {storage}"
            raise cursor.problem("the parameters are damaged", found=found, need="storage 0, 1 or 2")
    is_old = first not in (V1, V2, V3)
    axes = first if is_old else cursor.number("i", f"the shape of array {index}")
    if axes == (-1 if first == V3 else 0):
        return None
    if not 0 <= axes <= MAX_AXES:
        found = f"array {index}: {axes} axes"
        raise cursor.problem("the parameters are damaged", found=found, need=f"at most {MAX_AXES} axes")
    shape = tuple(cursor.number("I" if is_old else "q", f"the shape of array {index}") for _ in range(axes))
    if min(shape, default=1) < 0:
        found = f"array {index}: shape {list(shape)}"
        raise cursor.problem("the parameters are damaged", found=found, need="sizes of 0 or more")
    return shape
