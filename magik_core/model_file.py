"""What lies at a path where a model should be, in words; and its bytes, never more than somebody asked for."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import zipfile
from pathlib import Path

from magik_core.errors import ModelError, short

HEAD_BYTES = 4096
MAX_JSON_BYTES = 16 << 20  # that are looked at to say what is wrong with them
MOST_NAMES = 4  # of an archive that a message lists
KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
ZIP, HDF5, PICKLE = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", 0x80
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # in no text
PROTOCOLS = range(2, 6)  # of pickles, in their second byte


def check(path: Path, need: str = "a path to a model") -> None:
    """Raises: ModelError: there is nothing, or neither a file nor a folder."""
    found = kind(path, need)
    if found not in ("", "a directory"):
        raise ModelError("the model is not a file", where=str(path), found=found, need="a file, or a model's folder")


def check_file(path: Path, need: str = "a file", what: str = "the model") -> None:
    """Raises: ModelError: there is nothing, or no file."""
    found = kind(path, need, what)
    if found:
        raise ModelError(f"{what} is not a file", where=str(path), found=found, need=need)


def kind(path: Path, need: str = "a path to a model", what: str = "the model") -> str:
    """What a path leads to, or an empty string for a file.

    Raises: ModelError: it leads to nothing.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise _nothing(path, error, need, what) from None
    return next((name for fits, name in KINDS if fits(mode)), "")


def read_bytes(
    path: Path, most: int, need: str = "a file", what: str = "the model", hint: str = "", head: int | None = None
) -> bytes:
    """All bytes of a file, or the first `head` of them.

    Raises: ModelError: there is no file, it has more than `most` bytes, or it cannot be read.
    """
    check_file(path, need, what)
    try:
        size = path.stat().st_size
        if size > most:
            found, limit = f"{size} bytes", f"at most {most} bytes"
            raise ModelError(f"{what} is too large", where=str(path), found=found, need=limit, hint=hint)
        with path.open("rb") as file:
            return file.read(most if head is None else head)
    except OSError as error:
        raise unreadable(path, error, what) from None


def unreadable(path: Path, error: OSError, what: str = "the model") -> ModelError:
    """The error for a file that is there, but not for us."""
    found, need = error.strerror or str(error), "a file that you may read"
    return ModelError(f"{what} cannot be read", where=str(path), found=found, need=need)


def _nothing(path: Path, error: OSError | ValueError, need: str, what: str) -> ModelError:
    number = error.errno if isinstance(error, OSError) else 0
    found = missing(path)
    if number == errno.ELOOP:
        found = "a link that leads back to itself"
    elif os.path.islink(path):
        found = f"a link to {os.readlink(path)}, which is not there"
    elif number not in (errno.ENOENT, errno.ENOTDIR):
        said, need = getattr(error, "strerror", "") or str(error), "a path that you may read"
        return ModelError(f"{what} cannot be read", where=short(path), found=said, need=need)
    return ModelError(f"there is no such {what.split()[-1]}", where=str(path), found=found, need=need)


def missing(path: Path) -> str:
    """Where a path ends that leads nowhere."""
    for folder in path.parents:
        if os.path.isdir(folder):
            first = path.relative_to(folder).parts[0]
            is_last = path.parent == folder
            return f"no {'file' if is_last else 'folder'} {short(first)} in {folder.resolve() if is_last else folder}"
    return "no such path"


def content(path: Path) -> str:
    """What the bytes of a file look like, for somebody who expected something else of it; never raises."""
    try:
        if path.is_dir():
            return f"a directory with {_some([p.name for p in sorted(path.iterdir())])}"
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        return error.strerror or str(error)
    if not head:
        return "an empty file"
    if head.startswith(ZIP):
        return _archive(path)
    if head.startswith(HDF5):
        return "an HDF5 file"
    if len(head) > 1 and head[0] == PICKLE and head[1] in PROTOCOLS:
        return "a plain pickle"
    if path.suffix.lower() == ".safetensors":
        return _header(head, size)
    if path.suffix.lower() == ".json":
        return _json(path, size)
    if CONTROL.search(head):
        return f"{size} bytes that begin with {head[:8].hex(' ')}"
    return f"text that begins with {short(head.decode(errors='ignore'), 40)!r}"


def _archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            return f"a zip archive with {_some(archive.namelist())}"
    except Exception:  # zipfile raises many kinds on damaged archives
        return "a zip archive that is cut short or damaged"


def _some(names: list[str]) -> str:
    return short(", ".join([*names[:MOST_NAMES], *["…"] * (len(names) > MOST_NAMES)])) or "nothing in it"


def _header(head: bytes, size: int) -> str:
    length = int.from_bytes(head[:8], "little")
    return f"a header of {length} bytes in a file of {size}" if length > size - 8 else "a header that is no JSON object"


def _json(path: Path, size: int) -> str:
    if size > MAX_JSON_BYTES:
        return f"{size} bytes"
    try:
        data = json.loads(path.read_bytes())
    except RecursionError:
        return "JSON that is nested too deeply"
    except (OSError, ValueError) as error:
        return f"no JSON, or JSON cut short: {short(error, 80)}"
    return f"JSON with {_some(list(data))}" if isinstance(data, dict) else "JSON that is no object"
