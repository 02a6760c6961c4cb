"""Where words and data go: data to stdout, words to stderr, both without wrapping when not on a terminal."""

from __future__ import annotations

import io
import json
import logging
import math
import os
import sys
import traceback as tracebacks
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from magik_core import __version__
from magik_core.cli._columns import GAP, fit
from magik_core.errors import Problem

CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
CONTROLS |= {0xDC00 + byte: f"\\x{byte:02x}" for byte in range(128, 256)}  # bytes of a file's name that are no text
WIDE = 10_000  # columns of a console that is no terminal: nothing is cut or wrapped there


def open_streams() -> None:
    """Give streams that are closed, as a daemon's are, the null device, and show what their encoding lacks as codes."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def out() -> Console:
    """Stdout, for data."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)


def err() -> Console:
    """Stderr, for words."""
    return Console(stderr=True, highlight=False, soft_wrap=True, width=None if sys.stderr.isatty() else WIDE)


def plain(text: str) -> str:
    """Text of a file, a board or a tool with control characters and stray bytes visible: none reaches the terminal."""
    return text.translate(CONTROLS)


def words(text: str, style: str = "") -> None:
    """One message to stderr."""
    err().print(Text(plain(text), style=style))


def data(text: str = "") -> None:
    """One message to stdout."""
    out().print(Text(plain(text)))


def problems(items: Iterable[Problem]) -> None:
    """Problems as `str(problem)` has them, labels colored where there is color."""
    text = Text(plain("\n\n".join(str(item) for item in items)))
    text.highlight_regex(r"(?m)^error:", "bold red")
    text.highlight_regex(r"(?m)^( hint):", "bold green")
    text.highlight_regex(r"(?m)^(where|found| need):", "bold")
    err().print(text)


def as_json(value: Any) -> None:
    """Pure JSON on stdout, one value, nothing else."""
    sys.stdout.write(json.dumps(_finite(value), indent=2, default=str, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become their names."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], has_header: bool = True, spare: Sequence[str] = ()
) -> None:
    """A table on stdout; on a terminal long names fold, numbers stay whole and stand to the right.

    Args: spare: columns that may be left out of a narrow terminal, which is said; the first of them first.
    """
    lines = [[plain(cell) for cell in row] for row in rows]
    screen = out()
    shown = fit(columns, lines, spare, screen.width)
    grid = Table(show_header=has_header, box=None, pad_edge=False, header_style="bold")
    for column in shown:
        justify: JustifyMethod = "right" if column.is_number else "left"
        grid.add_column(columns[column.index], overflow="fold", width=column.width, justify=justify)
    for line in lines:
        grid.add_row(*(Text(line[column.index]) for column in shown))
    screen.width = max(screen.width, sum(column.width for column in shown) + GAP * len(shown))
    screen.print(grid, soft_wrap=False)
    missing = set(range(len(columns))) - {column.index for column in shown}
    if missing:
        words(f"left out for lack of room: {', '.join(columns[i] for i in sorted(missing))}", "dim")


def traceback(error: BaseException) -> None:
    """An error that is ours."""
    sys.stderr.write("".join(tracebacks.format_exception(error)))
    words(f"This is a bug in magik {__version__}: please report it with the lines above")


class _Handler(logging.Handler):
    """Log records as `warning: …` lines on stderr, whatever stderr is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        style = "yellow" if record.levelno >= logging.WARNING else ""
        words(f"{record.levelname.lower()}: {record.getMessage()}", style)


def log_to_stderr() -> None:
    """Print magik's warnings; called again, it changes nothing."""
    logger = logging.getLogger("magik_core")
    if not any(isinstance(handler, _Handler) for handler in logger.handlers):
        logger.addHandler(_Handler())
        logger.propagate = False


def note(text: str) -> None:
    """A detail that `-v` asks for."""
    words(f"note: {text}", "dim")


def silent(text: str) -> None:
    """Say nothing."""


def many(count: int, word: str) -> str:
    """`1 thread`, `2 threads`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def nbytes(count: int) -> str:
    """`3400000` -> `3.24 MiB (3,400,000 bytes)`; small counts in bytes only."""
    return f"{count / 2**20:.2f} MiB ({count:,} bytes)" if count >= 2**20 else f"{count:,} bytes"
