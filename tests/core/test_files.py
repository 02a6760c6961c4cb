"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from magik_core import files
from magik_core.errors import PackError


def test_write_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.bin"
    files.write({path: b"old"})
    files.write({path: b"new", path.with_suffix(".mgk"): b"names"})
    assert path.read_bytes() == b"new" and path.with_suffix(".mgk").read_bytes() == b"names"
    assert path.stat().st_mode & 0o777 == 0o644
    assert sorted(p.name for p in path.parent.iterdir()) == ["a.bin", "a.mgk"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    one, two = tmp_path / "a.bin", tmp_path / "a.mgk"
    files.write({one: b"old", two: b"old"})
    opened = iter([None, error])
    real = os.fdopen

    def failing(handle: int, *mode: str) -> Any:
        problem = next(opened)
        if problem is None:
            return real(handle, *mode)
        os.close(handle)
        raise problem

    monkeypatch.setattr(os, "fdopen", failing)
    with pytest.raises(PackError if isinstance(error, OSError) else KeyboardInterrupt) as caught:
        files.write({one: b"new", two: b"new"})
    monkeypatch.undo()
    assert one.read_bytes() == two.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.bin", "a.mgk"]
    if isinstance(error, OSError):
        assert str(caught.value) == (
            f"error: an output cannot be written\nwhere: {two}\nfound: No space left on device"
        )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write itself fails, as on a real disk: /dev/full takes no byte."""
    path = tmp_path / "a.bin"
    files.write({path: b"old"})
    real = os.fdopen

    def on_full_disk(handle: int, mode: str) -> Any:
        os.close(handle)
        return real(os.open("/dev/full", os.O_WRONLY), mode)

    monkeypatch.setattr(os, "fdopen", on_full_disk)
    with pytest.raises(PackError, match="No space left"):
        files.write({path: b"new" * 100_000})
    monkeypatch.undo()
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(PackError, match="an output cannot be written"):
        files.write({tmp_path / "a.bin": b"new"})
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PackError, match="an output cannot be written"):
        files.write({tmp_path / "file" / "a.bin": b"new"})
