"""What lies at a path where a model should be: said in words, never waited for."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from magik_core import missing, model_file, read
from magik_core.describe import is_model_file
from magik_core.errors import MagikError, ModelError, Problem, short


def problem_of(path: Path, call: Any = read.read) -> Problem:
    with pytest.raises(ModelError) as caught:
        call(path)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.skipif(os.name != "posix", reason="pipes, devices and links of POSIX")
def test_what_is_neither_a_file_nor_a_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "net.onnx")
    problem = problem_of(tmp_path / "net.onnx")
    assert (problem.what, problem.found) == ("the model is not a file", "a named pipe")
    assert problem.need == "a file, or a model's folder"
    assert problem_of(Path("/dev/null")).found == "a device"
    assert not is_model_file(tmp_path / "net.onnx")


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    assert problem_of(tmp_path / "loop").found == "a link that leads back to itself"
    assert problem_of(tmp_path / "gone").found == f"a link to {tmp_path / 'nothing'}, which is not there"


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    problem = problem_of(tmp_path / "net.onnx")
    assert (problem.what, problem.need) == ("there is no such model", "a path to a model")
    assert problem.found == f"no file net.onnx in {tmp_path}"
    assert problem_of(tmp_path / "a" / "net.onnx").found == f"no folder a in {tmp_path}"
    assert problem_of(tmp_path / ("n" * 5000)).what == "the model cannot be read"
    assert problem_of(Path("a\0b")).what == "the model cannot be read"


def test_bytes_within_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net"
    path.write_bytes(b"12345")
    assert model_file.read_bytes(path, 5) == b"12345"
    assert model_file.read_bytes(path, 5, head=2) == b"12"
    problem = problem_of(path, lambda p: model_file.read_bytes(p, 4, what="the text", hint="h"))
    assert problem == Problem("the text is too large", str(path), "5 bytes", "at most 4 bytes", "h")
    assert problem_of(tmp_path, lambda p: model_file.read_bytes(p, 4, "text")).need == "text"

    def fails(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", fails)
    problem = problem_of(path, lambda p: model_file.read_bytes(p, 5))
    assert (problem.what, problem.found, problem.need) == (
        "the model cannot be read", "Input/output error", "a file that you may read",
    )  # fmt: skip


def archive(path: Path) -> bytes:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a", "x" * 100)
    return path.read_bytes()


def test_what_a_file_looks_like(tmp_path: Path) -> None:
    whole = archive(tmp_path / "zip")
    found = {
        "net.pt2": (whole[:-30], "a zip archive that is cut short or damaged"),
        "net.keras": (whole, "a zip archive with a"),
        "net.pt": (pickle.dumps({"a": 1}), "a plain pickle"),
        "net-symbol.json": (b'{"nodes": [1, 2', "no JSON, or JSON cut short"),
        "deep-symbol.json": (b"[" * 100_000, "JSON that is nested too deeply"),
        "list-symbol.json": (b"[]", "JSON that is no object"),
        "other-symbol.json": (b'{"a": 1}', "JSON with a"),
        "a.safetensors": (b"\xff" * 20, "a header of 18446744073709551615 bytes in a file of 20"),
        "b.safetensors": (b"\x02" + bytes(7) + b"[]", "a header that is no JSON object"),
        "net.pb": (b"\x00\x01\x02" * 4, "12 bytes that begin with 00 01 02 00 01 02 00 01"),
        "net.tflite": (b"hello", "text that begins with 'hello'"),
        "data.h5x": (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        "empty.pth": (b"", "an empty file"),
    }
    for name, (data, text) in found.items():
        (tmp_path / name).write_bytes(data)
        assert model_file.content(tmp_path / name).startswith(text), name
    (tmp_path / "net.prototxt").mkdir()
    assert model_file.content(tmp_path / "net.prototxt") == "a directory with nothing in it"
    assert "No such file" in model_file.content(tmp_path / "none")


def test_a_format_that_nobody_knows_says_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(pickle.dumps(1))
    for known, need, hint in (
        (("onnx", "torch"), missing.TORCH, ""),
        (("onnx",), "a model of one of: onnx", "pip install magik-frontend-torch"),
    ):
        with pytest.raises(MagikError) as caught:
            missing.format_of(tmp_path / "net.pt", known)
        (problem,) = caught.value.problems
        assert (problem.found, problem.need, problem.hint) == ("a plain pickle", need, hint)


def test_texts_of_sources_are_short_and_plain() -> None:
    assert short("a\n  b\x1b[31m") == "a b [31m"
    assert short("x" * 201) == "x" * 198 + " …" and short("x" * 200) == "x" * 200
    assert short("y" * 10**6, 10) == "y" * 8 + " …"
