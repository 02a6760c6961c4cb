"""Log lines of the vendor's form: to stderr and into a file, as MAGIK_CPP_MIN_LOG_LEVEL asks."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import pytest

from magik_core.vendor import log

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}: ([DIWEC]) test_log\.py:\d+-say\] (\w+)")
MANY = "magik-transform-tools -i model.onnx -o o.mk.h --target_device host"


def say() -> None:
    logger = logging.getLogger("magik_core.anything")
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        logger.log(level, "text")


@pytest.mark.parametrize(
    ("level", "want"), [("0", "DIWE"), ("", "IWE"), ("nonsense", "IWE"), ("1", "WE"), ("2", "E"), ("3", "")]
)
def test_levels(tmp_path: Path, level: str, want: str) -> None:
    shown: list[str] = []
    before = logging.getLogger("magik_core").handlers
    with log.lines({"MAGIK_CPP_MIN_LOG_LEVEL": level}, shown.append, tmp_path):
        say()
    say()
    assert logging.getLogger("magik_core").handlers is before
    found = [LINE.fullmatch(line) for line in shown]
    assert "".join(m[1] for m in found if m) == want and all(found)
    (path,) = tmp_path.glob("magik_transform_event_*.log")
    assert path.read_text().splitlines() == shown


def test_a_path_that_is_no_text_is_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with log.lines({}, lambda _: None, tmp_path):
        logging.getLogger("magik_core.anything").info("wrote %s", os.fsdecode(b"b\xfcld.bin"))
    (path,) = tmp_path.glob("*.log")
    assert path.read_text().endswith("wrote b\\udcfcld.bin\n") and capsys.readouterr().err == ""


def test_where_no_file_can_be_made(tmp_path: Path) -> None:
    shown: list[str] = []
    with log.lines({}, shown.append, tmp_path / "none"):
        say()
    assert len(shown) == 3


def test_the_file_of_a_run(here: Path, tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("MAGIK_CPP_DUMPDATA", "true")
    assert tool(MANY).code == 0
    (path,) = here.glob("magik_transform_event_*.log")
    assert "wrote o.bin" in path.read_text()
    path.unlink()
    monkeypatch.setenv("MAGIK_CPP_MIN_LOG_LEVEL", "2")
    done = tool(MANY.replace("model.onnx", "none.onnx"))
    (path,) = here.glob("magik_transform_event_*.log")
    assert "none.onnx: there is no such model" in path.read_text() and done.err.startswith(path.read_text())
