"""What a file of torch is, told from its bytes alone: nothing is unpickled, nothing is inflated but names."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from magik_core.errors import ModelError

PROGRAM, SCRIPT, PICKLE, SAFETENSORS = "exported program", "TorchScript", "pickle", "safetensors"
# torch.save before 1.6: a pickle of protocol 2 that begins with torch's magic number
LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
ZIP = b"PK\x03\x04"
MOST_ENTRIES = 100_000
MOST_GROWTH = 20  # torch stores weights as they are; only text is ever compressed
CHUNK_BYTES = 1 << 20
SAFETENSORS_HEADER = b'{"'


@dataclass(frozen=True)
class Archive:
    """A zip file of torch: `root` is the folder that all entries lie in, with the slash, or empty."""

    path: Path
    kind: str
    root: str
    sizes: dict[str, int]  # by name without the root


def kind_of(path: Path) -> str:
    """PROGRAM, SCRIPT, PICKLE, SAFETENSORS, or an empty string for a file that is not torch's; never raises."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
        if head.startswith(LEGACY):
            return PICKLE
        if head.startswith(ZIP):
            with zipfile.ZipFile(path) as archive:
                return _kind(*_names(archive))
        if path.suffix.lower() == ".safetensors" and head[8:10] == SAFETENSORS_HEADER:
            return SAFETENSORS
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile, NotImplementedError, EOFError):
        pass
    return ""


def open_archive(path: Path) -> Archive:
    """Read the names and sizes of a zip file, and check every byte of it against its checksums.

    Raises: ModelError: it is damaged, or its entries are far larger than itself.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_sizes(path, entries)
            for entry in entries:
                _check_sum(path, archive, entry)
            root, names = _names(archive)
            sizes = {e.filename[len(root) :]: e.file_size for e in entries}
            return Archive(path, _kind(root, names), root, sizes)
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as error:
        raise damaged(path, str(error) or type(error).__name__) from None


def read(archive: Archive, name: str, most_bytes: int) -> bytes:
    """One entry.

    Raises: ModelError: there is none of this name, or it is too large.
    """
    if name not in archive.sizes:
        raise damaged(archive.path, f"no {name}")
    if archive.sizes[name] > most_bytes:
        raise damaged(archive.path, f"{name} of {archive.sizes[name]} bytes", f"at most {most_bytes} bytes")
    with zipfile.ZipFile(archive.path) as file:
        return file.read(archive.root + name)


def damaged(path: Path, found: str, need: str = "a file as torch writes it, whole") -> ModelError:
    return ModelError("the model is damaged or truncated", where=str(path), found=found, need=need)


def _names(archive: zipfile.ZipFile) -> tuple[str, set[str]]:
    """The folder that all entries share, and their names inside it."""
    names = archive.namelist()
    first = names[0].partition("/") if names else ("", "", "")
    root = first[0] + "/" if first[1] and all(name.startswith(first[0] + "/") for name in names) else ""
    return root, {name[len(root) :] for name in names}


def _kind(root: str, names: set[str]) -> str:
    is_program = "archive_format" in names and any(name.startswith("models/") for name in names)
    if is_program or "serialized_exported_program.json" in names:
        return PROGRAM
    if not root or "data.pkl" not in names:
        return ""
    return SCRIPT if "constants.pkl" in names else PICKLE


def _check_sizes(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    total, most = sum(e.file_size for e in entries), MOST_GROWTH * path.stat().st_size
    names = {e.filename for e in entries}
    if len(names) != len(entries) or len(entries) > MOST_ENTRIES:
        raise damaged(path, f"{len(entries)} entries with {len(names)} names", "a name for each entry")
    if total > most:
        raise damaged(path, f"{total} bytes in a file of {path.stat().st_size}", f"at most {most} bytes")


def _check_sum(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    left = entry.file_size
    with archive.open(entry) as file:  # the last read compares the checksum
        while data := file.read(CHUNK_BYTES):
            left -= len(data)
            if left < 0:
                raise damaged(path, f"{entry.filename} is larger than it says")
