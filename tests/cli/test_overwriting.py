"""No output takes the place of what is read, of a device, or of a link to a folder."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.cli.conftest import Refused
from tests.cli.models import DIGITS, samples

PIXELS = ("--mean", 127, "--normal", 128)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: Path) -> Path:
    """A model, with its weights beside it too, calibration data, a model file and an input of it."""
    monkeypatch.chdir(tmp_path)
    model = onnx.load(DIGITS)
    Path("m.onnx").write_bytes(DIGITS.read_bytes())
    Path("raw.bin").write_bytes(DIGITS.read_bytes())
    onnx.save(model, "beside.onnx", save_as_external_data=True, location="beside.bin", size_threshold=0)
    Path("folder").mkdir()
    x = np.load(samples(Path("calib.npy")))
    np.save("one.npy", x[:1])
    np.save("folder/0.npy", x[0])
    x[0].astype("u1").tofile("calib.bin")
    Path("d.bin").write_bytes(digits.read_bytes())
    Path("d.mgk").write_bytes(digits.with_suffix(".mgk").read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("line", "place", "source"),
    [
        ("convert beside.onnx -o beside.bin --calib calib.npy", "beside.bin", "beside.bin"),
        ("convert raw.bin --frontend onnx -o raw --calib calib.npy", "raw.bin", "raw.bin"),
        ("convert m.onnx -o calib.bin --calib calib.bin", "calib.bin", "calib.bin"),
        ("convert m.onnx -o ./folder/m --calib folder", "folder/m.bin", "folder"),
        ("convert m.onnx -o link/m --calib folder", "link/m.bin", "folder"),
        ("convert m.onnx -o folder/m --calib calib.npy --set DEBUG_PATH=folder", "folder/m.bin", "folder"),
        ("inspect m.onnx --html m.onnx", "m.onnx", "m.onnx"),
        ("profile d.mgk --no-mips --repeat 1 --html d.mgk", "d.mgk", "d.mgk"),
        ("debug m.onnx --calib calib.npy --no-dump --html m.onnx", "m.onnx", "m.onnx"),
        ("run d.bin one.npy -o one.npy", "one.npy", "one.npy"),
        ("run d.bin image=one.npy -o one.npy", "one.npy", "one.npy"),
        ("init m.onnx -o m.onnx --force", "m.onnx", "m.onnx"),
    ],
)
def test_what_is_read_is_not_written(refused: Refused, here: Path, line: str, place: str, source: str) -> None:
    Path("link").symlink_to("folder")
    words = line.split()
    err = refused(*words, *(PIXELS if words[0] in ("convert", "debug") else ()))
    said = f"error: an output lies where it is read from\nwhere: {place}\nfound: {source}\n need: another place\n"
    assert said in err


def test_other_places_are_written(magik, here: Path) -> None:
    """Beside what is read, and over what was written before."""
    for _ in range(2):
        assert magik("convert", "m.onnx", "-o", "m.bin", "--calib", "folder", *PIXELS).code == 0
        assert magik("run", "m.bin", "one.npy", "-o", "y.npy").code == 0
        assert magik("inspect", "m.onnx", "--html", "m.html").code == 0


@pytest.mark.parametrize("place", ["/dev/null", "pipe", "link", "to_stdout"])
def test_devices_and_pipes_stay(refused: Refused, here: Path, place: str) -> None:
    Path("link").symlink_to("/dev/null")
    Path("to_stdout").symlink_to("/proc/self/fd/1")
    os.mkfifo("pipe")
    try:
        err = refused("inspect", "m.onnx", "--html", place)
    finally:
        Path("pipe").unlink()
    assert err == f"error: an output cannot be written\nwhere: {place}\nfound: a device or a pipe\n"


def test_a_name_with_a_zero(refused: Refused, here: Path) -> None:
    err = refused("inspect", "m.onnx", "--html", "a\0b")
    assert "an output cannot be written" in err and "found: a name with a zero in it\n" in err


def test_a_build_replaces_no_link(refused: Refused, here: Path) -> None:
    Path("target").mkdir()
    Path("link").symlink_to("target")
    err = refused("build", "d", "-o", "link", "--no-compile")
    assert err.startswith(
        "error: the folder is a link\nwhere: link\nfound: to target\n need: a folder that can be replaced, or none\n"
    )
