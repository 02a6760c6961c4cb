"""Progress of long work: a bar with ETA on a terminal, a line per stage elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from magik_core.cli import _console
from magik_core.progress import Progress, silent

LINE_EVERY_S = 10.0


@contextmanager
def progress(is_quiet: bool = False) -> Iterator[Progress]:
    """A function to call with (stage, done, total); it shows nothing when `is_quiet`."""
    if is_quiet:
        yield silent
    elif _console.err().is_terminal:
        with _bars() as report:
            yield report
    else:
        yield _lines()


@contextmanager
def _bars() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=_console.err(), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total or None)
            bars.update(tasks[stage], completed=done, total=total or None)

        yield report


def _lines() -> Progress:
    """A line when a stage begins and ends, and every ten seconds between."""
    last: dict[str, float] = {}
    ended: set[str] = set()

    def report(stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        is_end = bool(total) and done >= total
        if (stage in last and now - last[stage] < LINE_EVERY_S and not is_end) or stage in ended:
            return
        last[stage] = now
        if is_end:
            ended.add(stage)
        _console.words(f"{stage}: {done}/{total}" if total else stage)

    return report
