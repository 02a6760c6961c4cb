"""Progress: lines elsewhere, bars on a terminal, nothing when quiet."""

from __future__ import annotations

import pytest

from magik_core.cli import _console, _progress


def test_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 12.0, 13.0, 14.0, 15.0])
    monkeypatch.setattr(_progress.time, "monotonic", lambda: next(clock))
    with _progress.progress() as report:
        for done in (0, 1, 2, 3, 3):
            report("calibrate", done, 3)
        report("plan", 0, 0)
    assert capsys.readouterr().err == "calibrate: 0/3\ncalibrate: 2/3\ncalibrate: 3/3\nplan\n"


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with _progress.progress(is_quiet=True) as report:
        report("calibrate", 1, 3)
    assert capsys.readouterr().err == ""


def test_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    from rich.console import Console

    screen = Console(file=io.StringIO(), force_terminal=True, width=80)
    monkeypatch.setattr(_console, "err", lambda: screen)
    with _progress.progress() as report:
        report("calibrate", 1, 4)
        report("calibrate", 2, 4)
        report("pack", 0, 0)
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "calibrate" in text and "2/4" in text and "pack" in text
