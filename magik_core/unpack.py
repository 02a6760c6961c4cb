"""Read a `.mgk` back: the program and plan that it was packed from."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from magik_core import container
from magik_core.container import DTYPE_NAMES
from magik_core.errors import LoadError, MagikError
from magik_core.pack import sections_of
from magik_core.plan import Plan
from magik_core.program import DTYPES, MAX_DIMS, MAX_ELEMENTS, Program, Tensor
from magik_core.share import groups_of
from magik_core.stored import program_of_json, records_of

Array = np.ndarray
TENSOR_WORDS = 24


def read(path: str | Path) -> tuple[Program, Plan]:
    """The program that a `.mgk` holds, exactly: packing it again gives the same records.

    Raises: LoadError: the file is missing, damaged, or has no program in it (a `.bin` has none).
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        found = error.strerror or str(error)
        need = "a .bin or .mgk that magik convert has written"
        raise LoadError("a model file cannot be read", where=str(path), found=found, need=need) from error
    return unpack(data, str(path))


def unpack(data: bytes, name: str = "model") -> tuple[Program, Plan]:
    """As `read`, from the bytes of a file."""
    sections, arena_bytes = container.read(data, name)
    if b"PROG" not in sections:
        raise LoadError(
            "a model file holds no program",
            where=name,
            found="no section PROG, as in a stripped .bin",
            need="a .mgk",
            hint=container.WITH_PROGRAM,
        )
    rows, records = _records(sections, arena_bytes, name)
    text = _description(sections[b"PROG"], name)
    program, record = program_of_json(text, records)
    try:
        offsets = {t.name: int(rows[record[t.name], 3]) for t in program.activations()}
        plan = Plan(offsets, arena_bytes, int(text["lower_bound"]), groups_of(program, offsets))
        again, _ = sections_of(program, plan)
    except (MagikError, MemoryError):
        raise
    except Exception as error:  # attributes of any type reach the operators here
        found = f"{type(error).__name__}: {error}"
        raise _unfit(name, found) from error
    packed = {container.STATES: b"", **dict(again)}
    differing = [kind.decode() for kind, content in packed.items() if sections.get(kind, b"") != content]
    if differing:
        raise _unfit(name, f"other contents of {', '.join(differing)}")
    return program, plan


def _unfit(name: str, found: str) -> LoadError:
    return LoadError(
        "a model file's description does not fit it",
        where=name,
        found=found,
        need="section PROG of the program that the other sections hold",
    )


def _description(section: bytes, name: str) -> dict[str, Any]:
    try:
        text = json.loads(section)
    except (ValueError, RecursionError) as error:
        raise _unfit(name, f"no JSON: {error}") from error
    if not isinstance(text, dict):
        raise _unfit(name, f"a JSON {type(text).__name__}")
    return text


def _records(sections: dict[bytes, bytes], arena_bytes: int, name: str) -> tuple[Array, list[Tensor]]:
    """(words of section TENS, its tensors), every record checked as the runtime does."""
    section, data = sections.get(b"TENS", b""), sections.get(b"DATA", b"")
    if len(section) % (4 * TENSOR_WORDS):
        raise LoadError("a model file is refused", where=name, found="section TENS is no whole number of records")
    rows = np.frombuffer(section, "<i4").reshape(-1, TENSOR_WORDS)
    for i, row in enumerate(rows.tolist()):
        if not _is_sane(row, len(data), arena_bytes):
            raise LoadError(
                "a model file is refused", where=f"{name}, tensor {i}", found="a tensor's type, size or place is wrong"
            )
    return rows, records_of(section, data)


def _is_sane(row: list[int], data_bytes: int, arena_bytes: int) -> bool:
    dtype, rank, is_constant, offset, nbytes = row[:5]
    if dtype not in DTYPE_NAMES or not 0 <= rank <= MAX_DIMS or is_constant not in (0, 1):
        return False
    shape, axes = row[8 : 8 + rank], row[16 : 16 + rank]
    count, size = math.prod(shape), DTYPES[DTYPE_NAMES[dtype]].itemsize
    room = data_bytes if is_constant else arena_bytes
    is_shape = all(n >= 1 for n in shape) and count <= MAX_ELEMENTS and sorted(axes) == list(range(rank))
    return is_shape and nbytes == count * size and 0 <= offset <= room - nbytes and offset % size == 0
