"""Outputs that cannot be written, an interrupt, damaged model files: an error, and no file is lost or left."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Done, Refused
from tests.cli.models import DIGITS, files, one, samples


@pytest.mark.parametrize(
    ("output", "code", "text"),
    [
        (".", 2, "the output is a folder"),
        ("folder", 2, "the output is a folder"),
        ("folder/", 2, "the output is a folder"),
        ("taken", 1, "taken.mgk\nfound: Is a directory"),
        ("calib.npy/out", 1, "calib.npy is no folder"),
        ("calib.npy/new/out", 1, "calib.npy is no folder"),
        ("x" * 300, 1, "File name too long"),
    ],
)
def test_outputs_that_cannot_be(
    refused: Refused, tmp_path: Path, calib: Path, monkeypatch: pytest.MonkeyPatch, output: str, code: int, text: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "taken.mgk").mkdir()
    monkeypatch.chdir(tmp_path)
    err = refused("convert", DIGITS, "-o", output, "--calib", calib, code=code)
    assert text in err and "calibrate:" not in err


def test_a_full_disk_leaves_the_old_files(
    magik: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second file does not fit any more."""
    for suffix in (".bin", ".mgk", ".mk.h"):
        (tmp_path / f"out{suffix}").write_text("old")
    model = one(tmp_path / "m.onnx", "Relu")
    before, fdopen = files(tmp_path), os.fdopen
    opened: list[int] = []

    class Full:
        def __init__(self, handle: int, mode: str) -> None:
            self.file = fdopen(handle, mode)
            opened.append(handle)

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def write(self, data: bytes) -> None:
            self.file.write(data[:10])
            if len(opened) == 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fdopen", Full)
    for output in ("out", "new/folder/out"):
        opened.clear()
        done = magik("convert", model, "--float", "-o", tmp_path / output)
        assert done.code == 1
        assert f"error: an output cannot be written\nwhere: {tmp_path / output}.mgk\nfound: No space left" in done.err
        assert files(tmp_path) == before and not (tmp_path / "new").exists()


def test_a_really_full_disk(magik: Callable[..., Done], tmp_path: Path, digits: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk takes root")
    try:
        done = magik("convert", DIGITS, "--float", "-o", disk / "sub/out")
        assert done.code == 1 and "found: No space left on device" in done.err and "Traceback" not in done.err
        assert list(disk.iterdir()) == []
        (disk / "fill").write_bytes(bytes(56 << 10))
        np.save(tmp_path / "x.npy", np.zeros((1, 3, 32, 32), np.float32))
        done = magik("run", digits, tmp_path / "x.npy", "-o", disk / "y")
        assert done.code in (0, 1) and "Traceback" not in done.err
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_while_calibrating(tmp_path: Path) -> None:
    samples(tmp_path / "calib.npy", count=4000)
    (tmp_path / "out.bin").write_text("old")
    before = files(tmp_path)
    code = "import sys; from magik_core.cli import main; sys.exit(main())"
    args = [
        "convert",
        str(DIGITS),
        "-o",
        str(tmp_path / "out"),
        "--calib",
        str(tmp_path / "calib.npy"),
        "--threads",
        "2",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None and process.stdout is not None
    assert any(line.startswith("calibrate: 1/4000") for line in process.stderr)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert files(tmp_path) == before


# ---- run and inspect -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cut", "damaged", "empty", "head", "onnx", "header", "npy", "missing", "folder"])
def test_model_files_that_are_none(refused: Refused, tmp_path: Path, digits: Path, kind: str) -> None:
    good, path = digits.read_bytes(), tmp_path / "m.bin"
    content = {
        "cut": good[:500],
        "damaged": good[:600] + bytes([good[600] ^ 255]) + good[601:],
        "empty": b"",
        "head": good[:8],
        "onnx": DIGITS.read_bytes(),
        "header": digits.with_name("digits.mk.h").read_bytes(),
        "npy": digits.with_name("calib.npy").read_bytes(),
    }
    if kind in content:
        path.write_bytes(content[kind])
    elif kind == "folder":
        path.mkdir()
    x = samples(tmp_path / "x.npy", count=1)
    text = "a model file is refused" if kind in content else "a model file cannot be read"
    assert f"{text}\nwhere: {path}" in refused("run", path, x)
    if kind != "onnx":
        refused("inspect", path)


def test_any_byte_changed_or_cut(digits: Path) -> None:
    """The fuzzer does this at length, under sanitizers; here it is through Python."""
    from magik_core.errors import LoadError
    from magik_core.net import Net

    good, rng = digits.read_bytes(), np.random.default_rng(0)
    x = np.zeros((1, 3, 32, 32), np.float32)
    for at in rng.integers(0, len(good), 60):
        for bad in (good[: int(at)], good[: int(at)] + bytes([good[at] ^ 1 << int(rng.integers(8))]) + good[at + 1 :]):
            try:
                Net(bad).run(x)
            except LoadError as error:
                assert error.problems[0].what == "a model file is refused"


def test_inputs_that_do_not_fit(refused: Refused, tmp_path: Path, digits: Path) -> None:
    x = samples(tmp_path / "x.npy", count=1)
    small = samples(tmp_path / "small.npy", count=1, shape=(3, 31, 32))
    (tmp_path / "x.txt").write_text("hello")
    assert "an input has another shape\nwhere: input 'image'" in refused("run", digits, small)
    assert "there is no such file" in refused("run", digits, tmp_path / "none.npy")
    assert "found: suffix '.txt'" in refused("run", digits, tmp_path / "x.txt")
    assert "which input is this file for?" in refused("run", digits, x, x)
    assert "an input is given twice" in refused("run", digits, f"image={x}", f"image={x}")
    err = refused("run", digits, f"imge={x}")
    assert "the model has no such input\nwhere: imge" in err and "an input is missing\nwhere: image" in err
    assert "there is no such channel order\nwhere: --color" in refused("run", digits, x, "--color", "RGBX", code=2)
    assert "missing argument" in refused("run", digits, code=2)
    assert "invalid value for '--threads'" in refused("run", digits, x, "--threads", "1000", code=2)


@pytest.mark.parametrize("output", ["x.npy/y", "taken.npy", "x.npy/y/z.npy"])
def test_outputs_of_run_that_cannot_be(refused: Refused, tmp_path: Path, digits: Path, output: str) -> None:
    x = samples(tmp_path / "x.npy", count=1)
    (tmp_path / "taken.npy").mkdir()
    assert "an output cannot be written" in refused("run", digits, x, "-o", tmp_path / output)


def test_inspect_writes_no_page_over_a_folder(refused: Refused, tmp_path: Path, digits: Path) -> None:
    (tmp_path / "page").mkdir()
    assert "found: Is a directory" in refused("inspect", digits.with_suffix(".mgk"), "--html", tmp_path / "page")


def test_an_error_is_no_json(refused: Refused, tmp_path: Path) -> None:
    err = refused("convert", tmp_path / "none.onnx", "--float", "--json")
    with pytest.raises(json.JSONDecodeError):
        json.loads(err)
