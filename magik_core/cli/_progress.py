"""Progress of long work: a bar with ETA on a terminal, a line per stage elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from magik_core.cli import _console

Report = Callable[[str, int, int], None]  # stage, done, total; a total of 0 is unknown
LINE_EVERY_S = 10.0


@contextmanager
def progress(is_quiet: bool = False) -> Iterator[Report]:
    """A function to call with (stage, done, total); it shows nothing when `is_quiet`."""
    if is_quiet:
        yield lambda stage, done, total: None
    elif _console.err().is_terminal:
        with _bars() as report:
            yield report
    else:
        yield _lines()


@contextmanager
def _bars() -> Iterator[Report]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_console.err(), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total or None)
            bars.update(tasks[stage], completed=done, total=total or None)

        yield report


def _lines() -> Report:
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
