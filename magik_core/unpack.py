"""Read a `.mgk` back as the program and plan that were packed."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from magik_core.errors import LoadError
from magik_core.net import Net
from magik_core.pack import MAGIC
from magik_core.plan import Plan
from magik_core.program import Program
from magik_core.share import groups_of
from magik_core.stored import program_of_json, records_of

TABLE_AT = 32  # docs/model-format.md, "Header"
OFFSET_WORD = 3  # of a record of section TENS
TENSOR_WORDS = 24


def read(path: str | Path) -> tuple[Program, Plan]:
    """The program and plan of a `.mgk`.

    Raises: LoadError: the file is missing, damaged, or a board's `.bin`, which has no description.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        what = "a model file cannot be read"
        raise LoadError(what, where=str(path), found=error.strerror or str(error)) from error
    Net(data, name=str(path))  # the runtime's loader checks every offset, size and CRC
    sections = _sections(data)
    if "PROG" not in sections:
        twin = path.with_suffix(".mgk")
        hint = f"use {twin}" if twin.is_file() and twin != path else "use the .mgk that was written beside it"
        raise LoadError("this model file has no description of its program", where=str(path),
                        need="a .mgk; a .bin is stripped for the board", hint=hint)  # fmt: skip
    return _program(sections, struct.unpack_from("<I", data, len(MAGIC) + 16)[0], str(path))


def _sections(data: bytes) -> dict[str, bytes]:
    (count,) = struct.unpack_from("<I", data, len(MAGIC) + 12)
    out = {}
    for i in range(count):
        kind, at, size, _ = struct.unpack_from("<4s3I", data, TABLE_AT + 16 * i)
        out[kind.decode("ascii", "replace")] = data[at : at + size]
    return out


def _program(sections: dict[str, bytes], arena_bytes: int, where: str) -> tuple[Program, Plan]:
    try:
        text = json.loads(sections["PROG"])
        bound = int(text["lower_bound"])
    except (ValueError, KeyError, TypeError) as error:
        raise LoadError("a model file's description cannot be read", where=where, found=str(error)) from error
    program, record = program_of_json(text, records_of(sections["TENS"], sections["DATA"]))
    places = np.frombuffer(sections["TENS"], "<u4").reshape(-1, TENSOR_WORDS)[:, OFFSET_WORD]
    offsets = {t.name: int(places[record[t.name]]) for t in program.activations()}
    return program, Plan(offsets, arena_bytes, bound, groups_of(program, offsets))
