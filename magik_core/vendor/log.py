"""Log lines in the form of the vendor's tool, and its log file."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

LEVEL = "MAGIK_CPP_MIN_LOG_LEVEL"
LEVELS: Mapping[str, int] = {"0": logging.DEBUG, "1": logging.WARNING, "2": logging.ERROR, "3": logging.CRITICAL}
LOGGER = "magik_core"


class Line(logging.Formatter):
    """`2026-01-31 09:05:00.123456: I job.py:45-job] text`."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        micro = int(record.created % 1 * 1e6)
        place = f"{record.filename}:{record.lineno}-{record.funcName}"
        return f"{at}.{micro:06}: {record.levelname[0]} {place}] {record.getMessage()}"


class _Call(logging.Handler):
    """Hands every line to a function."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        self._show(self.format(record))


@contextmanager
def lines(environment: Mapping[str, str], show: Callable[[str], None], folder: Path) -> Iterator[None]:
    """Show what magik logs as lines, and write them to `magik_transform_event_*.log` in a folder.

    Args: environment: MAGIK_CPP_MIN_LOG_LEVEL in it is 0 for details, 1 for warnings, 2 for errors, 3 for silence.
    """
    logger, own = logging.getLogger(LOGGER), [_Call(show), _file(folder)]
    before = logger.level, logger.propagate, logger.handlers
    logger.propagate, logger.handlers = False, list(own)
    logger.setLevel(LEVELS.get(environment.get(LEVEL, "").strip(), logging.INFO))
    for handler in own:
        handler.setFormatter(Line())
    try:
        yield
    finally:
        logger.propagate, logger.handlers = before[1:]
        logger.setLevel(before[0])
        for handler in own:
            handler.close()


def _file(folder: Path) -> logging.Handler:
    """The log file; nothing where none can be made."""
    name = f"magik_transform_event_{time.strftime('%Y%m%d_%H%M%S')}_{os.getpid()}.log"
    try:
        return logging.FileHandler(folder / name, encoding="utf-8", errors="backslashreplace")
    except OSError:
        return logging.NullHandler()
