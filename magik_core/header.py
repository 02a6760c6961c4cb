"""Spell a model file as a C header: `.mk.h`."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

_LINES = 1 << 12  # of the array that are spelled at a time


def as_header(data: bytes, name: str) -> Iterator[bytes]:
    """The model file as a C array, and for C++ as the class that programs for T40 expect: `.mk.h`, in pieces."""
    symbol = "".join(c if c.isascii() and c.isalnum() else "_" for c in name).lower()
    guard = f"{symbol.upper()}_{zlib.crc32(data):08X}"  # of other data under this name, the compiler shall hear
    array = f"magik_model_{symbol}_mk[{len(data)}] __attribute__((aligned(64)))"
    kind = f"MagikModel{''.join(part.capitalize() for part in symbol.split('_'))}Mk"
    head = (
        f"/* {symbol}: a magik model file. */\n#ifndef MAGIK_MODEL_{guard}_MK_H\n#define MAGIK_MODEL_{guard}_MK_H\n\n"
        f"static const unsigned char {array} = {{\n    "
    )
    tail = (
        f"}};\n\n#ifdef __cplusplus\nstruct {kind} {{\n"
        f"    const unsigned char *data;\n    unsigned int size;\n"
        f"    {kind}() : data(magik_model_{symbol}_mk), size(sizeof magik_model_{symbol}_mk) {{}}\n}};\n"
        "#endif\n\n#endif\n"
    )
    yield head.encode()
    yield from _spelled(data)
    yield tail.encode()


def _spelled(data: bytes) -> Iterator[bytes]:
    """The numbers of a C array, 16 to a line; in pieces, because the text is five times as long as the data."""
    spelled = np.frombuffer(b"".join(b"0x%02x," % b for b in range(256)), np.uint8).reshape(256, 5)
    per_piece = 16 * _LINES
    for start in range(0, len(data), per_piece):
        values = np.frombuffer(data[start : start + per_piece], np.uint8)
        whole = len(values) // 16 * 16
        lines = np.full((whole // 16, 85), np.frombuffer(b" " * 80 + b"\n    ", np.uint8))
        lines[:, :80] = spelled[values[:whole]].reshape(-1, 80)
        text = lines.tobytes() + spelled[values[whole:]].tobytes()
        yield text if start + per_piece < len(data) else text.removesuffix(b"\n    ").removesuffix(b",")
