"""The model file's container: header, section table, sections; docs/model-format.md specifies it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence

from magik_core.errors import LoadError, PackError

MAGIC = b"\x89magik\r\n"
FORMAT = 1  # version of the layout that `write` makes
WITH_PROGRAM = "`magik convert -o` writes it beside the .bin, magik-transform-tools with --save_quantize_model true"
READER = 2  # the newest reader that there is
STATES = b"STAT"  # a section that only readers from version 2 on know
HEADER_BYTES, ROW_BYTES = 32, 16
MOST_SECTIONS = 32
DATA_ALIGNMENT = 16
DTYPE_CODES: Mapping[str, int] = {"u8": 1, "s8": 2, "u16": 3, "s16": 4, "s32": 5, "f32": 6, "bool": 7, "s64": 8}
DTYPE_NAMES: Mapping[int, str] = {code: name for name, code in DTYPE_CODES.items()}


def write(sections: Sequence[tuple[bytes, bytes]], arena_bytes: int) -> bytes:
    """Bytes of a model file from (kind, data) of its sections.

    Raises: PackError: the file or its arena would be 2 GiB or larger.
    """
    at = HEADER_BYTES + ROW_BYTES * len(sections)
    table, parts = b"", []
    for kind, data in sections:
        gap = -at % DATA_ALIGNMENT
        at += gap
        table += kind + struct.pack("<3I", at, len(data), zlib.crc32(data))
        parts += [b"\0" * gap, data]
        at += len(data)
    check_size(max(at, arena_bytes))
    reader = 2 if any(kind == STATES for kind, _ in sections) else 1
    head = MAGIC + struct.pack("<5I", FORMAT, reader, at, len(sections), arena_bytes)
    crc = zlib.crc32(head + b"\0\0\0\0" + table)
    return b"".join([head, struct.pack("<I", crc), table, *parts])


def check_size(nbytes: int) -> None:
    """Raises: PackError: a file, or an arena, of that many bytes."""
    if nbytes >= 2**31:
        raise PackError("the model is too large for a model file", found=f"{nbytes} bytes", need="below 2 GiB")


def read(data: bytes, name: str = "model") -> tuple[dict[bytes, bytes], int]:
    """(sections by kind, arena bytes) of a model file.

    Raises: LoadError: it is another kind of file, cut short or damaged, or it needs a newer reader.
    """
    if len(data) < HEADER_BYTES or not data.startswith(MAGIC):
        raise LoadError("a model file is refused", where=name, found="not a magik model file")
    _, reader, size, count, arena, crc = struct.unpack_from("<6I", data, len(MAGIC))
    if reader > READER:
        raise too_new(reader, name)
    body = HEADER_BYTES + ROW_BYTES * count
    if size > len(data) or count > MOST_SECTIONS or body > size:
        raise LoadError("a model file is refused", where=name, found="cut short", need=f"{size} bytes")
    if zlib.crc32(data[: HEADER_BYTES - 4] + b"\0\0\0\0" + data[HEADER_BYTES:body]) != crc:
        raise LoadError("a model file is refused", where=name, found="the header's checksum does not match")
    sections: dict[bytes, bytes] = {}
    for i in range(count):
        kind, offset, length, crc = struct.unpack_from("<4s3I", data, HEADER_BYTES + ROW_BYTES * i)
        if offset % 4 or offset + length > size:
            raise LoadError("a model file is refused", where=name, found=f"section {kind!r} is out of place")
        if zlib.crc32(data[offset : offset + length]) != crc:
            raise LoadError("a model file is refused", where=name, found=f"section {kind!r}: a checksum does not match")
        sections.setdefault(kind, data[offset : offset + length])
    return sections, arena


def too_new(reader: int, name: str) -> LoadError:
    """What to say of a file that needs reader version `reader`."""
    need = f"version {READER} or older, which this magik reads"
    return LoadError(
        "a model file needs a newer magik",
        where=name,
        found=f"reader version {reader}",
        need=need,
        hint="pip install --upgrade magik-core",
    )
