"""Streams that are closed or have few characters, and numbers that JSON does not have."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from magik_core.cli import _console
from tests.cli.models import DIGITS

MAGIK = f"'{sys.executable}' -m magik_core"


def shell(line: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line, shell=True, cwd=folder, env={**os.environ, **more}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path: Path, closed: str) -> None:
    done = shell(f"{MAGIK} init '{DIGITS}' -o magik.cfg {closed}", tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == ("" if "2>&-" in closed else "wrote magik.cfg\n")
    assert (tmp_path / "magik.cfg").is_file()


def test_an_encoding_of_few_characters(tmp_path: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = shell(f"{MAGIK} inspect '{DIGITS}'", tmp_path, **plain)
    assert done.returncode == 0 and done.stderr == "" and "1x3x32x32 \\u2192 " in done.stdout


def test_json_has_names_for_what_it_cannot_hold(capsys: pytest.CaptureFixture[str]) -> None:
    _console.as_json({"a": [math.nan, 1.5], "b": {"c": (math.inf, -math.inf)}})
    found = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(name))
    assert found == {"a": ["nan", 1.5], "b": {"c": ["inf", "-inf"]}}
