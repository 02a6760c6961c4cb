"""Run the vendor's command lines: scripts as bash reads them, in a folder of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from magik_core.cli._transform_tools import main
from tests.cli.models import DIGITS

SHOW = "magik-transform-tools() { printf '%s\\0' \"$@\"; }\n"


@dataclass(frozen=True)
class Done:
    """What a command line did."""

    code: int
    out: str
    err: str


def words(script: str) -> list[str]:
    """The arguments that a script hands to the tool."""
    done = subprocess.run(["bash", "-c", SHOW + script], capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with model.onnx and pictures in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("MAGIK_CPP_MIN_LOG_LEVEL", "MAGIK_CPP_FOR_INTERNAL", "MAGIK_CPP_DUMPDATA"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "model.onnx").write_bytes(DIGITS.read_bytes())
    (tmp_path / "pictures").mkdir()
    pixels = np.random.default_rng(3).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    for i, one in enumerate(pixels):
        Image.fromarray(one).save(tmp_path / f"pictures/{i}.png")
    return tmp_path


@pytest.fixture
def tool(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], Done]:
    """`tool("magik-transform-tools -gcfg")`."""

    def run(script: str) -> Done:
        capsys.readouterr()
        code = main(words(script))
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run


def made(folder: Path) -> list[str]:
    """Files that were not there before, the log file left out."""
    found = (str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    known = ("model.onnx", "pictures/", "magik_transform_event_")
    return sorted(name for name in found if not name.startswith(known) and not name.endswith((".cfg", ".json")))
