"""Write files whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from magik_core.errors import PackError, Problem


def write(files: Mapping[Path, bytes | Iterable[bytes]]) -> None:
    """Write files, given whole or in pieces, all or none: each to a temporary name beside it, then all are renamed.

    Raises: PackError: a folder or the disk does not take one; old files stay as they were.
    """
    check_outputs(files)
    ready: list[tuple[str, Path]] = []
    made: list[Path] = []
    try:
        for path, data in files.items():
            made += _make_folder(path.parent)
            handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            ready.append((temporary, path))
            with os.fdopen(handle, "wb") as file:
                for piece in (data,) if isinstance(data, bytes) else data:
                    file.write(piece)
            os.chmod(temporary, 0o644)
        while ready:
            path = ready[0][1]
            os.replace(*ready[0])
            ready.pop(0)
        made.clear()
    except OSError as error:
        raise PackError("an output cannot be written", where=str(path), found=error.strerror or str(error)) from error
    finally:
        for temporary, _ in ready:
            Path(temporary).unlink(missing_ok=True)
        for folder in reversed(made):  # a failure leaves no empty folders; one that is in use stays
            with suppress(OSError):
                folder.rmdir()


def check_outputs(paths: Iterable[Path], *, are_folders: bool = False, reads: Iterable[str | Path | None] = ()) -> None:
    """Look at the places of outputs before anything is done.

    Args:   reads: files that are read, and folders of which every file is.
    Raises: PackError: every path that is a folder where a file is to be, a device, one of `reads` or in one of them,
            or lies where none can be made.
    """
    sources = [Path(path) for path in reads if path]
    problems = []
    for path in paths:
        found = _in_the_way(path, are_folders)
        source = None if found else next((s for s in sources if _is_within(path, s)), None)
        if found:
            problems.append(Problem("an output cannot be written", str(path), found))
        elif source is not None:
            problems.append(Problem("an output lies where it is read from", str(path), str(source), "another place"))
    if problems:
        raise PackError(problems=problems)


def _is_within(path: Path, source: Path) -> bool:
    """Whether a path, links followed, is a source or lies in it."""
    if not source.exists():
        return False
    real = path.resolve()
    return any(p.exists() and p.samefile(source) for p in (real, *(real.parents if source.is_dir() else ())))


def _in_the_way(path: Path, is_folder: bool) -> str:
    if "\0" in str(path):
        return "a name with a zero in it"
    try:
        if path.is_dir() and not is_folder:
            return os.strerror(errno.EISDIR)
        if path.exists() and not path.is_dir() and not _is_file(path):
            return "a device or a pipe"
        folder = next((p for p in path.parents if p.exists() or p == p.parent), path)
    except OSError as error:
        return error.strerror or str(error)
    if not folder.is_dir():
        return f"{folder} is no folder"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"{folder}: {os.strerror(errno.EACCES)}"


def _is_file(path: Path) -> bool:
    """Whether a file, or a link to one, could be replaced by another: not what /dev/stdout leads to."""
    return path.is_file() and not (path.is_symlink() and os.readlink(path).startswith("/proc/"))


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder and return those of its parents, and itself, that were not there."""
    new = [p for p in (folder, *folder.parents) if not p.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return new[::-1]
