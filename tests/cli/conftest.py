"""Run the command line in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from magik_core.cli import main
from tests.cli.models import DIGITS, files, samples

Refused = Callable[..., str]


@dataclass(frozen=True)
class Done:
    """What a command line did."""

    code: int
    out: str
    err: str


@pytest.fixture
def magik(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """`magik("check", "model.onnx")` without colors."""
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*args: object) -> Done:
        capsys.readouterr()
        code = main([str(arg) for arg in args])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run


@pytest.fixture
def refused(magik: Callable[..., Done], tmp_path: Path) -> Refused:
    """Run a command line that must fail: returns stderr; no file may appear, vanish or change."""

    def run(*args: object, code: int = 1) -> str:
        before = files(tmp_path)
        done = magik(*args)
        assert (done.code, "Traceback" in done.err) == (code, False), done.err
        assert done.err.startswith("error: ") and done.out == ""
        assert files(tmp_path) == before
        return done.err

    return run


@pytest.fixture
def calib(tmp_path: Path) -> Path:
    return samples(tmp_path / "calib.npy")


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits model, converted."""
    from magik_core import convert

    folder = tmp_path_factory.mktemp("digits")
    convert(DIGITS, folder / "digits.bin", calibration=samples(folder / "calib.npy"), mean=[127], normal=[128])
    return folder / "digits.bin"
