"""Tables of every width, and text that is not ours."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from magik_core.cli import _columns, _console
from magik_core.errors import Problem

COLUMNS = ("#", "step", "kernel", "shapes", "note", "MACs", "bytes")
ROWS = [
    ("1", "backbone/block_1/expand/convolution", "conv_u8", "1x120x160x16, 1x60x80x32 → 1x30x40x128", "", "8,294,400",
     "12.5 KiB"),
    ("12", "head/a name of words", "depthwise_conv_u8", "1x?x3 → scalar", "", "", "1,233,024"),
]  # fmt: skip
NUMBERS = {
    word for row in ROWS for cell in (row[0], row[5], *row[3].replace("→", "").split(), row[6]) if (word := cell)
}


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Console:
    """Stdout as a terminal, whose width tests set."""
    console = Console(file=io.StringIO(), highlight=False, soft_wrap=True, no_color=True, width=80)
    monkeypatch.setattr(_console, "out", lambda: console)
    return console


def shown(screen: Console) -> str:
    return screen.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [*range(44, 140, 3), 500])
def test_a_table_splits_no_number(screen: Console, width: int, capsys: pytest.CaptureFixture[str]) -> None:
    screen.width = width
    _console.table(COLUMNS, ROWS, spare=("kernel", "not of this table", "MACs", "bytes"))
    text = shown(screen)
    said = capsys.readouterr().err
    assert max(map(len, text.splitlines())) <= width
    missing = said.removeprefix("left out for lack of room: ").strip().split(", ") if said else []
    gone = {row[COLUMNS.index(name)] for row in ROWS for name in missing}
    assert {number for number in NUMBERS - gone if number not in text} == set()
    assert set(missing) <= {"kernel", "note", "MACs", "bytes"} and ("note" in missing or not missing)


def test_a_wide_terminal_shows_all(screen: Console, capsys: pytest.CaptureFixture[str]) -> None:
    screen.width = 500
    _console.table(COLUMNS, ROWS, spare=("kernel",))
    head, first, _ = shown(screen).splitlines()
    assert head.split() == list(COLUMNS) and ROWS[0][1] in first and ROWS[0][3] in first
    assert capsys.readouterr().err == ""


def test_no_room_at_all(screen: Console) -> None:
    """The terminal wraps then; what has to be there is."""
    screen.width = 5
    _console.table(COLUMNS, ROWS)
    assert "8,294,400" in shown(screen) and "1x30x40x128" in shown(screen)


def test_what_may_be_left_out_goes_in_order() -> None:
    found = _columns.fit(("a", "b", "c"), [("1,000", "2,000", "3,000")], ("c", "a"), 14)
    assert [column.index for column in found] == [0, 1]
    found = _columns.fit(("a", "b", "c"), [("1,000", "2,000", "3,000")], ("c", "a"), 5)
    assert [column.index for column in found] == [1] and found[0].is_number


def test_an_empty_table() -> None:
    assert [column.width for column in _columns.fit(("a", "bytes"), [], (), 80)] == [1, 5]


@pytest.mark.parametrize("evil", ["\x1b[31m", "\r", "\x07", "\x9b2J", "\x7f", "\x00"])
def test_control_characters_are_shown(evil: str, screen: Console, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"a{evil}b\tc"
    _console.table(("name",), [(text,)])
    _console.data(text)
    _console.words(text)
    _console.problems([Problem(text, text, text, text, text)])
    written = shown(screen) + capsys.readouterr().err
    assert evil not in written and written.count(f"a\\x{ord(evil[0]):02x}{evil[1:]}b") == 8
    assert {c for c in written if ord(c) < 32} <= {"\n", "\t"}


def test_a_model_is_shown_without_control_characters(magik, tmp_path: Path) -> None:
    from onnx import helper

    from tests.cli.models import FLOAT, write

    node = helper.make_node("Relu", ["x"], ["y"], "evil\x1b[2J")
    path = write(tmp_path / "m.onnx", [node], [("x", FLOAT, (1, 3, 4, 4))], [("y", FLOAT, (1, 3, 4, 4))], {})
    done = magik("inspect", path)
    assert done.code == 0 and "evil\\x1b[2J" in done.out and "\x1b" not in done.out
