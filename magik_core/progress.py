"""How long work says how far it has come."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]  # stage, done, total; a total of 0 is unknown
Count = Callable[[int, int], None]  # done, total of one stage


def silent(stage: str, done: int, total: int) -> None:
    """Say nothing."""
